package ice

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube/helm"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

func kiloRelease(site geored.SiteName) string { return "kilo-" + string(site) }

// endpointOf is where other sites reach a node when the topology does not say: its own address (ICE guide, 4.2.2).
func endpointOf(n geored.Node, network mesh.Network) geored.Endpoint {
	endpoint, err := geored.EndpointFrom(netip.AddrPortFrom(n.InternalIP, network.WithDefaults().ListenPort))
	if err != nil {
		return geored.Endpoint{} // the node has no address; the network's faults say so
	}
	return endpoint
}

// annotate tells Kilo where each node is reached, and to keep its tunnels open.
func (d *Deployment) annotate() geored.Stage {
	const stage = "annotate"
	wanted := func(n geored.Node) map[string]string {
		return kilo.Annotations(n.Endpoint, d.mesh.Network.WithDefaults().PersistentKeepalive)
	}
	step := func(site geored.SiteName, n geored.Node) geored.Step {
		s := geored.Step{ID: stepID(stage, site, n.Name), Site: site, Target: "node " + n.Name, Action: geored.Apply,
			Reason: "Kilo may find a wrong endpoint by itself, and takes its keepalive from here alone (ICE guide, 4.2.2)",
			Wanted: wantedOf(wanted(n))}
		for _, key := range []string{kilo.ForceEndpoint, kilo.PersistentKeepalive} {
			s.Manual = append(s.Manual, d.kubectl(site, fmt.Sprintf("annotate --overwrite node %s %s=%s", n.Name, key, wanted(n)[key])))
			s.ManualUndo = append(s.ManualUndo, d.kubectl(site, fmt.Sprintf("annotate node %s %s-", n.Name, key)))
		}
		return s
	}
	var outline []geored.Step
	for _, site := range d.mesh.Network.Sites {
		for _, node := range site.Nodes {
			outline = append(outline, step(site.Name, node))
		}
	}
	return geored.Stage{Name: stage, Outline: outline, Bind: func(context.Context) ([]geored.Task, error) {
		var tasks []geored.Task
		for _, site := range d.mesh.Network.Sites {
			for _, node := range site.Nodes {
				tasks = append(tasks, meshkube.AnnotateTask(d.Clusters[site.Name], step(site.Name, node), node.Name, wanted(node)))
			}
		}
		return tasks, nil
	}}
}

// helmCommand is what an operator would type for a release.
func (d *Deployment) helmCommand(site geored.SiteName, release, chart, version, file string) string {
	return d.Clusters[site].Helm(fmt.Sprintf("upgrade -i %s REPOSITORY/%s --version %s -f %s", release, chart, version, file))
}

// helmUndo is what takes a release back.
func (d *Deployment) helmUndo(site geored.SiteName, release string) string {
	return d.Clusters[site].Helm("uninstall " + release)
}

// wantedOf is the digest of what a step would apply.
func wantedOf(parts ...any) string {
	digest, err := geored.DigestOf(parts...)
	if err != nil {
		return "" // of plain values it cannot fail
	}
	return digest
}

func (d *Deployment) wantedChart(site geored.SiteName, chart string, values any) string {
	return wantedOf(chart, d.charts.version(chart), values, d.charts.Overlay.shown(site, chart))
}

// kilo installs Kilo without peers and waits for what it tells of the nodes.
func (d *Deployment) kilo() geored.Stage {
	const stage = "kilo"
	install := func(s mesh.Site) geored.Step {
		return geored.Step{ID: stepID(stage, s.Name, "part1"), Site: s.Name, Target: "release " + kiloRelease(s.Name), Action: geored.Install,
			Reason: "every node makes a key, which the other sites' peers need (ICE guide, 4.2.2)",
			Wanted: d.wantedChart(s.Name, KiloChart, kilo.Part1(s)), ManualUndo: []string{d.helmUndo(s.Name, kiloRelease(s.Name))},
			Manual: []string{d.helmCommand(s.Name, kiloRelease(s.Name), KiloChart, d.charts.version(KiloChart), "kilo/"+kilo.FileName(s.Name, 1))}}
	}
	settled := func(s mesh.Site) geored.Step {
		return geored.Step{ID: stepID(stage, s.Name, "keys"), Site: s.Name, Target: "annotations of the nodes", Action: geored.Await,
			Needs: []geored.StepID{stepID(stage, s.Name, "part1")}, Reason: "Kilo writes each node's key and WireGuard address there (ICE guide, 4.2.3)",
			Manual: []string{d.kubectl(s.Name, `describe node | grep -A 20 "^Annotations"`)}}
	}
	return geored.Stage{Name: stage, Outline: d.eachSite(install, settled), Bind: func(ctx context.Context) ([]geored.Task, error) {
		var tasks []geored.Task
		for _, site := range d.mesh.Network.Sites {
			values, err := d.firstPart(ctx, site)
			if err != nil {
				return nil, err
			}
			w, err := d.charts.release(ctx, site.Name, KiloChart, kiloRelease(site.Name), values)
			if err != nil {
				return nil, err
			}
			tasks = append(tasks, d.releases(site.Name).Task(install(site), w), d.mesh.SettledTask(settled(site), site))
		}
		return tasks, nil
	}}
}

// firstPart are the values with which Kilo is installed. A release that has peers already is further than that, and keeps
// them: a run that goes on after an interruption, adds a node or changes what lies over the values must not take them away.
func (d *Deployment) firstPart(ctx context.Context, site mesh.Site) (helm.Values, error) {
	values, err := valuesOf(kilo.Part1(site))
	if err != nil {
		return nil, err
	}
	have, found, err := d.releases(site.Name).Installed(ctx, kiloRelease(site.Name), releaseNamespace)
	if err != nil {
		return nil, err
	}
	var installed kilo.Values
	if !found || !have.Deployed || have.Decode(&installed) != nil || !installed.Config.EnablePeers || installed.Config.Multidatacenter != kilo.Part1(site).Config.Multidatacenter {
		return values, nil
	}
	return valuesOf(installed)
}

