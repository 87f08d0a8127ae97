package ice

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// endpointOf is where other sites reach a node when the topology does not say: its own address (guide 000, 4.2.2).
func endpointOf(n geored.Node, network mesh.Network) geored.Endpoint {
	endpoint, err := geored.EndpointFrom(netip.AddrPortFrom(n.InternalIP, network.WithDefaults().ListenPort))
	if err != nil {
		return geored.Endpoint{} // the node has no address; the network's faults say so
	}
	return endpoint
}

// gateways brings up each site's WireGuard interface, still without peers, and the probe pod behind it.
func (d *Deployment) gateways() geored.Stage {
	const stage = "gateways"
	gatewayStep := func(s mesh.Site) geored.Step {
		return geored.Step{ID: stepID(stage, s.Name, "wireguard"), Site: s.Name, Target: "daemonset " + Namespace + "/wireguard-gateway", Action: geored.Apply,
			Reason: "a WireGuard interface on the site's gateway, with a key that never leaves it"}
	}
	probeStep := func(s mesh.Site) geored.Step {
		return geored.Step{ID: stepID(stage, s.Name, "probe"), Site: s.Name, Target: "pod " + Namespace + "/probe", Action: geored.Apply,
			Needs: []geored.StepID{stepID(stage, s.Name, "wireguard")}, Reason: "a pod that can be asked from inside the site, and answers the other sites"}
	}
	var agents, probes []geored.Task
	var faulty error
	for _, site := range d.mesh.Network.Sites {
		end := d.mesh.Ends[site.Name]
		gateway, err1 := d.gatewayTask(gatewayStep(site), site)
		objects, err2 := end.Probe.Objects()
		step, err3 := end.Gateways.Cluster.Planned(probeStep(site), objects...)
		faulty = errors.Join(faulty, err1, err2, err3)
		agents, probes = append(agents, gateway), append(probes, end.Gateways.Cluster.ApplyTask(step, objects...))
	}
	made := geored.StageOf(stage, append(agents, probes...)...)
	made.Bind = func(context.Context) ([]geored.Task, error) { return append(agents, probes...), faulty }
	return made
}

// gatewayTask brings up a gateway without peers. One that has peers already is further than that, and stays as it is:
// a run that goes on after an interruption must not take them away.
func (d *Deployment) gatewayTask(step geored.Step, site mesh.Site) (geored.Task, error) {
	end, alone := d.mesh.Ends[site.Name], d.mesh.Alone(site)
	objects, err := end.Gateways.Objects(alone)
	if err != nil {
		return geored.Task{Step: step}, err
	}
	if step, err = end.Gateways.Cluster.Planned(step, objects...); err != nil {
		return geored.Task{Step: step}, err
	}
	task, err := end.Gateways.Task(step, alone)
	if err != nil {
		return task, err
	}
	observe := task.Observe
	task.Observe = func(ctx context.Context) (geored.State, error) {
		state, err := end.Gateways.Device(ctx, alone.Node, alone.Device.Interface)
		if err == nil && len(state.Peers) > 0 && !state.PublicKey.IsZero() {
			return geored.State{Done: true, Detail: fmt.Sprintf("interface %s on %s has %d peers", state.Interface, alone.Node, len(state.Peers))}, nil
		}
		return observe(ctx)
	}
	return task, nil
}

