package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// healthy is a tunnel that was probed and answered.
func healthy(t testing.TB) mesh.Crossing {
	peer := mesh.PeerState{PublicKey: testKey(t, 2).Public(), LastHandshake: sampled.Add(-time.Minute),
		ReceivedBytes: 1000, SentBytes: 1000, PersistentKeepalive: 10 * time.Second}
	c := mesh.Crossing{Before: peer, BeforeAt: sampled, After: peer, AfterAt: sampled.Add(3 * time.Second), Probe: mesh.Probe{Sent: true, Answered: true}}
	c.After.ReceivedBytes, c.After.SentBytes = 1128, 1128
	return c
}

func TestJudge(t *testing.T) {
	silent := mesh.Probe{Sent: true, Detail: "timed out"}
	received := func(c *mesh.Crossing) { c.After.ReceivedBytes = c.Before.ReceivedBytes }
	cases := map[string]struct {
		change  func(*mesh.Crossing)
		state   mesh.Handshake
		verdict geored.Verdict
		says    string
	}{
		"healthy":                            {func(*mesh.Crossing) {}, mesh.Fresh, geored.Pass, "answered through the tunnel"},
		"180 s are fresh":                    {func(c *mesh.Crossing) { c.After.LastHandshake = c.AfterAt.Add(-180 * time.Second) }, mesh.Fresh, geored.Pass, ""},
		"one second more":                    {func(c *mesh.Crossing) { c.After.LastHandshake = c.AfterAt.Add(-181 * time.Second) }, mesh.Stale, geored.Fail, "not through this tunnel"},
		"answered past it, a keepalive came": {func(c *mesh.Crossing) { c.Probe.Bytes = mesh.ProbeBytes }, mesh.Fresh, geored.Fail, "not through this tunnel"},
		"answered with all its bytes":        {func(c *mesh.Crossing) { c.Probe.Bytes = 96 }, mesh.Fresh, geored.Pass, ""},
		"answered with a byte less":          {func(c *mesh.Crossing) { c.Probe.Bytes = 97 }, mesh.Fresh, geored.Fail, "not through this tunnel"},
		"answered past it":                   {received, mesh.Fresh, geored.Fail, "not through this tunnel"},
		"answered, never met":                {func(c *mesh.Crossing) { c.After.LastHandshake = time.Time{} }, mesh.Never, geored.Fail, "not through this tunnel"},
		"cut link":                           {func(c *mesh.Crossing) { c.Probe = silent; received(c) }, mesh.OneWay, geored.Fail, "none comes back"},
		"never": {func(c *mesh.Crossing) { c.Probe = silent; c.After.LastHandshake = time.Time{}; received(c) },
			mesh.Never, geored.Fail, "no handshake"},
		"stale": {func(c *mesh.Crossing) { c.Probe = silent; c.After.LastHandshake = sampled.Add(-time.Hour) },
			mesh.Stale, geored.Fail, "1h0m3s old"},
		"target silent":                       {func(c *mesh.Crossing) { c.Probe = silent }, mesh.Fresh, geored.Fail, "timed out"},
		"fresh, not probed":                   {func(c *mesh.Crossing) { c.Probe = mesh.Probe{} }, mesh.Fresh, geored.Unknown, "nobody sent a probe"},
		"keepalives out, none in, not probed": {func(c *mesh.Crossing) { c.Probe = mesh.Probe{}; received(c) }, mesh.OneWay, geored.Unknown, ""},
		"never, not probed, tried": {func(c *mesh.Crossing) { c.Probe = mesh.Probe{}; c.After.LastHandshake = time.Time{}; received(c) },
			mesh.Never, geored.Fail, ""},
		"never, not probed, not tried": {func(c *mesh.Crossing) {
			c.Probe, c.After = mesh.Probe{}, c.Before
			c.After.LastHandshake = time.Time{}
		}, mesh.Never, geored.Unknown, ""},
		"stale with keepalive, not probed": {func(c *mesh.Crossing) { c.Probe = mesh.Probe{}; c.After.LastHandshake = sampled.Add(-time.Hour) },
			mesh.Stale, geored.Fail, ""},
		"idle without keepalive, not probed": {func(c *mesh.Crossing) {
			c.Probe, c.After = mesh.Probe{}, c.Before
			c.After.LastHandshake, c.After.PersistentKeepalive = sampled.Add(-time.Hour), 0
		}, mesh.Stale, geored.Unknown, ""},
		"clock set back, answered": {func(c *mesh.Crossing) { c.After.LastHandshake = sampled.Add(time.Hour) }, mesh.Fresh, geored.Pass, ""},
		"clock set back, silent":   {func(c *mesh.Crossing) { c.After.LastHandshake = sampled.Add(time.Hour); c.Probe = silent }, "", geored.Unknown, "future"},
		"same instant":             {func(c *mesh.Crossing) { c.AfterAt = c.BeforeAt }, "", geored.Unknown, "not later"},
		"other peer":               {func(c *mesh.Crossing) { c.After.PublicKey = testKey(t, 3).Public() }, "", geored.Unknown, "different peers"},
		"device made anew":         {func(c *mesh.Crossing) { c.After.ReceivedBytes = 3 }, "", geored.Unknown, "counters went back"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			crossing := healthy(t)
			c.change(&crossing)
			j := crossing.Judge()
			if j.Handshake != c.state || j.Verdict != c.verdict || !strings.Contains(j.Message, c.says) {
				t.Errorf("judged %+v", j)
			}
			if j.Verdict != geored.Pass && j.Message == "" {
				t.Error("does not say why")
			}
		})
	}
}

