package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Ring is the whole ring, node by node. It is complete also when nodes are silent: they are listed.
type Ring struct {
	Sites  []Site
	Views  []View           // of the nodes that answered, by site, data center and address
	Silent []geored.Silence // nodes that are known and did not answer, and names that do not resolve
	Took   time.Duration
	Began  time.Time

	silent []Node // those of Silent whose host ID is known
}

// Ring asks every node of every site for its own view, one by one: the contact points first, then everybody they know
// of, and so on. The error is the context's; what else goes wrong stands in Silent.
func (c *Cluster) Ring(ctx context.Context) (Ring, error) {
	d := discovery{Cluster: c, replies: map[netip.AddrPort]reply{}}
	began := c.Clock.Now()
	next := d.contacts(ctx)
	for len(next) > 0 {
		d.ask(ctx, next)
		next = d.unasked()
	}
	r := d.ring()
	r.Began, r.Took = began, c.Clock.Now().Sub(began)
	return r, ctx.Err()
}

// discovery is the state of one Cluster.Ring.
type discovery struct {
	*Cluster
	replies map[netip.AddrPort]reply
	lost    []geored.Silence // names that do not resolve
}

type reply struct {
	candidate
	view View
	err  error
}

// candidate is an address that may be a node's.
type candidate struct {
	address    netip.AddrPort
	configured geored.SiteName // zero: not a contact point
	known      Node            // as a peer describes it; zero: a contact point
}

func (c candidate) target() geored.Target {
	site := c.configured
	if site == "" {
		site = c.known.Site
	}
	return geored.Target{Site: site, Name: "node " + c.address.String()}
}

// contacts resolves the contact points; a name may stand for several nodes.
func (d *discovery) contacts(ctx context.Context) []candidate {
	var found []candidate
	for _, site := range d.Sites {
		for _, name := range site.Nodes {
			addresses, err := d.resolve(ctx, name)
			if err != nil {
				d.lost = append(d.lost, geored.Silence{Target: geored.Target{Site: site.Name, Name: "node " + name}, Reason: err.Error()})
			}
			for _, a := range addresses {
				found = append(found, candidate{address: a, configured: site.Name})
			}
		}
	}
	return found
}

func (d *discovery) resolve(ctx context.Context, name string) ([]netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(withPort(name))
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(addr.Unmap(), uint16(n))}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.ConnectTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	found := make([]netip.AddrPort, len(addrs))
	for i, addr := range addrs {
		found[i] = netip.AddrPortFrom(addr.Unmap(), uint16(n))
	}
	return found, err
}

func (d *discovery) ask(ctx context.Context, candidates []candidate) {
	targets := make([]geored.Target, len(candidates))
	byTarget := make(map[geored.Target]candidate, len(candidates))
	for i, c := range candidates {
		targets[i] = c.target()
		byTarget[targets[i]] = c
	}
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (View, error) {
		return d.view(ctx, byTarget[t].address)
	}, geored.AskBudget(d.ConnectTimeout+d.Timeout), geored.AskClock(d.Clock))
	for t, v := range answers.All() {
		v.Configured = byTarget[t].configured
		d.replies[byTarget[t].address] = reply{candidate: byTarget[t], view: v}
	}
	for _, s := range answers.Unanswered() {
		c := byTarget[s.Target]
		d.replies[c.address] = reply{candidate: c, err: fmt.Errorf("%s", s.Reason)}
	}
}

// unasked gives the nodes that somebody knows of and that have not been asked, at that address or another.
func (d *discovery) unasked() []candidate {
	answered := d.answered()
	next := map[netip.AddrPort]candidate{}
	for _, r := range d.replies {
		for _, peer := range r.view.Peers {
			_, asked := d.replies[peer.Address]
			if !asked && !answered[peer.HostID] && peer.Address.Addr().IsValid() {
				next[peer.Address] = candidate{address: peer.Address, known: peer}
			}
		}
	}
	candidates := make([]candidate, 0, len(next))
	for _, c := range next {
		candidates = append(candidates, c)
	}
	slices.SortFunc(candidates, func(a, b candidate) int { return a.address.Compare(b.address) })
	return candidates
}

// answered are the host IDs of the nodes that answered.
func (d *discovery) answered() map[string]bool {
	ids := map[string]bool{}
	for _, r := range d.replies {
		if r.err == nil {
			ids[r.view.Node.HostID] = true
		}
	}
	return ids
}

// ring puts the replies in order: one view per host ID, and one silence per node that did not answer anywhere.
func (d *discovery) ring() Ring {
	r := Ring{Sites: d.Sites, Silent: d.lost}
	answered, seen := d.answered(), map[string]bool{}
	for _, reply := range d.sorted() {
		switch id := d.hostID(reply); {
		case reply.err == nil && !seen[id]:
			r.Views = append(r.Views, reply.view)
			seen[id] = true
		case reply.err != nil && !answered[id] && (id == "" || !seen[id]):
			r.Silent = append(r.Silent, geored.Silence{Target: reply.target(), Reason: reply.err.Error()})
			r.silent = append(r.silent, d.describe(reply))
			seen[id] = true
		}
	}
	return r
}

// describe is what is known of a node that did not answer.
func (d *discovery) describe(silent reply) Node {
	for _, r := range d.sorted() {
		for _, peer := range r.view.Peers {
			if peer.Address == silent.address {
				return peer
			}
		}
	}
	return Node{Site: silent.configured, Address: silent.address}
}

func (d *discovery) hostID(r reply) string {
	if r.err == nil {
		return r.view.Node.HostID
	}
	return d.describe(r).HostID
}

// sorted gives the replies in a fixed order, contact points before the addresses that peers tell.
func (d *discovery) sorted() []reply {
	replies := make([]reply, 0, len(d.replies))
	for _, r := range d.replies {
		replies = append(replies, r)
	}
	slices.SortFunc(replies, func(a, b reply) int {
		return cmp.Or(cmp.Compare(a.target().Site, b.target().Site), a.address.Compare(b.address))
	})
	return replies
}

// nodes are all nodes that answered, then those that did not and are known by host ID.
func (r Ring) nodes() []Node {
	var nodes []Node
	for _, v := range r.Views {
		nodes = append(nodes, v.Node)
	}
	for _, n := range r.silent {
		if n.HostID != "" {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// answers are the views as [geored.Answers], so that findings say who was asked and who was silent.
func (r Ring) answers(ctx context.Context) geored.Answers[View] {
	var targets []geored.Target
	views, silent := map[geored.Target]View{}, map[geored.Target]string{}
	for _, v := range r.Views {
		targets = append(targets, v.Node.Target())
		views[v.Node.Target()] = v
	}
	for _, s := range r.Silent {
		targets = append(targets, s.Target)
		silent[s.Target] = s.Reason
	}
	return geored.Ask(context.WithoutCancel(ctx), targets, func(_ context.Context, t geored.Target) (View, error) {
		if reason, ok := silent[t]; ok {
			return View{}, fmt.Errorf("%s", reason)
		}
		return views[t], nil
	})
}
