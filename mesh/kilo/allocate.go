package kilo

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Allocate gives the WireGuard address that Kilo hands out to each node that gets one, by node name (NewTopology).
// Addresses go by position, not by name: the segments that are ready at that time are sorted and numbered. A node that
// becomes stale, or a new one whose name sorts first, shifts those behind it, and every peer in the other sites that
// names their old address is wrong. A segment is a node, or with [ByLocation] the nodes of one location, of which the
// leader has the address.
func Allocate(subnet netip.Prefix, nodes []Node, g Granularity, now time.Time) map[string]netip.Prefix {
	segments := map[string][]Node{}
	for _, n := range nodes {
		if n.Unready(now) != "" {
			continue
		}
		segments[n.segment(g)] = append(segments[n.segment(g)], n)
	}
	names := make([]string, 0, len(segments))
	for name := range segments {
		names = append(names, name)
	}
	slices.Sort(names)
	addresses := map[string]netip.Prefix{}
	ip := subnet.Masked().Addr()
	for _, name := range names {
		if ip = ip.Next(); !subnet.Contains(ip) {
			break
		}
		addresses[LeaderOf(segments[name]).Name] = netip.PrefixFrom(ip, subnet.Bits())
	}
	return addresses
}

// LeaderOf is the node of a location that Kilo lets lead it (findLeader): an annotated one with a public endpoint, else
// any annotated one, else one with a public endpoint, else the first; by name each time. When the leader changes, key and
// endpoint of the location do too, and the other sites' peers are stale. The zero node is that of no nodes.
func LeaderOf(nodes []Node) Node {
	rank := func(n Node) int {
		ip := n.Endpoint.Addr()
		public := ip.IsValid() && !ip.IsPrivate() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast()
		switch {
		case n.Leader && public:
			return 0
		case n.Leader:
			return 1
		case public:
			return 2
		}
		return 3
	}
	if len(nodes) == 0 {
		return Node{}
	}
	return slices.MinFunc(nodes, func(a, b Node) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name)) })
}
