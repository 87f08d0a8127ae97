package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// usualMTU is that of most networks: a path wider than the tunnel is worth knowing.
const usualMTU = 1500

// bulkBytes is large enough to tell payload from handshakes and keepalives. Where others use the tunnel it is so many times what
// they sent between two readings, and mostBytes at most.
const (
	bulkBytes  = 1 << 20
	overOthers = 16
	mostBytes  = 64 << 20
)

// How long a pair may take: on a dead path the probe itself gives up after 5 s, of the MTU after 7 s, and beside that are
// reads of API servers and programs started in pods. A check has a minute.
const (
	tunnelBudget  = 30 * time.Second
	pathMTUBudget = 40 * time.Second
)

// transfer is a bulk transfer from one site's pod to another's, between two readings of the gateway's interface.
type transfer struct {
	err       error // the probe's own: the bytes did not arrive
	bytes     int64
	others    int64 // what the tunnel to the site sent between two readings before it
	interval  time.Duration
	sentBytes int64 // what it sent meanwhile
	window    time.Duration
	hasPeer   bool
}

// beside is what others send meanwhile, if they go on as before; false: nobody can tell.
func (x transfer) beside() (bytes int64, known bool) {
	if x.others <= 0 {
		return 0, true
	}
	if x.interval <= 0 || x.window <= 0 {
		return 0, false
	}
	return int64(float64(x.others) * x.window.Seconds() / x.interval.Seconds()), true
}

// tunnel holds the bytes that a pod sent against those that the tunnel carried: what took another way is not in its
// counters.
func (p *Proof) tunnel(ctx context.Context) []geored.Finding {
	layout := p.planned()
	answers := geored.Ask(ctx, p.pairs(), func(ctx context.Context, t geored.Target) (transfer, error) { return p.transfer(ctx, layout, t) },
		geored.AskBudget(tunnelBudget))
	return answers.Each(func(t geored.Target, x transfer) geored.Finding { return x.finding(t) })
}

func (x transfer) finding(t geored.Target) geored.Finding {
	beside, known := x.beside()
	switch {
	case !x.hasPeer:
		return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("the gateway of %s has no peer of %s", t.Site, t.To), Remedy: "run the installation again"}
	case x.err != nil:
		return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("%d bytes from a pod of %s to one of %s did not arrive: %v", x.bytes, t.Site, t.To, x.err),
			Remedy: "when mesh/pods passes, large packets are lost on the way: look at mesh/path-mtu"}
	case x.sentBytes < x.bytes:
		return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("%d bytes arrived, but the tunnel sent only %d", x.bytes, x.sentBytes),
			Remedy: "another route leads to the other site, and what goes there is not encrypted: look for it on the nodes"}
	case !known || x.sentBytes < 2*beside: // others alone might have sent as much, if they sent twice as fast as before
		return geored.Finding{Verdict: geored.Unknown, Message: fmt.Sprintf("%d bytes arrived in %s, and others sent too much to tell whether they took the tunnel: %d in %s", x.bytes, geored.RoundDuration(x.window), x.others, geored.RoundDuration(x.interval)),
			Remedy: "look again when less is sent"}
	}
	return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%d bytes arrived, the tunnel sent %d meanwhile", x.bytes, x.sentBytes)}
}

func (p *Proof) transfer(ctx context.Context, layout mesh.Layout, t geored.Target) (transfer, error) {
	podIP, _, err := p.far(ctx, t)
	if err != nil {
		return transfer{}, err
	}
	x := transfer{}
	var readings [2]reading
	for i := range readings {
		if readings[i], x.hasPeer, err = p.sent(ctx, layout, t); err != nil || !x.hasPeer {
			return x, err
		}
	}
	x.others, x.interval = readings[1].since(readings[0])
	x.bytes = min(max(bulkBytes, overOthers*x.others), mostBytes)
	_, err = probe.Ask(ctx, p.near(t), probe.Bulk{Address: net.JoinHostPort(podIP, strconv.Itoa(probe.SinkPort)), Bytes: x.bytes, Timeout: bulkTimeout(x.bytes)})
	if remote := new(probe.RemoteError); errors.As(err, &remote) {
		x.err = remote
		return x, nil
	}
	if err != nil {
		return x, err
	}
	after, has, err := p.sent(ctx, layout, t)
	x.hasPeer = has
	x.sentBytes, x.window = after.since(readings[1])
	return x, err
}

// bulkTimeout is longer for what is larger than usual.
func bulkTimeout(bytes int64) time.Duration {
	if bytes > bulkBytes {
		return tunnelBudget / 2
	}
	return 0
}

// pathMTU finds the largest packet that comes through and holds it against the tunnel's MTU, and that against what pods
// send.
func (p *Proof) pathMTU(ctx context.Context) []geored.Finding {
	type path struct {
		mesh.MTUSample
		err error
	}
	layout := p.planned()
	answers := geored.Ask(ctx, p.pairs(), func(ctx context.Context, t geored.Target) (path, error) {
		s, err := p.mtuSample(ctx, layout, t)
		if remote := new(probe.RemoteError); errors.As(err, &remote) {
			return path{err: remote}, nil
		}
		return path{MTUSample: s}, err
	}, geored.AskBudget(pathMTUBudget))
	return answers.Each(func(_ geored.Target, x path) geored.Finding {
		if x.err != nil {
			return geored.Finding{Verdict: geored.Fail, Message: x.err.Error(), Remedy: "look at mesh/handshake of this pair"}
		}
		j := x.Judge()
		return geored.Finding{Verdict: j.Verdict, Message: j.Message, Remedy: j.Remedy}
	})
}

func (p *Proof) mtuSample(ctx context.Context, layout mesh.Layout, t geored.Target) (mesh.MTUSample, error) {
	podIP, _, err := p.far(ctx, t)
	if err != nil {
		return mesh.MTUSample{}, err
	}
	pod, err := netip.ParseAddr(podIP)
	if err != nil {
		return mesh.MTUSample{}, err
	}
	near, _ := layout.Device(t.Site, "")
	far, _ := layout.Device(t.To, "")
	s := mesh.MTUSample{Tunnel: near.MTU, Far: far.MTU}
	if s.Underlay, s.OuterIPv6, err = p.underlay(ctx, near, t.To); err != nil {
		return s, err
	}
	if s.Pods, err = probe.AskNamed[int](ctx, p.near(t), gateway.AskLinkMTU, gateway.LinkQuestion{To: pod}); err != nil {
		return s, err
	}
	largest := max(near.MTU, usualMTU)
	answer, err := probe.Ask(ctx, p.near(t), probe.PathMTU{Address: net.JoinHostPort(podIP, strconv.Itoa(probe.EchoPort)), Max: largest})
	if err != nil {
		return s, err
	}
	s.Probes = []mesh.SizeProbe{{Bytes: answer.MTU, Answered: true}}
	if answer.MTU < largest {
		s.Probes = append(s.Probes, mesh.SizeProbe{Bytes: answer.MTU + 1})
	}
	return s, nil
}

// underlay is the MTU of the interface by which a device's own packets to a site leave; 0 where that is known by name only.
func (p *Proof) underlay(ctx context.Context, d mesh.Device, to geored.SiteName) (mtu int, ipv6 bool, err error) {
	for _, peer := range d.Peers {
		if address := peer.Endpoint.Addr(); peer.Site == to && address.IsValid() {
			mtu, err = p.ends[d.Site].devices.LinkMTU(ctx, d.Node, address)
			return mtu, address.Is6(), err
		}
	}
	return 0, false, nil
}
