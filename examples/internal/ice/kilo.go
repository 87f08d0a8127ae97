package ice

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube/helm"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

func kiloRelease(site geored.SiteName) string { return "kilo-" + string(site) }

// endpointOf is where other sites reach a node when the topology does not say: its own address (guide 000, 4.2.2).
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
			Reason: "Kilo may find a wrong endpoint by itself, and takes its keepalive from here alone (guide 000, 4.2.2)"}
		for _, key := range []string{kilo.ForceEndpoint, kilo.PersistentKeepalive} {
			s.Manual = append(s.Manual, fmt.Sprintf("kubectl --context %s annotate --overwrite node %s %s=%s", site, n.Name, key, wanted(n)[key]))
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
func helmCommand(site geored.SiteName, release, chart, version, file string) string {
	return fmt.Sprintf("helm --kube-context %s upgrade -i %s REPOSITORY/%s --version %s -f %s", site, release, chart, version, file)
}

// kilo installs Kilo without peers and waits for what it tells of the nodes.
func (d *Deployment) kilo() geored.Stage {
	const stage = "kilo"
	install := func(s mesh.Site) geored.Step {
		return geored.Step{ID: stepID(stage, s.Name, "part1"), Site: s.Name, Target: "release " + kiloRelease(s.Name), Action: geored.Install,
			Reason: "every node makes a key, which the other sites' peers need (guide 000, 4.2.2)",
			Manual: []string{helmCommand(s.Name, kiloRelease(s.Name), KiloChart, d.charts.version(KiloChart), "kilo/"+kilo.FileName(s.Name, 1))}}
	}
	settled := func(s mesh.Site) geored.Step {
		return geored.Step{ID: stepID(stage, s.Name, "keys"), Site: s.Name, Target: "annotations of the nodes", Action: geored.Await,
			Needs: []geored.StepID{stepID(stage, s.Name, "part1")}, Reason: "Kilo writes each node's key and WireGuard address there (guide 000, 4.2.3)",
			Manual: []string{fmt.Sprintf(`kubectl --context %s describe node | grep -A 20 "^Annotations"`, s.Name)}}
	}
	return geored.Stage{Name: stage, Outline: d.eachSite(install, settled), Bind: func(ctx context.Context) ([]geored.Task, error) {
		var tasks []geored.Task
		for _, site := range d.mesh.Network.Sites {
			values, err := valuesOf(kilo.Part1(site))
			if err != nil {
				return nil, err
			}
			w, err := d.charts.release(ctx, KiloChart, kiloRelease(site.Name), values)
			if err != nil {
				return nil, err
			}
			tasks = append(tasks, d.firstPart(install(site), site, w), d.mesh.SettledTask(settled(site), site))
		}
		return tasks, nil
	}}
}

// firstPart installs Kilo without peers. A release that has peers already is further than that, and stays as it is: a run
// that goes on after an interruption, or adds a site, must not take them away.
func (d *Deployment) firstPart(step geored.Step, site mesh.Site, w helm.Release) geored.Task {
	releases := d.releases(site.Name)
	task := releases.Task(step, w)
	observe := task.Observe
	task.Observe = func(ctx context.Context) (geored.State, error) {
		have, found, err := releases.Installed(ctx, w.Name, w.Namespace)
		if err != nil {
			return geored.State{}, err
		}
		var values kilo.Values
		if found && have.Deployed && have.Decode(&values) == nil && values.Config.EnablePeers && values.Config.Multidatacenter.WGCIDR == site.WireGuardCIDR.String() {
			return geored.State{Done: true, Detail: fmt.Sprintf("release %s has %d peers already", w.Name, len(values.Config.Peers))}, nil
		}
		return observe(ctx)
	}
	return task
}

// peers gives every site's Kilo the nodes of the other sites, from what Kilo told of them.
func (d *Deployment) peers() geored.Stage {
	const stage = "peers"
	step := func(s mesh.Site) geored.Step {
		return geored.Step{ID: stepID(stage, s.Name, "part2"), Site: s.Name, Target: "release " + kiloRelease(s.Name), Action: geored.Install,
			Reason: fmt.Sprintf("a peer for each node of the %d other sites; each site's service range belongs to one of them (guide 000, 4.2.4)", len(d.mesh.Network.Sites)-1),
			Manual: []string{helmCommand(s.Name, kiloRelease(s.Name), KiloChart, d.charts.version(KiloChart), "kilo/"+kilo.FileName(s.Name, 2)) + " --set config.enablePeers=true"}}
	}
	return geored.Stage{Name: stage, Outline: d.eachSite(step), Bind: func(ctx context.Context) ([]geored.Task, error) {
		full, err := d.mesh.Plan(d.mesh.Observe(ctx))
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
			w, err := d.charts.release(ctx, KiloChart, kiloRelease(site.Name), values)
			if err != nil {
				return nil, err
			}
			tasks = append(tasks, d.releases(site.Name).Task(step(site), w))
		}
		return tasks, nil
	}}
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
					Action: geored.Await, Reason: "a handshake and an answer through each of them (guide 000, 4.2.5)",
					Manual: []string{"sudo wg show kilo0, on each node of " + string(from.Name)}})
			}
		}
	}
	return geored.Stage{Name: stage, Outline: outline, Bind: func(ctx context.Context) ([]geored.Task, error) {
		full, err := d.mesh.Plan(d.mesh.Observe(ctx))
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
