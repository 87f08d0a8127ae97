package meshtest

import (
	"errors"
	"net/netip"
	"os"
	"slices"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

func (s *suite) noDevice() {
	if _, err := s.fabric.Read(s.Context(), "dc1", "dc1-1"); !errors.Is(err, os.ErrNotExist) {
		s.Errorf("reading no device: %v", err)
	}
	s.wantCrossing(true, 0, s.machines[0].Underlay, s.machines[1].Underlay)
	s.wantCrossing(false, 0, s.pod(0, 1), s.pod(1, 1))
}

func (s *suite) readsBack() {
	d := &s.layout.Devices[0]
	d.Peers[0].AllowedIPs = append(d.Peers[0].AllowedIPs, netip.MustParsePrefix("10.210.7.9/24")) // with host bits
	s.upAll()
	state := s.read(0)
	if got, _ := state.Peer(d.Peers[0].PublicKey); len(got.AllowedIPs) != 3 || got.AllowedIPs[2] != netip.MustParsePrefix("10.210.7.0/24") {
		s.Errorf("host bits are not masked: %v", got.AllowedIPs)
	}
	d.Peers[0].AllowedIPs[2] = netip.MustParsePrefix("10.210.7.0/24")
	for i := range s.layout.Devices {
		if drift := s.layout.Devices[i].Drift(s.read(i)); len(drift) > 0 {
			s.Errorf("%s drifts at once: %v", s.machines[i].Node, drift)
		}
	}
}

func (s *suite) trafficCrosses() {
	s.upAll()
	for from := range s.machines {
		for to := range s.machines {
			if from == to {
				continue
			}
			s.wantCrossing(true, from, s.pod(from, 1), s.pod(to, 2))
			before := s.read(from)
			probe := mesh.Probe{Sent: true, Answered: s.exchange(s.pod(from, 1), s.pod(to, 2), from)}
			after := s.read(from)
			key := s.keys[to].Public()
			b, _ := before.Peer(key)
			a, _ := after.Peer(key)
			j := mesh.Crossing{Before: b, BeforeAt: before.SampledAt, After: a, AfterAt: after.SampledAt, Probe: probe}.Judge()
			if j.Verdict != geored.Pass || j.Handshake != mesh.Fresh {
				s.Errorf("%s -> %s: %+v", s.machines[from].Node, s.machines[to].Node, j)
			}
		}
	}
}

func (s *suite) lastClaimWins() {
	shared := s.machines[1].Pods[0]
	s.upAll()
	s.wantCrossing(true, 0, s.pod(0, 1), shared)
	first, second := s.peer(0, 1), s.peer(0, 2)
	prefix := netip.PrefixFrom(s.pod(1, 0), 16)
	first.AllowedIPs = without(first.AllowedIPs, prefix)
	second.AllowedIPs = append(second.AllowedIPs, prefix)
	s.up(0)
	state := s.read(0)
	loser, _ := state.Peer(first.PublicKey)
	winner, _ := state.Peer(second.PublicKey)
	if slices.Contains(loser.AllowedIPs, prefix) || !slices.Contains(winner.AllowedIPs, prefix) {
		s.Errorf("prefix %s did not move: %v and %v", prefix, loser.AllowedIPs, winner.AllowedIPs)
	}
	s.wantCrossing(false, 0, s.pod(0, 1), shared)
}

func (s *suite) longestPrefixWins() {
	s.upAll()
	s.wantCrossing(true, 0, s.pod(0, 1), s.pod(1, 1))
	p := s.peer(0, 2)
	p.AllowedIPs = append(p.AllowedIPs, netip.PrefixFrom(s.pod(1, 1), 24).Masked()) // of pod 1 alone
	s.up(0)
	if got, _ := s.read(0).Peer(s.keys[1].Public()); !slices.Contains(got.AllowedIPs, netip.PrefixFrom(s.pod(1, 0), 16)) {
		s.Errorf("the wider prefix is gone: %v", got.AllowedIPs)
	}
	s.wantCrossing(false, 0, s.pod(0, 1), s.pod(1, 1))
	s.wantCrossing(true, 0, s.pod(0, 1), s.pod(1, 2))
}

func (s *suite) sourceIsChecked() {
	p := s.peer(1, 0) // dc2 takes only the first address of dc1
	p.AllowedIPs = []netip.Prefix{netip.PrefixFrom(s.pod(0, 1), 32)}
	s.upAll()
	s.wantCrossing(true, 0, s.pod(0, 1), s.pod(1, 1))
	s.wantCrossing(false, 0, s.pod(0, 2), s.pod(1, 1))
}

func (s *suite) changeKeepsSessions() {
	s.upAll()
	s.wantCrossing(true, 0, s.pod(0, 1), s.pod(1, 1))
	before, _ := s.read(0).Peer(s.keys[1].Public())
	p := s.peer(0, 2)
	p.AllowedIPs = append(p.AllowedIPs, netip.MustParsePrefix("10.220.0.0/16"))
	s.up(0)
	after, _ := s.read(0).Peer(s.keys[1].Public())
	if !after.LastHandshake.Equal(before.LastHandshake) || after.LastHandshake.IsZero() || after.ReceivedBytes < before.ReceivedBytes {
		s.Errorf("the session of another peer did not survive: %+v, then %+v", before, after)
	}
	s.wantCrossing(true, 0, s.pod(0, 1), s.pod(1, 1))
}

func (s *suite) removedPeerIsCut() {
	s.upAll()
	s.wantCrossing(true, 0, s.pod(0, 1), s.pod(1, 1))
	d := &s.layout.Devices[1]
	for i, p := range d.Peers {
		if p.PublicKey == s.keys[0].Public() {
			d.Peers = append(d.Peers[:i:i], d.Peers[i+1:]...)
			break
		}
	}
	s.up(1)
	if _, ok := s.read(1).Peer(s.keys[0].Public()); ok {
		s.Error("the peer is still there")
	}
	s.wantCrossing(false, 0, s.pod(0, 1), s.pod(1, 1))
	s.wantCrossing(true, 2, s.pod(2, 1), s.pod(1, 1))
}

func (s *suite) newKeyCuts() {
	s.upAll()
	s.wantCrossing(true, 0, s.pod(0, 1), s.pod(1, 1))
	key, err := mesh.NewPrivateKey(repeated(77))
	s.check(err)
	s.keys[1], s.layout.Devices[1].PublicKey = key, key.Public()
	s.up(1)
	s.wantCrossing(false, 0, s.pod(0, 1), s.pod(1, 1))
	old := s.layout.Devices[0].Peers
	for i := range old {
		if old[i].Site == "dc2" {
			old[i].PublicKey = key.Public()
		}
	}
	s.up(0)
	s.wantCrossing(true, 0, s.pod(0, 1), s.pod(1, 1))
}

func (s *suite) oneWayLost() {
	s.upAll()
	s.wantCrossing(true, 0, s.pod(0, 1), s.pod(1, 1))
	s.check(s.fabric.Drop(s.Context(), "dc2", "dc1", true))
	before := s.read(0)
	s.wantCrossing(false, 0, s.pod(0, 1), s.pod(1, 1))
	after := s.read(0)
	b, _ := before.Peer(s.keys[1].Public())
	a, _ := after.Peer(s.keys[1].Public())
	j := mesh.Crossing{Before: b, BeforeAt: before.SampledAt, After: a, AfterAt: after.SampledAt, Probe: mesh.Probe{Sent: true}}.Judge()
	if j.Handshake != mesh.OneWay || j.Verdict != geored.Fail {
		s.Errorf("judged %+v", j)
	}
	s.wantCrossing(true, 0, s.pod(0, 1), s.pod(2, 1))
	s.check(s.fabric.Drop(s.Context(), "dc2", "dc1", false))
	s.wantCrossing(true, 0, s.pod(0, 1), s.pod(1, 1))
}

func without(prefixes []netip.Prefix, p netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(prefixes), func(q netip.Prefix) bool { return q == p })
}
