package ice

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// apiServers asks from inside every site for the API servers of the others, at the address that the credentials will have.
// One that lies behind the mesh is reached through it, and not before it is there.
func (d *Deployment) apiServers(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.pairs(), func(ctx context.Context, t geored.Target) (reached, error) {
		far := d.site(t.To)
		u, err := url.Parse(far.apiServer())
		if err != nil {
			return reached{}, err
		}
		r := reached{address: withPort(u)}
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && inside(ip, far.Services) {
			r.behind = true
			return r, nil
		}
		_, err = probe.Ask(ctx, d.probe(t.Site), probe.TCP{Address: r.address})
		if remote := new(probe.RemoteError); errors.As(err, &remote) {
			r.err = remote
			return r, nil
		}
		return r, err
	})
	return answers.Each(judgeReached)
}

// reached is what came of a way to an API server.
type reached struct {
	address string
	behind  bool // the mesh
	err     error
}

func judgeReached(t geored.Target, r reached) geored.Finding {
	switch {
	case r.behind:
		return geored.Finding{Verdict: geored.Skipped, Message: fmt.Sprintf("%s lies behind the mesh: creds/server says whether it is reached", r.address)}
	case r.err != nil:
		return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("%s cannot reach the API server of %s at %s: %v", t.Site, t.To, r.address, r.err),
			Remedy: "open the way, or write another apiServer in the topology"}
	}
	return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%s reaches the API server of %s at %s", t.Site, t.To, r.address)}
}

// wireGuard asks every node whether it can have an interface, without making one that stays.
func (d *Deployment) wireGuard(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.perNode(), func(ctx context.Context, t geored.Target) (gateway.Support, error) {
		return d.support(ctx, t)
	})
	return answers.Each(func(t geored.Target, s gateway.Support) geored.Finding { return judgeSupport(t.Name, s) })
}

func (d *Deployment) support(ctx context.Context, t geored.Target) (gateway.Support, error) {
	observer, err := d.observer(ctx, t)
	if err != nil {
		return gateway.Support{}, err
	}
	return probe.AskNamed[gateway.Support](ctx, observer, gateway.AskSupport, gateway.DeviceQuestion{Interface: "kilo0"})
}

func judgeSupport(node string, s gateway.Support) geored.Finding {
	switch {
	case s.Present:
		return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("node %s has its WireGuard interface", node)}
	case s.Kernel:
		return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("the kernel of node %s has WireGuard", node)}
	case s.Tun:
		return geored.Finding{Verdict: geored.Warn, Message: fmt.Sprintf("the kernel of node %s has no WireGuard; one in a process could run there", node), Evidence: []string{s.Detail},
			Remedy: "install WireGuard (ICE guide, 4.2.2), unless the chart brings one"}
	}
	return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("node %s can have no WireGuard interface", node), Evidence: []string{s.Detail}, Remedy: "install WireGuard (ICE guide, 4.2.2)"}
}

// reach is what came of packets to a node's WireGuard port.
type reach struct {
	mtu   int
	taken bool // something listens at the port already
	ours  bool // it is WireGuard
	err   error
}

// paths sends packets from a node of every site to the WireGuard port of each node of the others, where an observer echoes
// them as long as nobody listens there. Once WireGuard does, its handshakes say more.
func (d *Deployment) paths(ctx context.Context) []geored.Finding {
	var targets []geored.Target
	for _, pair := range d.pairs() {
		for _, node := range d.mesh.Network.Sites[d.index(pair.To)].Nodes {
			pair.Name = node.Name
			targets = append(targets, pair)
		}
	}
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (reach, error) {
		p, err := d.path(ctx, t)
		if err != nil || !p.taken {
			return p, err
		}
		present, err := d.support(ctx, geored.Target{Site: t.To, Name: t.Name})
		if p.ours = present.Present; err != nil || p.ours {
			return p, err
		}
		for try := 0; p.taken && err == nil && try < 6; try++ { // it may be the echo for another site
			if err = geored.SystemClock().Sleep(ctx, 2*time.Second); err == nil {
				p, err = d.path(ctx, t)
			}
		}
		return p, err
	}, geored.AskBudget(5*pathTime))
	return answers.Each(func(t geored.Target, p reach) geored.Finding { return judgePath(t, d.node(t.To, t.Name), p) })
}

