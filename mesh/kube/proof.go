package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// Proof holds a mesh against what can be seen of it from inside its sites. Each site's probe pod must run.
type Proof struct {
	Mesh

	mu     sync.Mutex
	layout mesh.Layout // as planned over the gateways that were found
}

// NewProof makes the proof of a mesh.
func NewProof(m Mesh) *Proof { return &Proof{Mesh: m} }

// IDs of the checks.
const (
	CheckGateways  geored.CheckID = "mesh/gateways"
	CheckHandshake geored.CheckID = "mesh/handshake"
	CheckPods      geored.CheckID = "mesh/pods"
	CheckServices  geored.CheckID = "mesh/services"
	CheckTunnel    geored.CheckID = "mesh/tunnel"
	CheckPathMTU   geored.CheckID = "mesh/path-mtu"
)

// Checks are the checks of the mesh, for every ordered pair of sites.
func (p *Proof) Checks() []geored.Check {
	gateways := []geored.CheckID{CheckGateways}
	return []geored.Check{
		{ID: CheckGateways, Title: "every gateway's WireGuard interface is as planned", Run: p.gateways},
		{ID: CheckHandshake, Title: "every tunnel carries traffic both ways", Needs: gateways, Run: p.handshakes},
		{ID: CheckPods, Title: "a pod of each site reaches a pod of every other", Run: p.pods},
		{ID: CheckServices, Title: "a pod of each site reaches a service of every other", Run: p.services},
		{ID: CheckTunnel, Title: "what pods send to another site goes through the tunnel", Needs: gateways, Run: p.tunnel},
		{ID: CheckPathMTU, Title: "packets as large as the tunnel's MTU arrive", Needs: gateways, Run: p.pathMTU},
	}
}

// seen is a gateway's interface as its agent gave it.
type seen struct {
	mesh.DeviceState
	absent error // the agent's own: there is no such interface
}

// gateways plans the mesh anew over what is there, and compares. The guide compares by eye (guide 000, 4.2.5).
func (p *Proof) gateways(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, p.targets(), func(ctx context.Context, t geored.Target) (seen, error) {
		state, err := p.Ends[t.Site].Gateways.Device(ctx, t.Name, p.Network.WithDefaults().Interface)
		if remote := new(probe.RemoteError); errors.As(err, &remote) {
			return seen{absent: remote}, nil
		}
		return seen{DeviceState: state}, err
	})
	layout, err := p.layOut(answers)
	if err == nil {
		p.mu.Lock()
		p.layout = layout
		p.mu.Unlock()
	}
	return answers.Each(func(t geored.Target, s seen) geored.Finding {
		switch {
		case s.absent != nil:
			return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("%s has no WireGuard interface: %v", t.Name, s.absent),
				Remedy: "read the log of the gateway's agent, and run the installation again"}
		case err != nil:
			return geored.Finding{Verdict: geored.Unknown, Message: "the mesh could not be planned: " + err.Error()}
		}
		wanted, _ := layout.Device(t.Site, t.Name)
		return driftFinding(wanted, s.DeviceState)
	})
}

// layOut plans the mesh over the interfaces that are there. All of them must be.
func (p *Proof) layOut(answers geored.Answers[seen]) (mesh.Layout, error) {
	for _, silent := range answers.Unanswered() {
		return mesh.Layout{}, silent
	}
	var gateways []mesh.Gateway
	for t, s := range answers.All() {
		if s.absent != nil {
			return mesh.Layout{}, fmt.Errorf("site %s: %s has no WireGuard interface", t.Site, t.Name)
		}
		site, _ := p.Network.Site(t.Site)
		gateways = append(gateways, observed(site, s.DeviceState))
	}
	return mesh.Plan(p.Network, gateways)
}

func driftFinding(wanted mesh.Device, state mesh.DeviceState) geored.Finding {
	drift := wanted.Drift(state)
	if len(drift) == 0 {
		return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("interface %s on %s has its %d peers", wanted.Interface, wanted.Node, len(wanted.Peers))}
	}
	f := geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("interface %s on %s is not as planned", wanted.Interface, wanted.Node), Remedy: "run the installation again"}
	for _, d := range drift {
		f.Evidence = append(f.Evidence, d.String())
	}
	return f
}

