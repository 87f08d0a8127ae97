package meshtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/meshtest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestConformance(t *testing.T) {
	meshtest.Conformance(t, func(t *testing.T, machines []meshtest.Machine) meshtest.Fabric {
		return meshtest.New(t, geotest.StoppedClock(start), machines...)
	})
}

type repeated byte

func (r repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r) + byte(i)
	}
	return len(p), nil
}

// world is sites that are joined: one machine each, with one address of a pod.
type world struct {
	*meshtest.Network
	clock  *geotest.Clock
	layout mesh.Layout
}

func newWorld(t *testing.T, sites int) world {
	t.Helper()
	var network mesh.Network
	var gateways []mesh.Gateway
	var machines []meshtest.Machine
	keys := map[mesh.PublicKey]mesh.PrivateKey{}
	for i := range sites {
		key, err := mesh.NewPrivateKey(repeated(i + 1))
		if err != nil {
			t.Fatal(err)
		}
		m := meshtest.Machine{Site: geored.SiteName(fmt.Sprintf("dc%d", i+1)), Node: fmt.Sprintf("dc%d-1", i+1),
			Underlay: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), Pods: []netip.Addr{pod(i + 1)}}
		endpoint, err := geored.EndpointFrom(netip.AddrPortFrom(m.Underlay, mesh.DefaultListenPort))
		if err != nil {
			t.Fatal(err)
		}
		site := mesh.Site{Site: geored.Site{Name: m.Site, Pods: []netip.Prefix{netip.PrefixFrom(pod(i+1), 16).Masked()}},
			WireGuardCIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(170 + i), 0, 0}), 16)}
		network.Sites, machines, keys[key.Public()] = append(network.Sites, site), append(machines, m), key
		gateways = append(gateways, mesh.Gateway{Site: m.Site, Node: m.Node, PublicKey: key.Public(), WireGuardIP: site.WireGuardCIDR.Addr().Next(), Endpoint: endpoint})
	}
	layout, err := mesh.Plan(network, gateways)
	if err != nil {
		t.Fatal(err)
	}
	clock := geotest.StoppedClock(start)
	w := world{meshtest.New(t, clock, machines...), clock, layout}
	if err := w.UpAll(t.Context(), layout, keys); err != nil {
		t.Fatal(err)
	}
	return w
}

func pod(site int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(89 + site), 0, 1}) }

// findings asks all tunnels.
func (w world) findings(t *testing.T) map[string]geored.Finding {
	t.Helper()
	answers := geored.Ask(t.Context(), mesh.HandshakeTargets(w.layout), func(ctx context.Context, target geored.Target) (mesh.Sample, error) {
		return w.Sample(ctx, w.layout, target)
	}, geored.AskBudget(100*time.Millisecond), geored.AskLimit(1))
	found := map[string]geored.Finding{}
	for _, f := range mesh.HandshakeFindings(w.layout, answers) {
		found[fmt.Sprintf("%s-%s", f.Site, f.To)] = f
	}
	return found
}