// peers gives every gateway a peer per other site, from the keys that the gateways made.
func (d *Deployment) peers() geored.Stage {
	const stage = "peers"
	peerStep := func(s mesh.Site) geored.Step {
		step := geored.Step{ID: stepID(stage, s.Name), Site: s.Name, Target: "configmap " + Namespace + "/wireguard-gateway", Action: geored.Apply,
			Reason: fmt.Sprintf("a peer for each of the %d other sites", len(d.mesh.Network.Sites)-1)}
		link := d.mesh.Network.WithDefaults().Interface
		for _, other := range d.mesh.Network.Sites {
			if other.Name != s.Name {
				step.Given = append(step.Given, geored.Constraint{Name: keyOf(other.Name), Matches: "[A-Za-z0-9+/]{43}="})
				step.Manual = append(step.Manual, fmt.Sprintf("wg set %s peer \"$KEY_OF_%s\" endpoint %s allowed-ips %s", link, other.Name, endpointTo(other), allowed(other)))
				step.ManualUndo = append(step.ManualUndo, fmt.Sprintf("wg set %s peer \"$KEY_OF_%s\" remove", link, other.Name))
			}
		}
		return step
	}
	return geored.Stage{Name: stage, Outline: d.eachSite(peerStep),
		Back: func(context.Context) ([]geored.Task, error) {
			var tasks []geored.Task
			for _, site := range d.mesh.Network.Sites {
				task, err := d.withoutPeers(peerStep(site), site)
				if err != nil {
					return nil, err
				}
				tasks = append(tasks, task)
			}
			return tasks, nil
		},
		Bind: func(ctx context.Context) ([]geored.Task, error) {
			layout, err := d.mesh.Plan(d.mesh.Observe(ctx))
			if err != nil {
				return nil, err
			}
			var tasks []geored.Task
			for _, site := range d.mesh.Network.Sites {
				config, err := d.mesh.Joined(site, layout)
				if err != nil {
					return nil, err
				}
				task, err := d.mesh.Ends[site.Name].Gateways.Task(peerStep(site), config)
				if err != nil {
					return nil, err
				}
				task.Values = map[string]string{}
				for _, peer := range config.Device.Peers {
					task.Values[keyOf(peer.Site)] = peer.PublicKey.String()
				}
				tasks = append(tasks, task)
			}
			return tasks, nil
		}}
}

// withoutPeers takes a gateway's peers away, as long as the gateway is there. It needs nobody's key.
func (d *Deployment) withoutPeers(step geored.Step, site mesh.Site) (geored.Task, error) {
	end, alone := d.mesh.Ends[site.Name], d.mesh.Alone(site)
	objects, err := end.Gateways.Objects(alone)
	if err != nil {
		return geored.Task{}, err
	}
	task, err := end.Gateways.Task(step, alone)
	if err != nil {
		return geored.Task{}, err
	}
	task.Undo = task.Apply
	task.Gone = func(ctx context.Context) (geored.State, error) {
		agents := objects[len(objects)-1]
		if state, err := end.Gateways.Cluster.Gone(ctx, agents); err != nil || state.Done {
			return state, err
		}
		return task.Observe(ctx)
	}
	return task, nil
}

func keyOf(site geored.SiteName) string { return "public key of " + string(site) }

// endpointTo is where a site's gateway is reached.
func endpointTo(site mesh.Site) geored.Endpoint {
	for _, node := range site.Nodes {
		if node.Name == site.Gateway || site.Gateway == "" {
			return node.Endpoint
		}
	}
	return geored.Endpoint{}
}

// allowed are the ranges of a site, as wg takes them.
func allowed(site mesh.Site) string {
	var texts []string
	for _, p := range slices.Concat([]netip.Prefix{site.WireGuardCIDR}, site.Pods, site.Services) {
		texts = append(texts, p.String())
	}
	return strings.Join(texts, ",")
}

// tunnels waits until a packet crosses each tunnel and comes back.
func (d *Deployment) tunnels() geored.Stage {
	const stage = "tunnels"
	var outline []geored.Step
	for _, from := range d.mesh.Network.Sites {
		for _, to := range d.mesh.Network.Sites {
			if from.Name != to.Name {
				outline = append(outline, geored.Step{ID: stepID(stage, from.Name, string(to.Name)), Site: from.Name, Target: "tunnel to " + string(to.Name),
					Action: geored.Await, Reason: "a handshake and an answer through it"})
			}
		}
	}
	return geored.Stage{Name: stage, Outline: outline, Bind: func(ctx context.Context) ([]geored.Task, error) {
		layout, err := d.mesh.Plan(d.mesh.Observe(ctx))
		if err != nil {
			return nil, err
		}
		tasks := d.mesh.TunnelTasks(layout)
		for i := range tasks {
			tasks[i].Step = outline[i]
		}
		return tasks, nil
	}}
}