// Without an answered probe nothing passes, whatever the samples say.
func TestNothingPassesWithoutAnAnsweredProbe(t *testing.T) {
	for _, handshake := range []time.Time{{}, sampled.Add(-time.Hour), sampled.Add(-time.Second), sampled.Add(time.Hour)} {
		for in := range int64(2) {
			for out := range int64(2) {
				for _, probe := range []mesh.Probe{{}, {Sent: true}} {
					c := healthy(t)
					c.Probe, c.After = probe, c.Before
					c.After.LastHandshake, c.After.ReceivedBytes, c.After.SentBytes = handshake, 1000+in, 1000+out
					if j := c.Judge(); j.Verdict != geored.Fail && j.Verdict != geored.Unknown {
						t.Errorf("%+v judged %+v", c, j)
					}
				}
			}
		}
	}
}

func TestHandshakeFindings(t *testing.T) {
	network, gateways := testNetwork(t, 3)
	layout, err := mesh.Plan(network, gateways)
	if err != nil {
		t.Fatal(err)
	}
	targets := mesh.HandshakeTargets(layout)
	if len(targets) != 6 {
		t.Fatalf("%d targets for 3 sites: %v", len(targets), targets)
	}
	answers := geored.Ask(t.Context(), targets, func(_ context.Context, target geored.Target) (mesh.Sample, error) {
		d, _ := layout.Device(target.Site, target.Name)
		s := mesh.Sample{Before: stateOf(d), After: stateOf(d), Probes: map[mesh.PublicKey]mesh.Probe{}}
		s.After.SampledAt = sampled.Add(time.Second)
		for i, p := range d.Peers {
			s.After.Peers[i].ReceivedBytes, s.After.Peers[i].SentBytes = 64, 64
			s.Probes[p.PublicKey] = mesh.Probe{Sent: true, Answered: true}
		}
		switch {
		case target.Site == "dc2" && target.To == "dc1":
			return s, errors.New("connection refused")
		case target.Site == "dc3" && target.To == "dc1":
			s.After.Peers = s.After.Peers[1:]
		case target.Site == "dc3":
			s.Probes = nil
		}
		return s, nil
	})
	findings := mesh.HandshakeFindings(layout, answers)
	want := []geored.Verdict{geored.Pass, geored.Pass, geored.Unknown, geored.Pass, geored.Fail, geored.Unknown}
	for i, f := range findings {
		if f.Verdict != want[i] || f.Site != targets[i].Site || f.To != targets[i].To {
			t.Errorf("%s -> %s is %s: %s", f.Site, f.To, f.Verdict, f.Message)
		}
	}
	if len(findings[2].Unanswered) != 1 || !strings.Contains(findings[4].Message, "no peer with its public key") {
		t.Errorf("silence %v, missing peer %q", findings[2].Unanswered, findings[4].Message)
	}
	if got := mesh.HandshakeFindings(mesh.Layout{}, answers)[0]; got.Verdict != geored.Unknown {
		t.Errorf("a tunnel that no layout has is %s", got.Verdict)
	}
}

// A site with several nodes is as good as the worst tunnel to it, wherever that stands.
func TestHandshakeFindingIsTheWorst(t *testing.T) {
	network, nodes := fullNetwork(t, 2, 3)
	full, err := mesh.PlanFull(network, nodes, mesh.OneOwner)
	if err != nil {
		t.Fatal(err)
	}
	layout := full.Layout()
	for broken := range 3 {
		answers := geored.Ask(t.Context(), mesh.HandshakeTargets(layout)[:1], func(_ context.Context, target geored.Target) (mesh.Sample, error) {
			d, _ := layout.Device(target.Site, target.Name)
			s := mesh.Sample{Before: stateOf(d), After: stateOf(d), Probes: map[mesh.PublicKey]mesh.Probe{}}
			s.After.SampledAt = sampled.Add(time.Second)
			for i, p := range d.Peers {
				s.After.Peers[i].SentBytes = 64
				if i != broken {
					s.After.Peers[i].ReceivedBytes = 64
				}
				s.Probes[p.PublicKey] = mesh.Probe{Sent: true, Answered: i != broken}
			}
			return s, nil
		})
		f := mesh.HandshakeFindings(layout, answers)[0]
		if want := fmt.Sprintf("dc1-1 -> dc2-%d", broken+1); f.Verdict != geored.Fail || !strings.Contains(f.Message, want) || len(f.Evidence) != 3 {
			t.Errorf("%d broken: %+v", broken, f)
		}
	}
}
