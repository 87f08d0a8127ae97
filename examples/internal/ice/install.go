package ice

import (
	"context"
	"fmt"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/mesh"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// Namespace is where what this program needs in a cluster lives.
const Namespace = "georedkit"

// Deployment is the sites of a topology, each with its cluster.
type Deployment struct {
	Topology Topology
	Clusters map[geored.SiteName]*kube.Cluster
	mesh     meshkube.Mesh
}

// Images says where the images come from.
type Images struct {
	Probe      string
	PullSecret string // name of a Secret of type kubernetes.io/dockerconfigjson in [Namespace]; zero: none
}

// Open reads the kubeconfigs of all sites; it makes no connection. All that are at fault are reported at once.
func Open(t Topology, images Images) (*Deployment, error) {
	d := &Deployment{Topology: t, Clusters: map[geored.SiteName]*kube.Cluster{},
		mesh: meshkube.Mesh{Network: t.Network(), Ends: map[geored.SiteName]meshkube.End{}}}
	var faults geored.Faults
	for _, site := range t.Sites {
		cluster, err := kube.Open(site.Name, site.Kube)
		if err != nil {
			faults = append(faults, geored.Fault{Site: site.Name, Field: "kubeconfig", Value: site.Kube.Kubeconfig, Problem: err.Error()})
			continue
		}
		d.Clusters[site.Name] = cluster
		d.mesh.Ends[site.Name] = meshkube.End{
			Gateways: meshkube.Gateways{Cluster: cluster, Namespace: Namespace, Image: images.Probe, PullSecret: images.PullSecret},
			Probe:    kube.ProbeSpec{Namespace: Namespace, Name: "probe", Site: string(site.Name), Image: images.Probe, PullSecret: images.PullSecret},
		}
	}
	return d, faults.Err()
}

// Complete reads the nodes of sites that name none, and refuses one cluster that appears as two sites. A site that does
// not answer is an error: nothing can be planned for it.
func (d *Deployment) Complete(ctx context.Context) error {
	type facts struct {
		uid   string
		nodes []geored.Node
	}
	var targets []geored.Target
	for _, site := range d.Topology.Sites {
		targets = append(targets, geored.Target{Site: site.Name})
	}
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (facts, error) {
		uid, err := d.Clusters[t.Site].UID(ctx)
		if err != nil {
			return facts{}, err
		}
		nodes, err := d.Clusters[t.Site].Nodes(ctx)
		return facts{uid, nodes}, err
	})
	var faults geored.Faults
	for _, s := range answers.Unanswered() {
		site, _ := d.mesh.Network.Site(s.Target.Site)
		faults = append(faults, geored.Fault{Site: s.Target.Site, Field: "kubeconfig", Value: site.Kube.Kubeconfig,
			Problem: "its cluster does not answer: " + s.Reason, Remedy: "see whether kubectl get nodes works with it"})
	}
	first := map[string]geored.SiteName{}
	for t, f := range answers.All() {
		if other, ok := first[f.uid]; ok {
			faults = append(faults, geored.Fault{Site: t.Site, Field: "kubeconfig", Problem: "leads to the cluster of site " + string(other), Remedy: "name another cluster"})
		}
		first[f.uid] = t.Site
		faults = append(faults, d.adopt(t.Site, f.nodes)...)
	}
	return append(faults, d.mesh.Network.Faults()...).Err()
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

// Install is the runbook: a gateway in every site, then its peers, then proof that every tunnel carries traffic.
func (d *Deployment) Install() geored.Runbook {
	return geored.Runbook{Name: "ice-install", Stages: []geored.Stage{d.gateways(), d.peers(), d.tunnels()}}
}

func stepID(stage string, site geored.SiteName, rest ...string) geored.StepID {
	id := fmt.Sprintf("%s/%s", stage, site)
	for _, part := range rest {
		id += "/" + part
	}
	return geored.StepID(id)
}

func (d *Deployment) eachSite(make func(mesh.Site) geored.Step) []geored.Step {
	var steps []geored.Step
	for _, site := range d.mesh.Network.Sites {
		steps = append(steps, make(site))
	}
	return steps
}
