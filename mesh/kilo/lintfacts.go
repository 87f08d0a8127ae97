package kilo

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/georedkit/georedkit/mesh"
)

// checkOwn finds peers that take from the site what is its own: against a segment of the cluster, a peer wins.
func (l *linter) checkOwn(f file, p ValuesPeer) {
	site, ok := l.facts.Network.Site(f.site)
	if !ok {
		return
	}
	field := "config.peers[" + p.Name + "]"
	for _, node := range site.Nodes {
		if node.Name == p.Name {
			l.fault(f, field, "", "is a node of the site itself", "list the nodes of the other sites only")
		}
	}
	for _, text := range p.AllowedIPs {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			l.checkOverlap(f, field+".allowedIPs", prefix, site, true)
		}
	}
}

func (l *linter) node(name string) (Node, bool) {
	i := slices.IndexFunc(l.facts.Nodes, func(n Node) bool { return n.Name == name })
	if i < 0 {
		return Node{}, false
	}
	return l.facts.Nodes[i], true
}

// checkNode holds a peer against what Kilo tells of its node.
func (l *linter) checkNode(f file, p ValuesPeer) {
	field := "config.peers[" + p.Name + "]"
	node, ok := l.node(p.Name)
	if !ok {
		if len(l.facts.Nodes) > 0 {
			l.fault(f, field, "", "is none of the nodes that were read", "name it after its node")
		}
		return
	}
	if !node.WireGuardIP.IsValid() {
		l.fault(f, field, "", "has no WireGuard address: with granularity location only the leader of a location has one", "list the leader, or set the granularity to full")
		return
	}
	if p.PublicKey != node.Key.String() && !placeholder.MatchString(p.PublicKey) {
		l.fault(f, field+".publicKey", p.PublicKey, "is not the node's, "+node.Key.String(), "write that")
	}
	if got, err := p.peer().endpoint(); err == nil && got != node.Endpoint {
		l.fault(f, field+".endpoint", got.String(), "is not the node's, "+node.Endpoint.String(), "write that")
	}
	own := netip.PrefixFrom(node.WireGuardIP.Addr(), node.WireGuardIP.Addr().BitLen())
	if !covers(p.AllowedIPs, own) {
		l.fault(f, field+".allowedIPs", "", "lacks the node's WireGuard address "+own.String(), "add it")
	}
	if slices.Contains(p.AllowedIPs, node.WireGuardIP.String()) {
		l.fault(f, field+".allowedIPs", node.WireGuardIP.String(), "is the annotation as it stands: its bits are those of Kilo's whole range", "write "+own.String())
	}
	if ip := node.InternalIP.Addr(); l.facts.SourceFromNode && ip.IsValid() && !covers(p.AllowedIPs, netip.PrefixFrom(ip, ip.BitLen())) {
		l.fault(f, field+".allowedIPs", "", fmt.Sprintf("lacks the node's internal address %s, from which Kilo 0.7.0 sends what the node itself sends: it is dropped", ip),
			"annotate the node with "+ForceInternalIP+`: "-"`)
	}
}

func covers(list []string, want netip.Prefix) bool {
	return slices.ContainsFunc(list, func(text string) bool {
		p, err := netip.ParsePrefix(text)
		return err == nil && p.Bits() <= want.Bits() && p.Contains(want.Addr())
	})
}

// compareLayout holds the peers against those of the layout.
func (l *linter) compareLayout(f file, peers []Peer) {
	d, ok := l.facts.Layout.Device(f.site, "")
	if !ok {
		return
	}
	for _, want := range Peers(d) {
		field := "config.peers[" + want.Metadata.Name + "]"
		i := slices.IndexFunc(peers, func(p Peer) bool { return p.Metadata.Name == want.Metadata.Name })
		if i < 0 {
			l.fault(f, field, "", "is missing", "add it")
			continue
		}
		if _, read := l.node(want.Metadata.Name); !read { // else it was held against the node itself
			l.compareNode(f, field, peers[i], want)
		}
		l.compareAllowed(f, field, peers[i].Spec.AllowedIPs, want.Spec.AllowedIPs)
	}
	for _, p := range peers {
		if !slices.ContainsFunc(d.Peers, func(q mesh.Peer) bool { return q.Node == p.Metadata.Name }) {
			l.fault(f, "config.peers["+p.Metadata.Name+"]", "", "is not in the layout", "remove it")
		}
	}
}

// compareNode finds the key or endpoint of another node.
func (l *linter) compareNode(f file, field string, got, want Peer) {
	was, is := got.fields(), want.fields()
	for i, right := range is[:2] {
		if was[i].value != right.value && !placeholder.MatchString(was[i].value) {
			l.fault(f, field+"."+right.name, was[i].value, "is not that of the layout, "+right.value, "write that")
		}
	}
}

func (l *linter) compareAllowed(f file, field string, got, want []string) {
	for _, prefix := range want {
		if !slices.Contains(got, prefix) {
			l.fault(f, field+".allowedIPs", "", "lacks "+prefix, "add it")
		}
	}
	for _, prefix := range got {
		if !slices.Contains(want, prefix) {
			l.fault(f, field+".allowedIPs", prefix, "is not in the layout", "remove it")
		}
	}
}

// checkKeepalive finds nodes without the annotation that alone makes Kilo send keepalives.
func (l *linter) checkKeepalive(f file, v Values) {
	wanted := slices.ContainsFunc(v.Config.Peers, func(p ValuesPeer) bool { return p.PersistentKeepalive > 0 })
	for _, n := range l.facts.Nodes {
		if wanted && n.Site == f.site && n.PersistentKeepalive == 0 {
			l.fault(f, "config.peers", "", "asks for keepalives, and node "+n.Name+" sends none: Kilo takes them from the node's annotation", "annotate it with "+PersistentKeepalive+": 10")
		}
	}
	for _, p := range v.Config.Peers {
		if p.PersistentKeepalive == 0 {
			l.fault(f, "config.peers["+p.Name+"].persistentKeepalive", "", "is missing: Kilo puts the endpoint back every 30 s, which cuts a peer behind NAT", "write 10")
		}
	}
}