func (p *Proof) handshakes(ctx context.Context) []geored.Finding {
	layout := p.planned()
	answers := geored.Ask(ctx, mesh.HandshakeTargets(layout), func(ctx context.Context, t geored.Target) (mesh.Sample, error) {
		return p.sample(ctx, layout, t)
	})
	return mesh.HandshakeFindings(layout, answers)
}

func (p *Proof) planned() mesh.Layout {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.layout
}

// sample has a gateway speak to the other site's probe pod between two readings of its interface.
func (m Mesh) sample(ctx context.Context, layout mesh.Layout, t geored.Target) (mesh.Sample, error) {
	device, _ := layout.Device(t.Site, t.Name)
	question := gateway.SampleQuestion{Interface: device.Interface, Through: map[mesh.PublicKey]netip.AddrPort{}}
	far := m.Ends[t.To]
	podIP, _, err := far.Probe.Addresses(ctx, far.Gateways.Cluster)
	if err != nil {
		return mesh.Sample{}, fmt.Errorf("probe of site %s: %w", t.To, err)
	}
	address, err := netip.ParseAddr(podIP)
	if err != nil {
		return mesh.Sample{}, err
	}
	for _, peer := range device.Peers {
		if peer.Site == t.To {
			question.Through[peer.PublicKey] = netip.AddrPortFrom(address, probe.EchoPort)
		}
	}
	return m.Ends[t.Site].Gateways.Sample(ctx, t.Name, question)
}

// pairs are the ordered pairs of sites.
func (m Mesh) pairs() []geored.Target {
	var pairs []geored.Target
	for _, from := range m.Network.Sites {
		for _, to := range m.Network.Sites {
			if from.Name != to.Name {
				pairs = append(pairs, geored.Target{Site: from.Name, To: to.Name})
			}
		}
	}
	return pairs
}

func (p *Proof) pods(ctx context.Context) []geored.Finding {
	return p.reach(ctx, "pod", func(podIP, _ string) string { return net.JoinHostPort(podIP, strconv.Itoa(probe.HTTPPort)) })
}

func (p *Proof) services(ctx context.Context) []geored.Finding {
	return p.reach(ctx, "service", func(_, serviceIP string) string { return serviceIP })
}

// reach asks from every site's probe pod for every other's. What does not get through is a failure when the probe says
// so itself, and unknown when the probe cannot be asked.
func (p *Proof) reach(ctx context.Context, what string, host func(podIP, serviceIP string) string) []geored.Finding {
	type reached struct {
		address string
		who     probe.Identity
		err     error
	}
	answers := geored.Ask(ctx, p.pairs(), func(ctx context.Context, t geored.Target) (reached, error) {
		far := p.Ends[t.To]
		podIP, serviceIP, err := far.Probe.Addresses(ctx, far.Gateways.Cluster)
		if err != nil {
			return reached{}, fmt.Errorf("address in site %s: %w", t.To, err)
		}
		r := reached{address: host(podIP, serviceIP)}
		answer, err := probe.Ask(ctx, p.near(t), probe.HTTP{URL: "http://" + r.address + "/"})
		if remote := new(probe.RemoteError); errors.As(err, &remote) {
			r.err = remote
			return r, nil
		}
		if err == nil {
			err = json.Unmarshal([]byte(answer.Body), &r.who)
		}
		return r, err
	})
	return answers.Each(func(t geored.Target, r reached) geored.Finding {
		switch {
		case r.err != nil:
			return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("a pod of %s cannot reach the %s %s of %s: %v", t.Site, what, r.address, t.To, r.err),
				Remedy: "look at mesh/handshake and mesh/path-mtu of this pair first, then at network policies and the nodes' forwarding"}
		case r.who.Site != string(t.To):
			return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("%s %s was answered by site %q, not by %s", what, r.address, r.who.Site, t.To),
				Remedy: "two sites use the same addresses: compare their ranges"}
		}
		return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%s %s answered as %s of %s, and saw %s", what, r.address, r.who.Pod, r.who.Site, r.who.Caller)}
	})
}

func (p *Proof) near(t geored.Target) probe.Client {
	end := p.Ends[t.Site]
	return end.Probe.Probe(end.Gateways.Cluster)
}
