package cassandra

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Ring is the whole ring, node by node. It is complete also when nodes are silent: they are listed. An address is not
// silent when the node that was there answers at another: as its peers tell it, or as this [Cluster] found it there before.
type Ring struct {
	Sites  []Site
	Views  []View           // of the nodes that answered, by site, data center and address
	Silent []geored.Silence // nodes that are known and did not answer, and names that do not resolve
	Took   time.Duration
	Began  time.Time

	silent   []Node          // those of Silent whose host ID is known
	nameless []geored.Target // those of Silent that are names which do not resolve
}

// Ring asks every node of every site for its own view, one by one: the contact points first, then everybody they know
// of, and so on. The error is the context's; what else goes wrong stands in Silent.
func (c *Cluster) Ring(ctx context.Context) (Ring, error) { return c.discover(ctx, false) }

// discover asks every node for everything, or, for whoever reads rows, those alone that are in the data centers of the
// sites, and only for where rows are: a login costs a server a tenth of a second.
func (c *Cluster) discover(ctx context.Context, forReading bool) (Ring, error) {
	d := discovery{Cluster: c, forReading: forReading, replies: map[netip.AddrPort]reply{}}
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
	forReading bool
	replies    map[netip.AddrPort]reply
	lost       []geored.Silence // names that do not resolve
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
			if err == nil && len(addresses) == 0 {
				err = errors.New("the name stands for no address")
			}
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
	addrs, err := d.Resolve(ctx, host)
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
		return d.view(ctx, byTarget[t].address, d.forReading)
	}, geored.AskBudget(d.ConnectTimeout+d.Timeout), geored.AskClock(d.Clock))
	for t, v := range answers.All() {
		v.Configured = byTarget[t].configured
		d.replies[byTarget[t].address] = reply{candidate: byTarget[t], view: v}
		d.answeredAt(byTarget[t].address, v.Node.HostID)
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
			if !asked && !answered[peer.HostID] && peer.Address.Addr().IsValid() && (peer.Site != "" || !d.forReading) {
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
