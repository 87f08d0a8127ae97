package mesh

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// Full is the layout in which every node of a site has a tunnel to every node of every other site. It grows with the
// number of nodes; the devices, which grow with its square, are made one by one by [Full.Device]. The zero value has no
// nodes. Nodes of one site reach each other through their own cluster's network, without a tunnel.
type Full struct {
	network Network
	nodes   []Gateway   // by site, then node
	own     []Peer      // each node as the other sites see it, without what is shared
	owners  []ownership // what is shared, by prefix
}

// PlanFull lays out a tunnel between every two nodes of different sites. Each node carries its own slice of the pods,
// which its site's Nodes must say, and its own WireGuard address; what is shared has exactly one owner. With [OneOwner]
// that is the site's Gateway, or else its first node by name. The error is as that of [Plan].
func PlanFull(n Network, nodes []Gateway, sharing Sharing) (Full, error) {
	sites := n.index()
	faults := append(n.Faults(), gatewayFaults(n, nodes, sites)...)
	faults = append(faults, sharing.faults()...)
	if err := append(faults, fullFaults(n, nodes, sites)...).Err(); err != nil {
		return Full{}, err
	}
	n = n.WithDefaults()
	f := Full{network: n, nodes: sorted(nodes), own: make([]Peer, 0, len(nodes))}
	for _, g := range f.nodes {
		f.own = append(f.own, n.peer(g, sites[g.Site].node(g.Node).PodCIDRs))
	}
	for site, members := range f.bySite() {
		f.owners = append(f.owners, share(sites[site].Site, members, sharing)...)
	}
	return f, nil
}

// sorted moves pointers, which are smaller than what they point to.
func sorted(nodes []Gateway) []Gateway {
	order := make([]*Gateway, len(nodes))
	for i := range nodes {
		order[i] = &nodes[i]
	}
	slices.SortFunc(order, func(a, b *Gateway) int { return a.compare(b) })
	out := make([]Gateway, len(nodes))
	for i, g := range order {
		out[i] = *g
	}
	return out
}

// compare orders by site, then node.
func (g *Gateway) compare(other *Gateway) int {
	if c := cmp.Compare(g.Site, other.Site); c != 0 {
		return c
	}
	return cmp.Compare(g.Node, other.Node)
}

// fullFaults are sites without nodes and nodes without a slice of the pods.
func fullFaults(n Network, nodes []Gateway, sites map[geored.SiteName]indexedSite) geored.Faults {
	var faults geored.Faults
	found, gateways := map[geored.SiteName]bool{}, map[geored.SiteName]bool{}
	for _, g := range nodes {
		site := sites[g.Site]
		found[g.Site] = true
		if g.Node == site.Gateway {
			gateways[g.Site] = true
		}
		if len(site.node(g.Node).PodCIDRs) == 0 && len(site.Pods) > 0 {
			faults = append(faults, geored.Fault{Site: g.Site, Field: nodeField(g.Node, "podCIDRs"), Problem: "is missing",
				Remedy: "read it from the node's spec.podCIDRs"})
		}
	}
	for _, site := range n.Sites {
		switch {
		case !found[site.Name]:
			faults = append(faults, geored.Fault{Site: site.Name, Field: "nodes", Problem: "none was found with WireGuard", Remedy: "start WireGuard on the site's nodes"})
		case site.Gateway != "" && !gateways[site.Name]:
			faults = append(faults, geored.Fault{Site: site.Name, Field: "gateway", Value: site.Gateway, Problem: "was not found with WireGuard", Remedy: "start it there, or name another node"})
		}
	}
	return faults
}

// bySite gives the nodes of each site.
func (f Full) bySite() iter.Seq2[geored.SiteName, []Gateway] {
	return func(yield func(geored.SiteName, []Gateway) bool) {
		for i := 0; i < len(f.nodes); {
			j := i
			for j < len(f.nodes) && f.nodes[j].Site == f.nodes[i].Site {
				j++
			}
			if !yield(f.nodes[i].Site, f.nodes[i:j]) {
				return
			}
			i = j
		}
	}
}

// Nodes are all nodes of the layout, by site, then name.
func (f Full) Nodes() iter.Seq[Gateway] { return slices.Values(f.nodes) }

// Owner is the node that carries a shared prefix of a site, or "" when nobody does.
func (f Full) Owner(site geored.SiteName, prefix netip.Prefix) string {
	for _, o := range f.owners {
		if o.site == site && o.prefix == prefix.Masked() {
			return o.node
		}
	}
	return ""
}

// Device is what one node must be configured to.
func (f Full) Device(site geored.SiteName, node string) (Device, bool) {
	i, ok := slices.BinarySearchFunc(f.nodes, Gateway{Site: site, Node: node}, func(a, b Gateway) int { return a.compare(&b) })
	if !ok {
		return Device{}, false
	}
	d := f.network.device(f.nodes[i])
	d.Peers = f.Peers(site)
	return d, true
}

// Peers are the nodes of all other sites as the nodes of one site see them: the same for each of its nodes.
func (f Full) Peers(site geored.SiteName) []Peer {
	shared := map[string][]netip.Prefix{}
	for _, o := range f.owners {
		if o.node != "" {
			shared[o.node] = append(shared[o.node], o.prefix)
		}
	}
	peers := make([]Peer, 0, len(f.own))
	for _, p := range f.own {
		if p.Site == site {
			continue
		}
		if more := shared[p.Node]; len(more) > 0 {
			p.AllowedIPs = canonical(slices.Concat(p.AllowedIPs, more))
		}
		peers = append(peers, p)
	}
	return peers
}

// Layout makes every device at once. That is nodes times peers: for hundreds of nodes ask for single devices. The devices
// of a site share their list of peers: copy it before changing it.
func (f Full) Layout() Layout {
	var l Layout
	for site, members := range f.bySite() {
		peers := f.Peers(site)
		for _, g := range members {
			d := f.network.device(g)
			d.Peers = slices.Clip(peers)
			l.Devices = append(l.Devices, d)
		}
	}
	return l
}
