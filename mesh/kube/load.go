package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
)

// usualMTU is that of most networks: a path wider than the tunnel is worth knowing.
const usualMTU = 1500

// bulkBytes is large enough to tell payload from handshakes and keepalives.
const bulkBytes = 1 << 20

// transfer is a bulk transfer from one site's pod to another's, between two readings of the gateway's interface.
type transfer struct {
	err       error // the probe's own: the bytes did not arrive
	sentBytes int64 // what the tunnel to the site sent meanwhile
	hasPeer   bool
}

// tunnel holds the bytes that a pod sent against those that the tunnel carried: what took another way is not in its
// counters.
func (p *Proof) tunnel(ctx context.Context) []geored.Finding {
	layout := p.planned()
	answers := geored.Ask(ctx, p.pairs(), func(ctx context.Context, t geored.Target) (transfer, error) { return p.transfer(ctx, layout, t) })
	return answers.Each(func(t geored.Target, x transfer) geored.Finding {
		switch {
		case !x.hasPeer:
			return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("the gateway of %s has no peer of %s", t.Site, t.To), Remedy: "run the installation again"}
		case x.err != nil:
			return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("%d bytes from a pod of %s to one of %s did not arrive: %v", bulkBytes, t.Site, t.To, x.err),
				Remedy: "when mesh/pods passes, large packets are lost on the way: look at mesh/path-mtu"}
		case x.sentBytes < bulkBytes:
			return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("%d bytes arrived, but the tunnel sent only %d", bulkBytes, x.sentBytes),
				Remedy: "another route leads to the other site, and what goes there is not encrypted: look for it on the nodes"}
		}
		return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%d bytes arrived, the tunnel sent %d meanwhile", bulkBytes, x.sentBytes)}
	})
}

func (p *Proof) transfer(ctx context.Context, layout mesh.Layout, t geored.Target) (transfer, error) {
	podIP, err := p.farPod(ctx, t)
	if err != nil {
		return transfer{}, err
	}
	before, had, err := p.sent(ctx, layout, t)
	if err != nil {
		return transfer{}, err
	}
	_, err = probe.Ask(ctx, p.near(t), probe.Bulk{Address: net.JoinHostPort(podIP, strconv.Itoa(probe.SinkPort)), Bytes: bulkBytes})
	if remote := new(probe.RemoteError); errors.As(err, &remote) {
		return transfer{err: remote, hasPeer: had}, nil
	}
	if err != nil {
		return transfer{}, err
	}
	after, has, err := p.sent(ctx, layout, t)
	return transfer{sentBytes: after - before, hasPeer: had && has}, err
}

// sent is what the tunnels of t's gateway have sent to the other site so far.
func (p *Proof) sent(ctx context.Context, layout mesh.Layout, t geored.Target) (bytes int64, found bool, err error) {
	device, _ := layout.Device(t.Site, "")
	state, err := p.Ends[t.Site].Gateways.Device(ctx, device.Node, device.Interface)
	if err != nil {
		return 0, false, err
	}
	for _, peer := range device.Peers {
		if live, ok := state.Peer(peer.PublicKey); ok && peer.Site == t.To {
			bytes, found = bytes+live.SentBytes, true
		}
	}
	return bytes, found, nil
}

// pathMTU finds the largest packet that comes through and holds it against the tunnel's MTU.
func (p *Proof) pathMTU(ctx context.Context) []geored.Finding {
	type path struct {
		mtu int
		err error
	}
	layout := p.planned()
	answers := geored.Ask(ctx, p.pairs(), func(ctx context.Context, t geored.Target) (path, error) {
		podIP, err := p.farPod(ctx, t)
		if err != nil {
			return path{}, err
		}
		device, _ := layout.Device(t.Site, "")
		answer, err := probe.Ask(ctx, p.near(t), probe.PathMTU{Address: net.JoinHostPort(podIP, strconv.Itoa(probe.EchoPort)), Max: max(device.MTU, usualMTU)})
		if remote := new(probe.RemoteError); errors.As(err, &remote) {
			return path{err: remote}, nil
		}
		return path{mtu: answer.MTU}, err
	})
	return answers.Each(func(t geored.Target, x path) geored.Finding {
		device, _ := layout.Device(t.Site, "")
		switch {
		case x.err != nil:
			return geored.Finding{Verdict: geored.Fail, Message: x.err.Error(), Remedy: "look at mesh/handshake of this pair"}
		case x.mtu < device.MTU:
			return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("packets of more than %d bytes are lost, the tunnel's MTU is %d", x.mtu, device.MTU),
				Remedy: fmt.Sprintf("set the tunnel's MTU to %d or less, and that of the pods too", x.mtu)}
		}
		return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("packets of %d bytes arrive, the tunnel's MTU is %d", x.mtu, device.MTU)}
	})
}

func (p *Proof) farPod(ctx context.Context, t geored.Target) (string, error) {
	far := p.Ends[t.To]
	podIP, _, err := far.Probe.Addresses(ctx, far.Gateways.Cluster)
	if err != nil {
		return "", fmt.Errorf("address in site %s: %w", t.To, err)
	}
	return podIP, nil
}
