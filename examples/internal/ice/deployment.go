package ice

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/georedkit/georedkit/dnsfed/resolver"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/kube/helm"
	"github.com/georedkit/georedkit/mesh"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// Namespace is where what this program needs in a cluster lives.
const Namespace = "georedkit"

// Options are what a deployment needs besides its topology.
type Options struct {
	Images Images
	Charts Charts
	Logger *slog.Logger // zero: none
	// ReadOnly opens the clusters so that nothing can be changed in them, whatever is tried: for checks.
	ReadOnly bool
}

// onlyReads knows the programs that checks execute in containers.
func onlyReads(argv []string) bool {
	if len(argv) > 0 && argv[0] == kube.ProbeProgram {
		return true // it asks, and changes nothing
	}
	return len(argv) == 2 && argv[0] == "nodetool" && (argv[1] == "status" || argv[1] == "describecluster")
}

// Images says where the images come from.
type Images struct {
	Probe      string
	PullSecret string // name of a Secret of type kubernetes.io/dockerconfigjson in [Namespace]; zero: none
}

// Deployment is the sites of a topology, each with its cluster.
type Deployment struct {
	Topology Topology
	Clusters map[geored.SiteName]*kube.Cluster
	options  Options
	mesh     meshkube.KiloMesh
	charts   *pulled
	lock     geored.Lock     // once somebody asked for it
	asked    geored.SiteName // the only site that preflight asks; zero: all
	// generation is that of each site's token, as it was found.
	generation map[geored.SiteName]int
	watches    *watches
	// operatorGeneration is that of MultiCassKop's token of each site, as it was found; 0: none.
	operatorGeneration map[geored.SiteName]int
	// unread are the sites that gave no answer when the deployment was completed.
	unread []geored.Silence

	left *leftOpen
}

// leftOpen is what checks left open.
type leftOpen struct {
	mu     sync.Mutex
	closes []func()
	ring   func() // closes the one that was opened last
}

// Close closes what checks left open. Those that are asked again must be made anew.
func (d *Deployment) Close() {
	d.left.mu.Lock()
	defer d.left.mu.Unlock()
	for _, closes := range d.left.closes {
		closes()
	}
	if d.left.ring != nil {
		d.left.ring()
	}
	d.left.closes, d.left.ring = nil, nil
}

// closeInstead is closeLater for the ring, and closes the one before it: gates look again and again, each time at a ring of their
// own, and one whose nodes are elsewhere now goes on knocking where they were.
func (d *Deployment) closeInstead(closes func()) {
	d.left.mu.Lock()
	last := d.left.ring
	d.left.ring = closes
	d.left.mu.Unlock()
	if last != nil {
		last()
	}
}

func (d *Deployment) closeLater(closes func()) {
	d.left.mu.Lock()
	defer d.left.mu.Unlock()
	d.left.closes = append(d.left.closes, closes)
}

// Open reads the kubeconfigs of all sites; it makes no connection. All that are at fault are reported at once.
func Open(t Topology, o Options) (*Deployment, error) {
	d := &Deployment{Topology: t, Clusters: map[geored.SiteName]*kube.Cluster{}, options: o, generation: map[geored.SiteName]int{}, operatorGeneration: map[geored.SiteName]int{},
		left: &leftOpen{}, watches: &watches{of: map[geored.SiteName]*resolver.Watch{}},
		charts: newPulled(o.Charts), mesh: meshkube.KiloMesh{Network: t.Network(), Ends: map[geored.SiteName]meshkube.KiloEnd{}, Granularity: t.Granularity}}
	faults := o.Charts.faults(t.Names())
	for _, site := range t.Sites {
		cluster, err := kube.Open(site.Name, site.Kube)
		if err == nil && o.ReadOnly {
			cluster, err = cluster.ReadOnly(onlyReads)
		}
		if err != nil {
			faults = append(faults, geored.Fault{Site: site.Name, Field: "kubeconfig", Value: site.Kube.Kubeconfig, Problem: err.Error()})
			continue
		}
		d.Clusters[site.Name] = cluster
		d.mesh.Ends[site.Name] = meshkube.KiloEnd{
			Observers: meshkube.Observers{Cluster: cluster, Namespace: Namespace, Image: o.Images.Probe, PullSecret: o.Images.PullSecret},
			Probe:     probeSpec(site.Name, o.Images),
		}
	}
	return d, faults.Err()
}

// probeSpec names the probe after its site: a name that one site alone has is what DNS over all of them is proven by.
func probeSpec(site geored.SiteName, images Images) kube.ProbeSpec {
	return kube.ProbeSpec{Namespace: Namespace, Name: "probe-" + string(site), Site: string(site), Image: images.Probe, PullSecret: images.PullSecret}
}

// found is what is read of a site before anything is planned.
type found struct {
	uid        string
	nodes      []geored.Node
	generation int
	operator   int // generation of MultiCassKop's token
}

