package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
)

// Proof holds a mesh against what can be seen of it from inside its sites. Each site's probe pod must run. A proof is
// for one run of its checks: the first finds out what the others hold against.
type Proof struct {
	sight
	checks []geored.Check // the first ones: of what made the mesh

	mu     sync.Mutex
	layout mesh.Layout // as planned over the devices that were found
}

// NewProof makes the proof of a mesh of gateways.
func NewProof(m Mesh) *Proof { return newProof(m, m.sight()) }

func newProof(m Mesh, s sight) *Proof {
	p := &Proof{sight: s}
	p.checks = []geored.Check{{ID: CheckGateways, Title: "every gateway's WireGuard interface is as planned",
		Run: func(ctx context.Context) []geored.Finding { return p.gateways(ctx, m) }}}
	return p
}

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
	planned := []geored.CheckID{CheckGateways}
	return append(slices.Clone(p.checks),
		geored.Check{ID: CheckHandshake, Title: "every tunnel carries traffic both ways", Needs: planned, Run: p.handshakes},
		geored.Check{ID: CheckPods, Title: "a pod of each site reaches a pod of every other", Run: p.pods},
		geored.Check{ID: CheckServices, Title: "a pod of each site reaches a service of every other", Run: p.services},
		geored.Check{ID: CheckTunnel, Title: "what pods send to another site goes through the tunnel", Needs: planned, Run: p.tunnel},
		geored.Check{ID: CheckPathMTU, Title: "packets as large as the tunnel's MTU arrive, and pods send none that are larger", Needs: planned, Run: p.pathMTU},
	)
}

// seen is a gateway's interface as its agent gave it.
type seen struct {
	mesh.DeviceState
	absent error // the agent's own: there is no such interface
}

// gateways plans the mesh anew over what is there, and compares. The guide compares by eye (ICE guide, 4.2.5).
func (p *Proof) gateways(ctx context.Context, m Mesh) []geored.Finding {
	answers := geored.Ask(ctx, m.targets(), func(ctx context.Context, t geored.Target) (seen, error) {
		return look(ctx, p.ends[t.Site].devices, t.Name, m.Network.WithDefaults().Interface)
	})
	layout, err := m.layOut(answers)
	if err == nil {
		p.plan(layout)
	}
	return answers.Each(func(t geored.Target, s seen) geored.Finding {
		switch {
		case s.absent != nil:
			return s.absentFinding(t, "read the log of the gateway's agent, and run the installation again")
		case err != nil:
			return geored.Finding{Verdict: geored.Unknown, Message: "the mesh could not be planned: " + err.Error()}
		}
		wanted, _ := layout.Device(t.Site, t.Name)
		return driftFinding(wanted, wanted.Drift(s.DeviceState))
	})
}

// look asks a node for its interface.
func look(ctx context.Context, devices Devices, node, link string) (seen, error) {
	state, err := devices.Device(ctx, node, link)
	if errors.Is(err, fs.ErrNotExist) {
		return seen{absent: err}, nil
	}
	return seen{DeviceState: state}, err
}

func (s seen) absentFinding(t geored.Target, remedy string) geored.Finding {
	return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("%s has no WireGuard interface: %v", t.Name, s.absent), Remedy: remedy}
}

// layOut plans the mesh over the interfaces that are there. All of them must be.
func (m Mesh) layOut(answers geored.Answers[seen]) (mesh.Layout, error) {
	for _, silent := range answers.Unanswered() {
		return mesh.Layout{}, silent
	}
	var gateways []mesh.Gateway
	for t, s := range answers.All() {
		if s.absent != nil {
			return mesh.Layout{}, fmt.Errorf("site %s: %s has no WireGuard interface", t.Site, t.Name)
		}
		site, _ := m.Network.Site(t.Site)
		gateways = append(gateways, observed(site, s.DeviceState))
	}
	return mesh.Plan(m.Network, gateways)
}

func driftFinding(wanted mesh.Device, drift []mesh.Difference) geored.Finding {
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

func (p *Proof) plan(l mesh.Layout) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.layout = l
}

func (p *Proof) pods(ctx context.Context) []geored.Finding {
	return p.reach(ctx, "pod", func(podIP, _ string) string { return net.JoinHostPort(podIP, strconv.Itoa(probe.HTTPPort)) })
}

func (p *Proof) services(ctx context.Context) []geored.Finding {
	return p.reach(ctx, "service", func(_, serviceIP string) string { return net.JoinHostPort(serviceIP, "80") })
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
		podIP, serviceIP, err := p.far(ctx, t)
		if err != nil {
			return reached{}, err
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
	}, geored.AskBudget(tunnelBudget))
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
