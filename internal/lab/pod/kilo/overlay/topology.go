package overlay

import (
	"cmp"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Topology is the overlay as one node sees it.
type Topology struct {
	Leader     bool         // this node has a tunnel
	Address    netip.Prefix // its address in the overlay; the whole range if it is no leader
	Segments   []Segment    // by location
	Peers      []Peer       // by name; each prefix is left with the first that has it
	Discovered map[string]netip.AddrPort

	local    Node
	location string
	since07  bool
}

// Settings are those of the local node.
type Settings struct {
	Granularity Granularity
	Host        string
	Subnet      netip.Prefix // without host bits
	Since07     bool         // as 0.7.0: routes prefer a source address, allowed-location-ips may be wider than the overlay's prefixes
}

// Segment is what is reached through one tunnel: a node, or all nodes of a location through their leader.
type Segment struct {
	Location  string
	Hosts     []string
	Leader    int
	Endpoint  Endpoint
	Key       wgtypes.Key
	Keepalive time.Duration
	Pods      []netip.Prefix
	Internal  []netip.Addr
	WireGuard netip.Addr
	Allowed   []netip.Prefix // in the order in which Kilo gives them
	Extra     []netip.Prefix // allowed-location-ips that are in nobody's way
}

// New computes the overlay from those nodes and peers that are ready; the local one must be among the nodes.
func New(nodes []Node, peers []Peer, s Settings) (Topology, error) {
	byName := map[string]Node{}
	members := map[string][]Node{}
	for _, n := range nodes {
		byName[n.Name] = n
		members[n.segment(s.Granularity)] = append(members[n.segment(s.Granularity)], n)
	}
	local, ok := byName[s.Host]
	if !ok {
		return Topology{}, errors.New("node " + s.Host + ": not among the nodes that are ready")
	}
	t := Topology{Address: s.Subnet, Peers: deduplicate(peers), Discovered: map[string]netip.AddrPort{}, local: local, location: local.segment(s.Granularity), since07: s.Since07}
	maps.Copy(t.Discovered, local.Discovered)
	for _, location := range slices.Sorted(maps.Keys(members)) {
		slices.SortFunc(members[location], func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
		segment := newSegment(location, members[location])
		t.Leader = t.Leader || location == t.location && segment.Hosts[segment.Leader] == s.Host
		t.Segments = append(t.Segments, segment)
	}
	return t, t.allocate(members, s.Subnet)
}

// allocate gives each segment an address by its position, not by its name: whoever comes or goes before it moves it.
func (t *Topology) allocate(members map[string][]Node, subnet netip.Prefix) error {
	address := subnet.Addr()
	for i := range t.Segments {
		s := &t.Segments[i]
		if address = address.Next(); !subnet.Contains(address) {
			return errors.New("ran out of addresses")
		}
		s.WireGuard = address
		s.Allowed = append(s.Allowed, single(address))
		if t.Leader && s.Location == t.location {
			t.Address = netip.PrefixFrom(address, subnet.Bits())
		}
		for _, n := range members[s.Location] {
			for key, at := range n.Discovered {
				if _, known := t.Discovered[key]; !known {
					t.Discovered[key] = at
				}
			}
		}
		s.Extra = t.keep(s.Extra, s.Location)
	}
	return nil
}

func (n Node) segment(g Granularity) string {
	if g == Full || !n.Internal.IsValid() {
		return "node:" + n.Name
	}
	return "location:" + n.Location
}

func newSegment(location string, members []Node) Segment {
	lead := leader(members)
	s := Segment{
		Location: location, Leader: lead,
		Endpoint: members[lead].Endpoint, Key: members[lead].Key, Keepalive: members[lead].Keepalive,
	}
	for _, n := range members {
		s.Hosts, s.Pods = append(s.Hosts, n.Name), append(s.Pods, n.Pods)
		s.Allowed = append(s.Allowed, n.Pods)
		if n.Internal.IsValid() {
			s.Allowed = append(s.Allowed, single(n.Internal.Addr()))
			s.Internal = append(s.Internal, n.Internal.Addr())
		}
		for _, p := range n.Allowed {
			if !slices.Contains(s.Extra, p) {
				s.Extra = append(s.Extra, p)
			}
		}
	}
	slices.SortFunc(s.Extra, func(a, b netip.Prefix) int { return cmp.Compare(a.String(), b.String()) })
	return s
}

// leader is the first that volunteered and has a public address, else the first that volunteered, else the first with a
// public address, else the first.
func leader(members []Node) int {
	public := func(n Node) bool { return isPublic(n.Endpoint.Address.Addr()) }
	for _, wanted := range []func(Node) bool{
		func(n Node) bool { return n.Leader && public(n) },
		func(n Node) bool { return n.Leader },
		public,
	} {
		if i := slices.IndexFunc(members, wanted); i >= 0 {
			return i
		}
	}
	return 0
}

// isPublic knows RFC 1918, and of RFC 4193 what begins with fd00.
func isPublic(a netip.Addr) bool {
	if a.Is4() {
		return !a.IsPrivate()
	}
	return a.Is6() && !(a.As16()[0] == 0xfd && a.As16()[1] == 0)
}

// deduplicate leaves a prefix with the first peer by name that has it, spelled exactly so: one with other host bits is
// another one.
func deduplicate(peers []Peer) []Peer {
	sorted := slices.Clone(peers)
	slices.SortFunc(sorted, func(a, b Peer) int { return cmp.Compare(a.Name, b.Name) })
	taken := map[netip.Prefix]bool{}
	for i := range sorted {
		var left []netip.Prefix
		for _, p := range sorted[i].Allowed {
			if !taken[p] {
				left = append(left, p)
				taken[p] = true
			}
		}
		sorted[i].Allowed = left
	}
	return sorted
}

// keep drops the allowed-location-ips that meet those of other segments, prefixes of the overlay or of peers.
func (t Topology) keep(prefixes []netip.Prefix, location string) []netip.Prefix {
	var kept []netip.Prefix
	for _, p := range prefixes {
		if !t.inTheWay(p, location) {
			kept = append(kept, p)
		}
	}
	return kept
}

func (t Topology) inTheWay(p netip.Prefix, location string) bool {
	meets := func(other netip.Prefix) bool {
		return p.Masked().Contains(other.Addr()) || other.Masked().Contains(p.Addr())
	}
	for _, s := range t.Segments {
		if s.Location != location && slices.ContainsFunc(s.Extra, meets) {
			return true
		}
		if t.since07 && slices.ContainsFunc(s.Allowed, func(a netip.Prefix) bool { return a.Masked().Contains(p.Addr()) }) ||
			!t.since07 && (slices.ContainsFunc(s.Allowed, meets) || slices.ContainsFunc(s.Internal, p.Masked().Contains)) {
			return true
		}
	}
	return slices.ContainsFunc(t.Peers, func(peer Peer) bool { return slices.ContainsFunc(peer.Allowed, meets) })
}

// Local tells whether a segment is the one this node belongs to.
func (t Topology) Local(s Segment) bool { return s.Location == t.location }
