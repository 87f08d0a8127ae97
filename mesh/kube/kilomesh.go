package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
)

// KiloEnd is what a site brings to a mesh that Kilo keeps.
type KiloEnd struct {
	Observers Observers
	Probe     kube.ProbeSpec // a pod behind Kilo, for the proof
}

// KiloMesh is a network of sites whose clusters Kilo joins, with one leader per location or a tunnel on every node,
// whatever Kilo was started with.
type KiloMesh struct {
	Network mesh.Network // its Interface at zero is Kilo's, kilo0
	Ends    map[geored.SiteName]KiloEnd
	Sharing mesh.Sharing // of each site's services
	// Granularity is the one that Kilo must keep. Zero: whichever it was started with.
	Granularity kilo.Granularity
}

// kiloInterface is Kilo's default (cmd/kg/main.go).
const kiloInterface = "kilo0"

func (m KiloMesh) network() mesh.Network {
	if m.Network.Interface == "" {
		m.Network.Interface = kiloInterface
	}
	return m.Network.WithDefaults()
}

// Observe reads the nodes of every site as Kilo has them.
func (m KiloMesh) Observe(ctx context.Context) geored.Answers[[]kilo.Node] {
	return geored.Ask(ctx, m.targets(), func(ctx context.Context, t geored.Target) ([]kilo.Node, error) {
		nodes, _, err := KiloNodes(ctx, m.Ends[t.Site].Observers.Cluster)
		return nodes, err
	})
}

func (m KiloMesh) targets() []geored.Target {
	targets := make([]geored.Target, len(m.Network.Sites))
	for i, site := range m.Network.Sites {
		targets[i] = geored.Target{Site: site.Name}
	}
	return targets
}

// Plan lays the mesh out over what was observed: [kilo.Peers] of a device of its Layout are the objects of the device's
// site, [kilo.Files] its values files. An answer that is missing is an error, which names who was silent.
func (m KiloMesh) Plan(answers geored.Answers[[]kilo.Node]) (mesh.Full, error) {
	for _, silent := range answers.Unanswered() {
		return mesh.Full{}, fmt.Errorf("site %s: its nodes were not read: %s", silent.Target.Site, silent.Reason)
	}
	var nodes []kilo.Node
	for _, own := range answers.All() {
		nodes = append(nodes, own...)
	}
	return kilo.Plan(m.network(), nodes, m.Sharing)
}

// SettledTask is a gate that is done when Kilo has given every node of a site what the other sites must know of it: keys,
// endpoints and WireGuard addresses. The site's observers must run.
func (m KiloMesh) SettledTask(step geored.Step, site mesh.Site) geored.Task {
	observers := m.Ends[site.Name].Observers
	return geored.Task{Step: step, Observe: func(ctx context.Context) (geored.State, error) {
		now, err := observers.Now(ctx)
		if err != nil {
			return geored.State{}, err
		}
		nodes, _, err := KiloNodes(ctx, observers.Cluster)
		if err != nil {
			return geored.State{}, err
		}
		if why := m.unsettled(site, nodes, now); why != "" {
			return geored.State{Detail: why}, nil
		}
		return geored.State{Done: true, Detail: fmt.Sprintf("Kilo has settled on %d nodes", len(nodes))}, nil
	}}
}

// unsettled says why a site's nodes cannot be planned with yet; "" when they can.
func (m KiloMesh) unsettled(site mesh.Site, nodes []kilo.Node, now time.Time) string {
	if why := kilo.Unsettled(site, nodes, now); why != "" || m.Granularity == "" {
		return why
	}
	if kept, _ := kilo.GranularityOf(site.Name, nodes); kept != m.Granularity {
		return fmt.Sprintf("Kilo keeps granularity %s, and %s is wanted: start it with --mesh-granularity=%[2]s", kept, m.Granularity)
	}
	return ""
}

// TunnelTasks are gates, one per ordered pair of sites in the order of the network: each is done when every tunnel of
// the layout from the one to the other carries a packet there and back. The steps are for the caller to name.
func (m KiloMesh) TunnelTasks(layout mesh.Layout) []geored.Task { return m.sight().tunnelTasks(layout) }

func (m KiloMesh) sight() sight {
	s := sight{ends: map[geored.SiteName]view{}}
	for _, site := range m.Network.Sites {
		end := m.Ends[site.Name]
		s.sites = append(s.sites, site.Name)
		s.ends[site.Name] = view{end.Observers, podOf(end.Observers.Cluster, end.Probe)}
	}
	return s
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