// Complete reads the nodes of sites that name none, and refuses one cluster that appears as two sites. That a site does not
// answer is no fault of the topology: the error is [Deployment.Silent], for nothing can be planned without the site. A
// deployment that only reads goes on without it, and [CheckAnswers] says so.
func (d *Deployment) Complete(ctx context.Context) error {
	d.mesh.Network = d.Topology.Network() // what was read before does not count
	answers := geored.Ask(ctx, d.perSite(), d.find)
	d.unread = answers.Unanswered()
	var faults geored.Faults
	first := map[string]geored.SiteName{}
	for t, f := range answers.All() {
		if other, ok := first[f.uid]; ok {
			faults = append(faults, geored.Fault{Site: t.Site, Field: "kubeconfig", Problem: "leads to the cluster of site " + string(other), Remedy: "name another cluster"})
		}
		first[f.uid] = t.Site
		d.generation[t.Site], d.operatorGeneration[t.Site] = f.generation, f.operator
		faults = append(faults, d.adopt(t.Site, f.nodes)...)
	}
	faults = append(faults, d.mesh.Network.Faults()...)
	if d.options.ReadOnly {
		return faults.Err()
	}
	return errors.Join(faults.Err(), d.Silent())
}

// Silent is an error that holds a [geored.Silence] for each site that [Deployment.Complete] could not read; nil when it read all.
func (d *Deployment) Silent() error {
	var errs []error
	for _, s := range d.unread {
		errs = append(errs, geored.Silence{Target: s.Target, Reason: s.Reason + "; " + d.lookFirst(s.Target.Site)})
	}
	return errors.Join(errs...)
}

// lookFirst is what to do about a site that is silent.
func (d *Deployment) lookFirst(site geored.SiteName) string {
	return "see whether kubectl get nodes works with kubeconfig " + d.site(site).Kube.Kubeconfig
}

func (d *Deployment) find(ctx context.Context, t geored.Target) (found, error) {
	cluster := d.Clusters[t.Site]
	uid, err := cluster.UID(ctx)
	if err != nil {
		return found{}, err
	}
	nodes, err := cluster.Nodes(ctx)
	if err != nil {
		return found{}, err
	}
	generation, err := d.source(t.Site).Generation(ctx)
	if err != nil {
		return found{}, err
	}
	operator, err := d.operatorSource(t.Site).Generation(ctx)
	return found{uid, nodes, max(generation, 1), operator}, err
}

func (d *Deployment) perSite() []geored.Target {
	var targets []geored.Target
	for _, site := range d.Topology.Sites {
		targets = append(targets, geored.Target{Site: site.Name})
	}
	return targets
}

// adopt takes the nodes from the cluster, and holds those that the topology names against it.
func (d *Deployment) adopt(name geored.SiteName, live []geored.Node) geored.Faults {
	var faults geored.Faults
	site := &d.mesh.Network.Sites[d.index(name)]
	if len(site.Nodes) == 0 {
		for i := range live {
			live[i].Endpoint = endpointOf(live[i], d.mesh.Network)
		}
		site.Nodes = live
		return nil
	}
	for _, node := range site.Nodes {
		if !hasNode(live, node.Name) {
			faults = append(faults, geored.Fault{Site: name, Field: "nodes", Value: node.Name, Problem: "is not a node of the cluster", Remedy: "see kubectl get nodes"})
		}
	}
	for _, node := range live {
		if !hasNode(site.Nodes, node.Name) {
			faults = append(faults, geored.Fault{Site: name, Field: "nodes", Value: node.Name, Problem: "is a node of the cluster, and is not listed: Kilo runs there too", Remedy: "list all nodes, or none"})
		}
	}
	return faults
}

func (d *Deployment) index(name geored.SiteName) int {
	for i, site := range d.mesh.Network.Sites {
		if site.Name == name {
			return i
		}
	}
	return -1
}

func hasNode(nodes []geored.Node, name string) bool {
	for _, n := range nodes {
		if n.Name == name {
			return true
		}
	}
	return false
}

// site is what the topology says of a site.
func (d *Deployment) site(name geored.SiteName) Site {
	for _, site := range d.Topology.Sites {
		if site.Name == name {
			return site
		}
	}
	return Site{}
}

func (d *Deployment) releases(site geored.SiteName) helm.Releases {
	return helm.Releases{Cluster: d.Clusters[site], Lock: d.lock, Logger: d.options.Logger}
}

// Install is the runbook of the guide's chapters 4.2 and 4.3, and of 4.4 when the topology names applications. At its end it
// records at every site what stands there.
func (d *Deployment) Install() geored.Runbook {
	return geored.Runbook{Name: "ice-install", Stages: append([]geored.Stage{
		d.prepare(), d.annotate(), d.kilo(), d.peers(), d.tunnels(), d.tokens(), d.credentials(), d.dns(),
	}, append(d.applications(), d.recordStage())...)}
}

func stepID(stage string, site geored.SiteName, rest ...string) geored.StepID {
	id := stage + "/" + string(site)
	for _, part := range rest {
		id += "/" + part
	}
	return geored.StepID(id)
}

// eachSite is the outline of a stage with the same steps for every site.
func (d *Deployment) eachSite(steps ...func(mesh.Site) geored.Step) []geored.Step {
	var outline []geored.Step
	for _, site := range d.mesh.Network.Sites {
		for _, step := range steps {
			outline = append(outline, step(site))
		}
	}
	return outline
}
