package kilo

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// Plan lays out the tunnels between Kilo's nodes of several sites: [Peers] makes of its devices the objects that each
// site's cluster needs. Which nodes have a tunnel is Kilo's own choice and read from them: every node with granularity
// full, one leader per location with granularity location, who then carries the pods of all nodes of it. What a site
// shares has exactly one owner, as in [mesh.PlanFull].
//
// The site's Nodes in the network, if any, say at which endpoint each node is to be reached; whatever else they say is
// read from Kilo. The error is [geored.Faults], all at once.
func Plan(n mesh.Network, nodes []Node, sharing mesh.Sharing) (mesh.Full, error) {
	var gateways []mesh.Gateway
	var faults geored.Faults
	sites := slices.Clone(n.Sites)
	n = n.WithDefaults()
	n.Sites = sites
	for i, site := range sites {
		segments, more := segmentsOf(site, nodes)
		faults = append(faults, more...)
		sites[i].Nodes = nil
		for _, s := range segments {
			gateways = append(gateways, s.gateway())
			sites[i].Nodes = append(sites[i].Nodes, s.node(n.ListenPort))
			faults = append(faults, s.endpointFaults(site)...)
		}
	}
	full, err := mesh.PlanFull(n, gateways, sharing)
	more, ok := geored.AsFaults(err)
	if err != nil && !ok {
		return mesh.Full{}, err
	}
	if err := append(faults, more...).Err(); err != nil {
		return mesh.Full{}, err
	}
	return full, nil
}

// segment is nodes behind one WireGuard device.
type segment struct {
	leader    Node
	pods      []netip.Prefix
	locations []netip.Prefix
}

func (s segment) gateway() mesh.Gateway {
	g := s.leader.Gateway()
	g.LocationIPs = masked(s.locations)
	return g
}

// node leaves the internal address out where it is the endpoint's with another port: Kilo listens at the endpoint's.
func (s segment) node(listenPort uint16) geored.Node {
	n := geored.Node{Name: s.leader.Name, Endpoint: s.leader.Endpoint, PodCIDRs: s.pods}
	if ip := s.leader.InternalIP.Addr(); ip != n.Endpoint.Addr() || n.Endpoint.Port() == listenPort {
		n.InternalIP = ip
	}
	return n
}

func (s segment) endpointFaults(site mesh.Site) geored.Faults {
	for _, wanted := range site.Nodes {
		if wanted.Name == s.leader.Name && wanted.Endpoint.IsValid() && wanted.Endpoint != s.leader.Endpoint {
			return geored.Faults{{Site: site.Name, Field: fmt.Sprintf("nodes[%s].endpoint", wanted.Name), Value: wanted.Endpoint.String(),
				Problem: "is not the one that Kilo tells of, " + orNothing(s.leader.Endpoint.String()), Remedy: "annotate the node with " + ForceEndpoint}}
		}
	}
	return nil
}

// GranularityOf is that of a site's nodes: what their annotations say, and where an old Kilo wrote none, whether each
// of them has a WireGuard address. They must agree: Kilo takes it from the first node it lists.
func GranularityOf(site geored.SiteName, nodes []Node) (Granularity, geored.Faults) {
	var said Granularity
	each := true
	for _, n := range nodes {
		if n.Site != site {
			continue
		}
		each = each && n.WireGuardIP.IsValid()
		if n.Granularity != "" && said != "" && n.Granularity != said {
			return "", geored.Faults{{Site: site, Field: fmt.Sprintf("nodes[%s].annotations[%s]", n.Name, GranularityKey), Value: string(n.Granularity),
				Problem: "is not that of the site's other nodes, " + string(said), Remedy: "start Kilo with one granularity on all nodes"}}
		}
		said = cmp.Or(said, n.Granularity)
	}
	switch {
	case said != "":
		return said, nil
	case each:
		return ByNode, nil
	}
	return ByLocation, nil
}

// segmentsOf are the segments of a site by the name of their leader.
func segmentsOf(site mesh.Site, nodes []Node) ([]segment, geored.Faults) {
	granularity, faults := GranularityOf(site.Name, nodes)
	members := map[string][]Node{}
	for _, n := range nodes {
		if n.Site == site.Name {
			members[n.segment(granularity)] = append(members[n.segment(granularity)], n)
		}
	}
	var segments []segment
	for _, name := range slices.Sorted(maps.Keys(members)) {
		s := segment{leader: members[name][0]}
		var leaders []string
		for _, n := range members[name] {
			s.pods, s.locations = append(s.pods, n.PodCIDRs...), append(s.locations, n.AllowedLocationIPs...)
			if n.WireGuardIP.IsValid() {
				s.leader, leaders = n, append(leaders, n.Name)
			}
		}
		if granularity == ByLocation && len(leaders) != 1 {
			faults = append(faults, geored.Fault{Site: site.Name, Field: fmt.Sprintf("nodes[%s].annotations[%s]", members[name][0].Name, WireGuardIP),
				Value: fmt.Sprint(leaders), Problem: fmt.Sprintf("%q has %d leaders with a WireGuard address instead of one", name, len(leaders)),
				Remedy: "wait until Kilo has settled, and look at the log of its pods"})
			continue
		}
		if granularity == ByLocation && len(members) == 1 {
			s.pods = site.Pods // so that a node that comes later is reached too
		}
		segments = append(segments, s)
	}
	return segments, faults
}

// segment is the name by which Kilo sorts the node's segment (NewTopology).
func (n Node) segment(g Granularity) string {
	if g != ByNode && n.InternalIP.IsValid() {
		return "location:" + n.Location
	}
	return "node:" + n.Name
}

// Unsettled says what Kilo has still to do before its nodes of one site can be planned with, of the first that lacks
// something; "" when nothing. It compares the nodes' check-ins with now, which must be the site's own time.
func Unsettled(site mesh.Site, nodes []Node, now time.Time) string {
	own := 0
	for _, n := range nodes {
		if n.Site != site.Name {
			continue
		}
		own++
		if why := n.Unready(now); why != "" {
			return fmt.Sprintf("node %s: %s", n.Name, why)
		}
		if ahead := n.SkewOf(now); ahead >= staleAfter/2 {
			return fmt.Sprintf("node %s: its last check-in lies %s in the future: its clock is ahead, and it takes the other nodes for dead", n.Name, ahead.Round(time.Second))
		}
	}
	if own == 0 {
		return "no node was read"
	}
	segments, faults := segmentsOf(site, nodes)
	for _, f := range faults {
		return f.Field + ": " + f.Problem
	}
	holder := map[netip.Addr]string{}
	for _, s := range segments {
		if !s.leader.WireGuardIP.IsValid() {
			return fmt.Sprintf("node %s: it has no WireGuard address yet", s.leader.Name)
		}
		// While nodes come and go, Kilo numbers them anew, each in its own time.
		if other, twice := holder[s.leader.WireGuardIP.Addr()]; twice {
			return fmt.Sprintf("node %s: its WireGuard address %s is that of node %s too, until Kilo has numbered them anew", s.leader.Name, s.leader.WireGuardIP.Addr(), other)
		}
		holder[s.leader.WireGuardIP.Addr()] = s.leader.Name
		if !site.WireGuardCIDR.Contains(s.leader.WireGuardIP.Addr()) {
			return fmt.Sprintf("node %s: its WireGuard address %s lies outside wireguardCIDR %s", s.leader.Name, s.leader.WireGuardIP, site.WireGuardCIDR)
		}
	}
	return ""
}