// turnover is as long as Kilo takes to look around anew, three times over (30 s, cmd/kg/main.go).
const turnover = 90 * time.Second

// turnedOver plans over what Kilo tells. A node that has just started leads on its own for a moment, before it hears of the
// others, also after its site had settled: what cannot be planned is looked at again until then.
func (d *Deployment) turnedOver(ctx context.Context) (mesh.Full, error) {
	ctx, cancel := context.WithTimeout(ctx, turnover)
	defer cancel()
	for {
		full, err := d.mesh.Plan(d.mesh.Observe(ctx))
		if err == nil || geored.SystemClock().Sleep(ctx, pollPause) != nil {
			return full, err
		}
	}
}

// peers gives every site's Kilo the nodes of the other sites, from what Kilo told of them.
func (d *Deployment) peers() geored.Stage {
	const stage = "peers"
	step := func(s mesh.Site) geored.Step {
		return geored.Step{ID: stepID(stage, s.Name, "part2"), Site: s.Name, Target: "release " + kiloRelease(s.Name), Action: geored.Install,
			Reason: fmt.Sprintf("a peer for each node of the %d other sites; each site's service range belongs to one of them (ICE guide, 4.2.4)", len(d.mesh.Network.Sites)-1),
			Given:  d.given(s.Name), ManualUndo: []string{d.helmUndo(s.Name, kiloRelease(s.Name))},
			Manual: []string{d.helmCommand(s.Name, kiloRelease(s.Name), KiloChart, d.charts.version(KiloChart), "kilo/"+kilo.FileName(s.Name, 2)) + " --set config.enablePeers=true"}}
	}
	return geored.Stage{Name: stage, Outline: d.eachSite(step), Bind: func(ctx context.Context) ([]geored.Task, error) {
		full, err := d.turnedOver(ctx)
		if err != nil {
			return nil, err
		}
		layout := full.Layout()
		var tasks []geored.Task
		for _, site := range d.mesh.Network.Sites {
			values, err := secondPart(site, layout)
			if err != nil {
				return nil, err
			}
			w, err := d.charts.release(ctx, site.Name, KiloChart, kiloRelease(site.Name), values)
			if err != nil {
				return nil, err
			}
			task := d.releases(site.Name).Task(step(site), w)
			task.Values = d.values(site.Name, full)
			tasks = append(tasks, task)
		}
		return tasks, nil
	}}
}

// given says before any key is known what the peers of the other sites must be like.
func (d *Deployment) given(own geored.SiteName) []geored.Constraint {
	var given []geored.Constraint
	for _, site := range d.mesh.Network.Sites {
		if site.Name == own {
			continue
		}
		var nodes []string
		for _, node := range site.Nodes {
			nodes = append(nodes, node.Name)
		}
		given = append(given, geored.Constraint{Name: ownerValue(site.Name), OneOf: nodes},
			geored.Constraint{Name: addressValue(site.Name), Inside: site.WireGuardCIDR}, geored.Constraint{Name: keyValue(site.Name), Matches: `[A-Za-z0-9+/]{43}=`})
	}
	return given
}

func ownerValue(site geored.SiteName) string {
	return "node that carries the services of " + string(site)
}
func addressValue(site geored.SiteName) string { return "its WireGuard address in " + string(site) }
func keyValue(site geored.SiteName) string     { return "its public key in " + string(site) }

// values are those of the constraints, from what Kilo told.
func (d *Deployment) values(own geored.SiteName, full mesh.Full) map[string]string {
	values := map[string]string{}
	for _, site := range d.mesh.Network.Sites {
		if site.Name == own || len(site.Services) == 0 {
			continue
		}
		owner := full.Owner(site.Name, site.Services[0])
		device, _ := full.Device(site.Name, owner)
		values[ownerValue(site.Name)], values[addressValue(site.Name)], values[keyValue(site.Name)] = owner, device.Address.Addr().String(), device.PublicKey.String()
	}
	return values
}

func secondPart(site mesh.Site, layout mesh.Layout) (helm.Values, error) {
	device, ok := layout.Device(site.Name, "")
	if !ok {
		return nil, fmt.Errorf("site %s: the layout has no device", site.Name)
	}
	values, err := kilo.Part2(site, device)
	if err != nil {
		return nil, err
	}
	values.Config.EnablePeers = true
	return valuesOf(values)
}

// tunnels waits until a packet crosses each tunnel and comes back.
func (d *Deployment) tunnels() geored.Stage {
	const stage = "tunnels"
	var outline []geored.Step
	for _, from := range d.mesh.Network.Sites {
		for _, to := range d.mesh.Network.Sites {
			if from.Name != to.Name {
				outline = append(outline, geored.Step{ID: stepID(stage, from.Name, string(to.Name)), Site: from.Name, Target: "tunnels to " + string(to.Name),
					Action: geored.Await, Reason: "a handshake and an answer through each of them (ICE guide, 4.2.5)",
					Manual: []string{"sudo wg show kilo0, on each node of " + string(from.Name)}})
			}
		}
	}
	return geored.Stage{Name: stage, Outline: outline, Bind: func(ctx context.Context) ([]geored.Task, error) {
		full, err := d.turnedOver(ctx)
		if err != nil {
			return nil, err
		}
		tasks := d.mesh.TunnelTasks(full.Layout())
		for i := range tasks {
			tasks[i].Step = outline[i]
		}
		return tasks, nil
	}}
}