// pathTime is how long a node echoes at most.
const pathTime = 6 * time.Second

func (d *Deployment) path(ctx context.Context, t geored.Target) (reach, error) {
	to := d.node(t.To, t.Name).Endpoint
	far, err := d.mesh.Ends[t.To].Observers.Probe(ctx, t.Name)
	if err != nil {
		return reach{}, err
	}
	near, err := d.mesh.Ends[t.Site].Observers.Probe(ctx, d.mesh.Network.Sites[d.index(t.Site)].Nodes[0].Name)
	if err != nil {
		return reach{}, err
	}
	echoing := make(chan error, 1)
	go func() {
		_, err := probe.Ask(ctx, far, probe.Echo{Port: to.Port(), For: pathTime})
		echoing <- err
	}()
	var p reach
	for range 4 { // the echo is not there at once
		select {
		case err := <-echoing:
			return refused(err)
		case <-time.After(pollPause):
		}
		answer, err := probe.Ask(ctx, near, probe.PathMTU{Address: net.JoinHostPort(to.Host(), strconv.Itoa(int(to.Port()))), Max: usualMTU})
		remote := new(probe.RemoteError)
		if err == nil {
			p = reach{mtu: answer.MTU}
			break
		}
		if !errors.As(err, &remote) {
			return reach{}, err
		}
		p.err = remote
	}
	if err := <-echoing; err != nil && p.mtu == 0 {
		return refused(err)
	}
	return p, nil
}

// refused: a node that answers and cannot echo has something at that port.
func refused(err error) (reach, error) {
	if remote := new(probe.RemoteError); errors.As(err, &remote) {
		return reach{taken: true, err: remote}, nil
	}
	return reach{}, err
}

const usualMTU = 1500

func judgePath(t geored.Target, to geored.Node, p reach) geored.Finding {
	switch {
	case p.taken && !p.ours:
		return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("nobody can listen at UDP port %d of node %s, and WireGuard's kilo0 is not there: %v", to.Endpoint.Port(), t.Name, p.err),
			Remedy: "stop what listens there, or name another port in the node's endpoint"}
	case p.taken:
		return geored.Finding{Verdict: geored.Skipped, Message: fmt.Sprintf("something listens at UDP port %d of node %s: mesh/handshake says whether it is reached", to.Endpoint.Port(), t.Name)}
	case p.err != nil && p.mtu == 0:
		return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("UDP from %s to %s of %s does not arrive: %v", t.Site, to.Endpoint, t.Name, p.err),
			Remedy: fmt.Sprintf("open UDP port %d between the nodes of both sites", to.Endpoint.Port())}
	}
	return judgePathMTU(t, p.mtu, to.Endpoint.Addr().Is6())
}

// judgePathMTU holds the path against the tunnel that it must carry.
func judgePathMTU(t geored.Target, mtu int, outerIPv6 bool) geored.Finding {
	if room := mesh.TunnelMTU(mtu, outerIPv6); room < mesh.DefaultMTU {
		return geored.Finding{Verdict: geored.Warn, Message: fmt.Sprintf("the path to %s carries packets of %d bytes: a tunnel of MTU %d does not fit", t.Name, mtu, mesh.DefaultMTU),
			Remedy: fmt.Sprintf("let the tunnel's MTU be %d or less", room)}
	}
	return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("UDP arrives at %s, packets of %d bytes too", t.Name, mtu)}
}

func (d *Deployment) node(site geored.SiteName, name string) geored.Node {
	for _, node := range d.mesh.Network.Sites[d.index(site)].Nodes {
		if node.Name == name {
			return node
		}
	}
	return geored.Node{}
}