func (w world) crosses(t *testing.T, bytes int) bool {
	t.Helper()
	answered, err := w.Exchange(t.Context(), "dc1", "dc1-1", meshtest.Packet{From: pod(1), To: pod(2), Bytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	return answered
}

// age is how old dc1's handshake with dc2 is.
func (w world) age(t *testing.T) time.Duration {
	t.Helper()
	s, err := w.Read(t.Context(), "dc1", "dc1-1")
	if err != nil {
		t.Fatal(err)
	}
	age, ok := s.HandshakeAge(w.layout.Devices[1].PublicKey)
	if !ok {
		return -1
	}
	return age
}

func TestEveryTunnelPasses(t *testing.T) {
	for _, sites := range []int{2, 3, 5} {
		found := newWorld(t, sites).findings(t)
		if len(found) != sites*(sites-1) {
			t.Errorf("%d findings for %d sites", len(found), sites)
		}
		for way, f := range found {
			if f.Verdict != geored.Pass {
				t.Errorf("%s is %s: %s", way, f.Verdict, f.Message)
			}
		}
	}
}

// With a keepalive a living tunnel is never older than 120 s and a bit; a cut one ages on.
func TestHandshakesAreRenewed(t *testing.T) {
	w := newWorld(t, 2)
	for range 60 {
		w.clock.Advance(time.Minute)
		if age := w.age(t); age < 0 || age > 131*time.Second {
			t.Fatalf("after %s the handshake is %s old", w.clock.Now().Sub(start), age)
		}
	}
	w.Break(meshtest.Unreachable("dc2"))
	w.clock.Advance(time.Hour)
	if age := w.age(t); age < time.Hour {
		t.Errorf("an hour after the cut the handshake is %s old", age)
	}
	w.Mend(meshtest.Unreachable("dc2"))
	w.clock.Advance(15 * time.Second)
	if age := w.age(t); age < 0 || age > 15*time.Second {
		t.Errorf("15 s after the mend the handshake is %s old", age)
	}
}

func TestFaultsAreSeen(t *testing.T) {
	cases := map[string]struct {
		fault   meshtest.Fault
		after   time.Duration
		bites   bool // whether pod traffic dc1 -> dc2 is lost
		verdict map[string]geored.Verdict
		says    string // of dc1-dc2
	}{
		"unreachable": {meshtest.Unreachable("dc2"), time.Second, true, map[string]geored.Verdict{"dc1-dc2": geored.Fail, "dc2-dc1": geored.Fail, "dc1-dc3": geored.Pass}, "none comes back"},
		"stale":       {meshtest.Unreachable("dc2"), time.Hour, true, map[string]geored.Verdict{"dc1-dc2": geored.Fail, "dc1-dc3": geored.Pass}, ""},
		"one-way there": {meshtest.OneWay("dc1", "dc2"), time.Second, true, map[string]geored.Verdict{"dc1-dc2": geored.Fail, "dc2-dc1": geored.Fail, "dc2-dc3": geored.Pass},
			"none comes back"},
		"one-way back": {meshtest.OneWay("dc2", "dc1"), time.Second, true, map[string]geored.Verdict{"dc1-dc2": geored.Fail, "dc2-dc1": geored.Fail}, "none comes back"},
		"mtu hole":     {meshtest.MTUHole("dc1", "dc2", 1400), time.Second, false, map[string]geored.Verdict{"dc1-dc2": geored.Pass}, ""},
		"frozen":       {meshtest.Frozen("dc2"), time.Second, true, map[string]geored.Verdict{"dc1-dc2": geored.Fail, "dc2-dc1": geored.Unknown, "dc2-dc3": geored.Unknown, "dc3-dc1": geored.Pass}, ""},
		"clock skew":   {meshtest.ClockSkew("dc1", -time.Hour), time.Second, false, map[string]geored.Verdict{"dc1-dc2": geored.Pass}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			for way, f := range w.findings(t) {
				if f.Verdict != geored.Pass {
					t.Fatalf("before the fault %s is %s: %s", way, f.Verdict, f.Message)
				}
			}
			w.Break(c.fault)
			w.clock.Advance(c.after)
			if w.crosses(t, 0) == c.bites {
				t.Fatalf("the fault bites: %v", !c.bites)
			}
			found := w.findings(t)
			for way, want := range c.verdict {
				if found[way].Verdict != want {
					t.Errorf("%s is %s, want %s: %s", way, found[way].Verdict, want, found[way].Message)
				}
			}
			if !strings.Contains(found["dc1-dc2"].Message, c.says) {
				t.Errorf("dc1-dc2: %s", found["dc1-dc2"].Message)
			}
			w.Mend(c.fault)
			w.clock.Advance(15 * time.Second)
			if !w.crosses(t, 0) {
				t.Error("does not cross after the mend")
			}
		})
	}
}

func TestMTUHoleIsFoundBySize(t *testing.T) {
	w := newWorld(t, 2)
	judge := func() mesh.Judgement {
		s := mesh.MTUSample{Tunnel: 1420, Far: 1420, Pods: 1420}
		for _, size := range mesh.ProbeSizes(1420) {
			s.Probes = append(s.Probes, mesh.SizeProbe{Bytes: size, Answered: w.crosses(t, size)})
		}
		return s.Judge()
	}
	if j := judge(); j.Verdict != geored.Pass {
		t.Fatalf("before: %+v", j)
	}
	if w.crosses(t, 1421) {
		t.Error("a packet larger than the tunnel's MTU crosses")
	}
	w.Break(meshtest.MTUHole("dc2", "dc1", 1400))
	if j := judge(); j.Verdict != geored.Fail || !strings.Contains(j.Remedy, "MTU to 1320") {
		t.Errorf("judged %+v", j)
	}
}

func TestClockSkewShowsInTheSample(t *testing.T) {
	w := newWorld(t, 2)
	if !w.crosses(t, 0) || w.age(t) < 0 {
		t.Fatal("no handshake")
	}
	w.Break(meshtest.ClockSkew("dc1", -time.Hour))
	s, err := w.Read(t.Context(), "dc1", "dc1-1")
	if err != nil {
		t.Fatal(err)
	}
	if w.age(t) != -1 || s.SampledAt.After(start.Add(-59*time.Minute)) {
		t.Errorf("sampled at %s, the handshake %s ago", s.SampledAt, w.age(t))
	}
}

// A wrong endpoint is put right by the next packet that the peer sends.
func TestEndpointIsLearnedFromEveryPacket(t *testing.T) {
	w := newWorld(t, 2)
	if !w.crosses(t, 0) {
		t.Fatal("does not cross")
	}
	key, err := mesh.NewPrivateKey(repeated(1))
	if err != nil {
		t.Fatal(err)
	}
	d, _ := w.layout.Device("dc1", "")
	if d.Peers[0].Endpoint, err = geored.ParseEndpoint("192.0.2.99:51820"); err != nil {
		t.Fatal(err)
	}
	if err := w.Up(t.Context(), d, key); err != nil {
		t.Fatal(err)
	}
	if w.crosses(t, 0) {
		t.Fatal("crosses to nowhere")
	}
	w.clock.Advance(11 * time.Second)
	if !w.crosses(t, 0) {
		t.Error("the endpoint was not learned")
	}
}

func TestNewKeyIsStaleForEver(t *testing.T) {
	w := newWorld(t, 2)
	if !w.crosses(t, 0) {
		t.Fatal("does not cross")
	}
	key, err := mesh.NewPrivateKey(repeated(99))
	if err != nil {
		t.Fatal(err)
	}
	if !w.ReplaceKey("dc2", "dc2-1", key.Public()) || w.ReplaceKey("dc2", "dc2-2", key.Public()) {
		t.Error("the key of another machine was replaced")
	}
	w.clock.Advance(time.Hour)
	if w.crosses(t, 0) {
		t.Fatal("crosses with another key")
	}
	if f := w.findings(t)["dc1-dc2"]; f.Verdict != geored.Fail {
		t.Errorf("%+v", f)
	}
	s, err := w.Read(t.Context(), "dc2", "dc2-1")
	if err != nil {
		t.Fatal(err)
	}
	d, _ := w.layout.Device("dc2", "")
	if drift := d.Drift(s); len(drift) == 0 || drift[0].Field != "publicKey" {
		t.Errorf("drift %v", drift)
	}
}

// Two peers that claim one prefix: the last one has it, and nothing says so.
func TestDoubledPrefixGoesToTheLast(t *testing.T) {
	w := newWorld(t, 3)
	d, _ := w.layout.Device("dc1", "")
	key, err := mesh.NewPrivateKey(repeated(1))
	if err != nil {
		t.Fatal(err)
	}
	shared := netip.MustParsePrefix("10.250.0.0/16")
	for i := range d.Peers {
		d.Peers[i].AllowedIPs = append(slices.Clone(d.Peers[i].AllowedIPs), shared)
	}
	if err := d.Validate(); err == nil {
		t.Error("the layout's own check sees nothing")
	}
	if err := w.Up(t.Context(), d, key); err != nil {
		t.Fatal(err)
	}
	s, err := w.Read(t.Context(), "dc1", "dc1-1")
	if err != nil {
		t.Fatal(err)
	}
	first, _ := s.Peer(d.Peers[0].PublicKey)
	last, _ := s.Peer(d.Peers[1].PublicKey)
	if slices.Contains(first.AllowedIPs, shared) || !slices.Contains(last.AllowedIPs, shared) {
		t.Errorf("%v and %v", first.AllowedIPs, last.AllowedIPs)
	}
}

func TestAPeerBehindNATIsLearned(t *testing.T) {
	w := newWorld(t, 2)
	d, _ := w.layout.Device("dc1", "")
	d.Peers[0].Endpoint = geored.Endpoint{}
	key, err := mesh.NewPrivateKey(repeated(1))
	if err != nil {
		t.Fatal(err)
	}
	fresh := meshtest.New(t, w.clock, meshtest.Machine{Site: "dc1", Node: "dc1-1", Underlay: netip.MustParseAddr("192.0.2.1"), Pods: []netip.Addr{pod(1)}},
		meshtest.Machine{Site: "dc2", Node: "dc2-1", Underlay: netip.MustParseAddr("192.0.2.2"), Pods: []netip.Addr{pod(2)}})
	if err := fresh.Up(t.Context(), d, key); err != nil {
		t.Fatal(err)
	}
	w.Network = fresh
	if w.crosses(t, 0) {
		t.Fatal("crosses to nowhere")
	}
	other, err := mesh.NewPrivateKey(repeated(2))
	if err != nil {
		t.Fatal(err)
	}
	d2, _ := w.layout.Device("dc2", "")
	if err := fresh.Up(t.Context(), d2, other); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(11 * time.Second) // dc2's keepalive tells where it is
	if !w.crosses(t, 0) {
		t.Error("the endpoint was not learned")
	}
}

func TestSameRunTwice(t *testing.T) {
	run := func() []mesh.DeviceState {
		w := newWorld(t, 5)
		w.Break(meshtest.OneWay("dc4", "dc2"))
		w.clock.Advance(10 * time.Minute)
		var states []mesh.DeviceState
		for _, d := range w.layout.Devices {
			s, err := w.Read(t.Context(), d.Site, d.Node)
			if err != nil {
				t.Fatal(err)
			}
			states = append(states, s)
		}
		return states
	}
	if a, b := run(), run(); !reflect.DeepEqual(a, b) {
		t.Error("two runs of the same differ")
	}
}

func TestUseErrors(t *testing.T) {
	w := newWorld(t, 2)
	if _, err := w.Read(t.Context(), "dc9", "x"); err == nil {
		t.Error("read a machine that is none")
	}
	if _, err := w.Exchange(t.Context(), "dc1", "dc1-1", meshtest.Packet{From: pod(2), To: pod(1)}); err == nil {
		t.Error("sent from another's address")
	}
	if err := w.Up(t.Context(), w.layout.Devices[0], mesh.PrivateKey{}); err == nil {
		t.Error("brought up without a key")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	if _, err := w.Read(ctx, "dc1", "dc1-1"); !errors.Is(err, gone) {
		t.Errorf("with an ended context: %v", err)
	}
}
