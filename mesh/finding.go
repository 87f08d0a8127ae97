package mesh

import (
	"context"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Sample is the answer of one machine about its tunnels to one other site: its device before and after a probe of each
// peer of that site.
type Sample struct {
	Before DeviceState         `json:"before"`
	After  DeviceState         `json:"after"`
	Probes map[PublicKey]Probe `json:"probes"` // by the peer's key; a peer without one was not probed
}

// TakeSample makes the sample of one device's tunnels to a site: it reads, probes every peer of the site once and reads
// again. An error comes with what was sampled before it.
func TakeSample(ctx context.Context, d Device, to geored.SiteName, read func(context.Context) (DeviceState, error), probe func(context.Context, Peer) Probe) (Sample, error) {
	s := Sample{Probes: map[PublicKey]Probe{}}
	var err error
	if s.Before, err = read(ctx); err != nil {
		return s, err
	}
	for _, p := range d.Peers {
		if p.Site == to {
			s.Probes[p.PublicKey] = probe(ctx, p)
		}
	}
	s.After, err = read(ctx)
	return s, err
}

// HandshakeTargets are the questions to ask: every device of the layout about every other site that it has peers of.
// A target's Name is the node to ask.
func HandshakeTargets(l Layout) []geored.Target {
	var targets []geored.Target
	for _, d := range l.Devices {
		var last geored.SiteName
		for _, p := range d.Peers { // sorted by site
			if p.Site != last {
				targets = append(targets, geored.Target{Site: d.Site, To: p.Site, Name: d.Node})
			}
			last = p.Site
		}
	}
	return targets
}

// HandshakeFindings makes one finding per target of [HandshakeTargets]: the worst of its tunnels. Who did not answer is
// unknown.
func HandshakeFindings(l Layout, answers geored.Answers[Sample]) []geored.Finding {
	return answers.Each(func(t geored.Target, s Sample) geored.Finding { return l.handshake(t, s) })
}

func (l Layout) handshake(t geored.Target, s Sample) geored.Finding {
	f := geored.Finding{Verdict: geored.Unknown, Message: fmt.Sprintf("the layout has no tunnel %s", t)}
	d, _ := l.Device(t.Site, t.Name)
	for _, p := range d.Peers {
		if p.Site != t.To {
			continue
		}
		j := s.judge(p)
		line := fmt.Sprintf("%s -> %s: %s", d.Node, p.Node, j.Message)
		f.Evidence = append(f.Evidence, line)
		if verdict := geored.Join(j.Verdict, f.Verdict); len(f.Evidence) == 1 || verdict != f.Verdict {
			f.Verdict, f.Message, f.Remedy = j.Verdict, line, j.Remedy
		}
	}
	return f
}

// judge of one tunnel. A peer that the device does not have is a failure, not a silence: it was read.
func (s Sample) judge(p Peer) Judgement {
	before, had := s.Before.Peer(p.PublicKey)
	after, has := s.After.Peer(p.PublicKey)
	if !had || !has {
		return Judgement{Verdict: geored.Fail, Message: "the device has no peer with its public key", Remedy: "configure the device anew"}
	}
	return Crossing{Before: before, BeforeAt: s.Before.SampledAt, After: after, AfterAt: s.After.SampledAt, Probe: s.Probes[p.PublicKey]}.Judge()
}

// HandshakeAge is how old the last handshake with a peer is by the clock of the machine that was read; false for one
// that never was, or that stands in that clock's future. It is for display: see [Crossing.Judge] for verdicts.
func (s DeviceState) HandshakeAge(key PublicKey) (time.Duration, bool) {
	p, _ := s.Peer(key)
	return p.age(s.SampledAt)
}
