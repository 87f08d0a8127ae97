package meshtest

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// Conformance holds a fabric to how WireGuard behaves. Build makes one with these machines and without devices, whose
// clock runs; each part of the suite makes its own.
func Conformance(t *testing.T, build func(*testing.T, []Machine) Fabric) {
	parts := map[string]func(*suite){
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
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		t.Run(name, func(t *testing.T) { parts[name](newSuite(t, build)) })
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
