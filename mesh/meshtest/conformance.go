package meshtest

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// Conformance holds a fabric to how WireGuard behaves. Build makes one with these machines and without devices, whose
// clock runs; each part of the suite makes its own.
func Conformance(t *testing.T, build func(*testing.T, []Machine) Fabric) {
	for name, part := range map[string]func(*suite){
		"no device":                     (*suite).noDevice,
		"reads back what was asked":     (*suite).readsBack,
		"traffic crosses":               (*suite).trafficCrosses,
		"last claim takes the prefix":   (*suite).lastClaimWins,
		"longest prefix wins":           (*suite).longestPrefixWins,
		"source is checked":             (*suite).sourceIsChecked,
		"change keeps other sessions":   (*suite).changeKeepsSessions,
		"removed peer is cut":           (*suite).removedPeerIsCut,
		"new key cuts until peers know": (*suite).newKeyCuts,
		"one way lost":                  (*suite).oneWayLost,
	} {
		t.Run(name, func(t *testing.T) { part(newSuite(t, build)) })
	}
}

// suite is three sites with a machine and two addresses behind it each.
type suite struct {
	*testing.T
	fabric   Fabric
	machines []Machine
	keys     []mesh.PrivateKey
	layout   mesh.Layout
}

func newSuite(t *testing.T, build func(*testing.T, []Machine) Fabric) *suite {
	s := &suite{T: t}
	var network mesh.Network
	var gateways []mesh.Gateway
	for i := range 3 {
		key, err := mesh.NewPrivateKey(repeated(i + 1))
		s.check(err)
		m := Machine{Site: geored.SiteName(fmt.Sprintf("dc%d", i+1)), Node: fmt.Sprintf("dc%d-1", i+1), Underlay: netip.AddrFrom4([4]byte{198, 18, 0, byte(i + 1)}),
			Pods: []netip.Addr{s.pod(i, 1), s.pod(i, 2)}}
		endpoint, err := geored.EndpointFrom(netip.AddrPortFrom(m.Underlay, mesh.DefaultListenPort))
		s.check(err)
		site := mesh.Site{Site: geored.Site{Name: m.Site, Pods: []netip.Prefix{netip.PrefixFrom(s.pod(i, 0), 16)}},
			WireGuardCIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(170 + i), 0, 0}), 16)}
		network.Sites = append(network.Sites, site)
		gateways = append(gateways, mesh.Gateway{Site: m.Site, Node: m.Node, PublicKey: key.Public(), Endpoint: endpoint,
			WireGuardIP: site.WireGuardCIDR.Addr().Next()})
		s.machines, s.keys = append(s.machines, m), append(s.keys, key)
	}
	var err error
	s.layout, err = mesh.Plan(network, gateways)
	s.check(err)
	s.fabric = build(t, s.machines)
	return s
}

// repeated is a source of random bytes that are the same in every run.
type repeated byte

func (r repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)*7 + byte(i)
	}
	return len(p), nil
}

func (s *suite) pod(site, host int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(90 + site), byte(host), byte(host)})
}

func (s *suite) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) upAll() {
	s.Helper()
	for i := range s.layout.Devices {
		s.up(i)
	}
}

func (s *suite) up(i int) {
	s.Helper()
	s.check(s.fabric.Up(s.Context(), s.layout.Devices[i], s.keys[i]))
}

func (s *suite) read(i int) mesh.DeviceState {
	s.Helper()
	state, err := s.fabric.Read(s.Context(), s.machines[i].Site, s.machines[i].Node)
	s.check(err)
	return state
}

func (s *suite) exchange(from, to netip.Addr, site int) bool {
	s.Helper()
	answered, err := s.fabric.Exchange(s.Context(), s.machines[site].Site, s.machines[site].Node, Packet{From: from, To: to})
	s.check(err)
	return answered
}

// peer gives the peer of one machine that is another.
func (s *suite) peer(at, of int) *mesh.Peer {
	s.Helper()
	for i := range s.layout.Devices[at].Peers {
		if p := &s.layout.Devices[at].Peers[i]; p.PublicKey == s.keys[of].Public() {
			return p
		}
	}
	s.Fatalf("%s has no peer %s", s.machines[at].Node, s.machines[of].Node)
	return nil
}

// tries is how often what should cross is sent: two real devices whose first handshakes cross on the way may lose what
// is sent for some seconds.
const tries = 20

func (s *suite) wantCrossing(want bool, site int, from, to netip.Addr) {
	s.Helper()
	got := s.exchange(from, to, site)
	for i := 1; want && !got && i < tries; i++ {
		got = s.exchange(from, to, site)
	}
	if got != want {
		s.Errorf("from %s to %s: answered is %v", from, to, got)
	}
}

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
	if contains(loser.AllowedIPs, prefix) || !contains(winner.AllowedIPs, prefix) {
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
	if got, _ := s.read(0).Peer(s.keys[1].Public()); !contains(got.AllowedIPs, netip.PrefixFrom(s.pod(1, 0), 16)) {
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

func contains(prefixes []netip.Prefix, p netip.Prefix) bool {
	for _, q := range prefixes {
		if q == p {
			return true
		}
	}
	return false
}

func without(prefixes []netip.Prefix, p netip.Prefix) []netip.Prefix {
	var rest []netip.Prefix
	for _, q := range prefixes {
		if q != p {
			rest = append(rest, q)
		}
	}
	return rest
}
