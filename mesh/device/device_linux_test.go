package device_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/meshtest"
)

func TestConformance(t *testing.T) {
	meshtest.Conformance(t, func(t *testing.T, machines []meshtest.Machine) meshtest.Fabric { return newFabric(t, machines) })
}

type zeros byte

func (z zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(z)
	}
	return len(p), nil
}

// pair is two sites, dual stack, one machine each; up says whether their devices are.
func pair(t *testing.T, up bool) (*fabric, mesh.Layout, []mesh.PrivateKey) {
	t.Helper()
	return pairOver(t, up, "198.18.0.1", "198.18.0.2")
}

func pairOver(t *testing.T, up bool, first, second string) (*fabric, mesh.Layout, []mesh.PrivateKey) {
	t.Helper()
	var network mesh.Network
	var gateways []mesh.Gateway
	var keys []mesh.PrivateKey
	machines := []meshtest.Machine{
		{Site: "dc1", Node: "dc1-1", Underlay: netip.MustParseAddr(first), Pods: []netip.Addr{netip.MustParseAddr("10.90.0.1"), netip.MustParseAddr("fd00:90::1")}},
		{Site: "dc2", Node: "dc2-1", Underlay: netip.MustParseAddr(second), Pods: []netip.Addr{netip.MustParseAddr("10.120.0.1"), netip.MustParseAddr("fd00:120::1")}},
	}
	for i, m := range machines {
		key, err := mesh.NewPrivateKey(zeros(i + 1))
		must(t, err)
		endpoint, err := geored.EndpointFrom(netip.AddrPortFrom(m.Underlay, mesh.DefaultListenPort))
		must(t, err)
		site := mesh.Site{WireGuardCIDR: []netip.Prefix{netip.MustParsePrefix("10.80.0.0/16"), netip.MustParsePrefix("10.110.0.0/16")}[i]}
		site.Name = m.Site
		site.Pods = []netip.Prefix{netip.PrefixFrom(m.Pods[0], 16).Masked(), netip.PrefixFrom(m.Pods[1], 48).Masked()}
		network.Sites = append(network.Sites, site)
		gateways = append(gateways, mesh.Gateway{Site: m.Site, Node: m.Node, PublicKey: key.Public(), Endpoint: endpoint, WireGuardIP: site.WireGuardCIDR.Addr().Next()})
		keys = append(keys, key)
	}
	layout, err := mesh.Plan(network, gateways)
	must(t, err)
	f := newFabric(t, machines)
	for i := range layout.Devices {
		if up {
			must(t, f.Up(t.Context(), layout.Devices[i], keys[i]))
		}
	}
	return f, layout, keys
}

func (f *fabric) state(t *testing.T, i int) mesh.DeviceState {
	t.Helper()
	s, err := f.Read(t.Context(), f.machines[i].Site, f.machines[i].Node)
	must(t, err)
	return s
}

// crosses sends between the pods of the two machines, of the first address family or the second.
func (f *fabric) crosses(t *testing.T, family, bytes int) bool {
	t.Helper()
	answered, err := f.Exchange(t.Context(), "dc1", "dc1-1", meshtest.Packet{From: f.machines[0].Pods[family], To: f.machines[1].Pods[family], Bytes: bytes})
	must(t, err)
	return answered
}

// mustCross gives two devices that have just come up the time that handshakes which cross on the way may need.
func (f *fabric) mustCross(t *testing.T, family, bytes int) {
	t.Helper()
	for range 20 {
		if f.crosses(t, family, bytes) {
			return
		}
	}
	t.Fatalf("%d bytes do not cross, address family %d", bytes, family)
}

func TestUpAgainChangesNothing(t *testing.T) {
	f, layout, keys := pair(t, true)
	f.mustCross(t, 0, 0)
	f.mustCross(t, 1, 0)
	before := f.state(t, 0)
	must(t, f.Up(t.Context(), layout.Devices[0], keys[0]))
	after := f.state(t, 0)
	if drift := layout.Devices[0].Drift(after); len(drift) > 0 {
		t.Errorf("drift %v", drift)
	}
	if !after.Peers[0].LastHandshake.Equal(before.Peers[0].LastHandshake) || after.Peers[0].LastHandshake.IsZero() {
		t.Errorf("the session did not survive: %v, then %v", before.Peers[0].LastHandshake, after.Peers[0].LastHandshake)
	}
}

func TestOverIPv6(t *testing.T) {
	f, layout, _ := pairOver(t, true, "fd00:18::1", "fd00:18::2")
	f.mustCross(t, 0, 0)
	f.mustCross(t, 1, 1420)
	if drift := layout.Devices[0].Drift(f.state(t, 0)); len(drift) > 0 {
		t.Errorf("drift %v", drift)
	}
}

func TestUpTakesAwayOnlyItsOwn(t *testing.T) {
	f, layout, keys := pair(t, true)
	c, links := f.children[0], f.children[0].links
	wg, err := links.LinkByName("wg0")
	must(t, err)
	foreign := &netlink.Route{LinkIndex: wg.Attrs().Index, Dst: ipNet("10.250.0.0/16"), Protocol: 99}
	must(t, links.RouteAdd(foreign))
	must(t, links.AddrAdd(wg, &netlink.Addr{IPNet: ipNet("10.80.0.77/32")}))
	d := layout.Devices[0]
	if drift := d.Drift(f.state(t, 0)); len(drift) != 2 {
		t.Fatalf("the change did not take effect, or is not seen: %v", drift)
	}
	d.Peers[0].AllowedIPs = d.Peers[0].AllowedIPs[1:]
	must(t, f.Up(t.Context(), d, keys[0]))
	s := f.state(t, 0)
	if want := append(d.Routes(), netip.MustParsePrefix("10.250.0.0/16")); !sameSet(s.Routes, want) {
		t.Errorf("routes %v, want %v", s.Routes, want)
	}
	if !slices.Equal(s.Addresses, []netip.Prefix{d.Address}) {
		t.Errorf("addresses %v", s.Addresses)
	}
	_, err = c.ask(request{Op: "down", Name: "wg0"})
	must(t, err)
}

func TestUpStopsAtAForeignRoute(t *testing.T) {
	f, layout, keys := pair(t, false)
	links := f.children[0].links
	eth, err := links.LinkByName("eth0")
	must(t, err)
	must(t, links.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Dst: ipNet("10.120.0.0/16"), Gw: net.IPv4(198, 18, 0, 9), Protocol: 99}))
	err = f.Up(t.Context(), layout.Devices[0], keys[0])
	if err == nil || !strings.Contains(err.Error(), "10.120.0.0/16") || !strings.Contains(err.Error(), "protocol 99 via 198.18.0.9 dev eth0") {
		t.Errorf("brought up over somebody else's route: %v", err)
	}
	if _, err := f.Read(t.Context(), "dc1", "dc1-1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half-made interface is still there: %v", err)
	}
	if routes, err := links.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: 99}, netlink.RT_FILTER_PROTOCOL); err != nil || len(routes) != 1 {
		t.Errorf("somebody else's route: %v, %v", routes, err)
	}
}

func TestStolenPrefixIsSeenAndTakenBack(t *testing.T) {
	f, layout, keys := pair(t, true)
	f.mustCross(t, 0, 0)
	d := layout.Devices[0]
	thief, err := mesh.NewPrivateKey(zeros(9))
	must(t, err)
	d.Peers = append(d.Peers, mesh.Peer{Site: "dc9", Node: "dc9-1", PublicKey: thief.Public(), AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.99.0.0/16")}})
	must(t, f.Up(t.Context(), d, keys[0]))
	_, err = f.children[0].ask(request{Op: "steal", Name: "wg0", Device: mesh.Device{PublicKey: thief.Public()}, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.120.0.0/16")}})
	must(t, err)
	if f.crosses(t, 0, 0) {
		t.Fatal("the theft took no effect")
	}
	if drift := d.Drift(f.state(t, 0)); len(drift) != 2 || !strings.Contains(drift[0].String(), "peer dc2/dc2-1: allowedIPs") {
		t.Errorf("drift %v", drift)
	}
	_, err = f.children[0].ask(request{Op: "configure", Device: d, Key: keys[0].Reveal()})
	must(t, err)
	f.mustCross(t, 0, 0)
}

// A preshared key that somebody left on a peer would keep every handshake from succeeding.
func TestAForeignPresharedKeyIsTakenAway(t *testing.T) {
	f, layout, keys := pair(t, false)
	d := layout.Devices[0]
	must(t, f.Up(t.Context(), d, keys[0]))
	_, err := f.children[0].ask(request{Op: "preshare", Name: "wg0", Device: mesh.Device{PublicKey: d.Peers[0].PublicKey}})
	must(t, err)
	must(t, f.Up(t.Context(), layout.Devices[1], keys[1]))
	if f.crosses(t, 0, 0) {
		t.Fatal("the key took no effect")
	}
	_, err = f.children[0].ask(request{Op: "configure", Device: d, Key: keys[0].Reveal()})
	must(t, err)
	f.mustCross(t, 0, 0)
}

func TestDown(t *testing.T) {
	f, _, _ := pair(t, true)
	c := f.children[0]
	if _, err := c.ask(request{Op: "down", Name: "eth0"}); err == nil {
		t.Error("removed an interface that is not WireGuard's")
	}
	if _, err := c.links.LinkByName("eth0"); err != nil {
		t.Errorf("eth0: %v", err)
	}
	for range 2 {
		if _, err := c.ask(request{Op: "down", Name: "wg0"}); err != nil {
			t.Error(err)
		}
		if _, err := c.links.LinkByName("wg0"); err == nil {
			t.Error("wg0 is still there")
		}
	}
	if routes, err := c.links.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Protocol: 119}, netlink.RT_FILTER_PROTOCOL); err != nil || len(routes) > 0 {
		t.Errorf("routes %v are left, %v", routes, err)
	}
}

func TestCloseEndsAnInProcessInterface(t *testing.T) {
	f, layout, keys := pair(t, true)
	r, err := f.children[0].ask(request{Op: "up", Device: layout.Devices[0], Key: keys[0].Reveal()})
	must(t, err)
	if r.InProcess {
		t.Error("the second Up claims what the first made")
	}
	_, err = f.children[0].ask(request{Op: "close"})
	must(t, err)
	if _, err := f.Read(t.Context(), "dc1", "dc1-1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading a closed interface: %v", err)
	}
	must(t, f.Up(t.Context(), layout.Devices[0], keys[0]))
	f.mustCross(t, 0, 0)
}

func TestWrongKeyIsRefused(t *testing.T) {
	f, layout, keys := pair(t, false)
	for _, key := range []mesh.PrivateKey{keys[1]} {
		err := f.Up(t.Context(), layout.Devices[0], key)
		if err == nil || !strings.Contains(err.Error(), "is not that of public key") || strings.Contains(err.Error(), key.Reveal()) {
			t.Errorf("another's key: %v", err)
		}
	}
	d := layout.Devices[0]
	d.Peers = append(d.Peers, d.Peers[0])
	if err := f.Up(t.Context(), d, keys[0]); err == nil || !strings.Contains(err.Error(), "is that of peer dc2/dc2-1") {
		t.Errorf("a doubled key: %v", err)
	}
}

func TestPortThatIsTaken(t *testing.T) {
	f, layout, keys := pair(t, false)
	_, err := f.children[0].ask(request{Op: "occupy"})
	must(t, err)
	if err := f.Up(t.Context(), layout.Devices[0], keys[0]); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("brought up on a port that is taken: %v", err)
	}
	if _, err := f.Read(t.Context(), "dc1", "dc1-1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half-made interface is still there: %v", err)
	}
}

func TestNameAsEndpoint(t *testing.T) {
	f, layout, keys := pair(t, false)
	d := layout.Devices[0]
	var err error
	d.Peers[0].Endpoint, err = geored.ParseEndpoint("localhost:51820")
	must(t, err)
	must(t, f.Up(t.Context(), d, keys[0]))
	s := f.state(t, 0)
	if got := s.Peers[0].Endpoint.String(); got != "127.0.0.1:51820" {
		t.Errorf("endpoint %s", got)
	}
	if drift := d.Drift(s); len(drift) > 0 {
		t.Errorf("drift %v", drift)
	}
	d.Peers[0].Endpoint, err = geored.ParseEndpoint("nowhere.invalid:51820")
	must(t, err)
	if err := f.Up(t.Context(), d, keys[0]); err == nil || !strings.Contains(err.Error(), "peer dc2/dc2-1: endpoint cannot be resolved") {
		t.Errorf("a name that does not exist: %v", err)
	}
	if got := f.state(t, 0).Peers[0].Endpoint.String(); got != "127.0.0.1:51820" {
		t.Errorf("the address that the peer had is gone: %s", got)
	}
}

func TestReadGivesUpOnAProcessThatHangs(t *testing.T) {
	f, _, _ := pair(t, false)
	_, err := f.children[0].ask(request{Op: "hang", Name: "wg7", Wait: 300 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
		t.Errorf("reading an interface that does not answer: %v", err)
	}
}

// mtuSample probes the tunnel from dc1 to dc2 with every size, from WireGuard address to WireGuard address.
func (f *fabric) mtuSample(t *testing.T, layout mesh.Layout) mesh.MTUSample {
	t.Helper()
	state := f.state(t, 0)
	r, err := f.children[0].ask(request{Op: "underlay", Packet: meshtest.Packet{To: f.machines[1].Underlay}})
	must(t, err)
	s := mesh.MTUSample{Tunnel: state.MTU, Far: f.state(t, 1).MTU, Pods: state.MTU, Underlay: r.MTU}
	for _, size := range mesh.ProbeSizes(state.MTU) {
		s.Probes = append(s.Probes, mesh.SizeProbe{Bytes: size, Answered: f.echo(t, layout, size)})
	}
	return s
}

func (f *fabric) echo(t *testing.T, layout mesh.Layout, size int) bool {
	t.Helper()
	for range 3 { // a busy machine is late at times
		r, err := f.children[0].ask(request{Op: "echo", Wait: time.Second,
			Packet: meshtest.Packet{From: layout.Devices[0].Address.Addr(), To: layout.Devices[1].Address.Addr(), Bytes: size}})
		must(t, err)
		if r.Answered {
			return true
		}
	}
	return false
}

func TestMTUHoleIsFound(t *testing.T) {
	f, layout, _ := pair(t, true)
	f.mustCross(t, 0, 0)
	if s := f.mtuSample(t, layout); s.Judge().Verdict != geored.Pass || s.Underlay != 1500 {
		t.Fatalf("before the hole: %+v, judged %+v", s, s.Judge())
	}
	for _, name := range []string{"port0", "port1"} {
		port, err := f.wan.links.LinkByName(name)
		must(t, err)
		must(t, f.wan.links.LinkSetMTU(port, 1400))
	}
	if !f.crosses(t, 0, 0) || !f.echo(t, layout, 1320) {
		t.Error("small packets are lost")
	}
	if f.crosses(t, 0, 1420) {
		t.Error("large packets pass: the hole is none")
	}
	if j := f.mtuSample(t, layout).Judge(); j.Verdict != geored.Fail || !strings.Contains(j.Remedy, "MTU to 1320") {
		t.Errorf("judged %+v", j)
	}
}

func TestEcho(t *testing.T) {
	f, _, _ := pair(t, true)
	echo := func(from, to string, size int) (bool, error) {
		q := request{Op: "echo", Wait: 500 * time.Millisecond, Packet: meshtest.Packet{To: netip.MustParseAddr(to), Bytes: size}}
		if from != "" {
			q.Packet.From = netip.MustParseAddr(from)
		}
		r, err := f.children[0].ask(q)
		return r.Answered, err
	}
	f.mustCross(t, 0, 0)
	for _, c := range []struct {
		from, to string
		size     int
		want     bool
	}{
		{"", "10.120.0.1", 64, true},
		{"10.90.0.1", "10.120.0.1", 1420, true},
		{"fd00:90::1", "fd00:120::1", 1420, true},
		{"", "10.120.0.1", 1421, false}, // larger than the tunnel
		{"", "10.120.9.9", 64, false},   // nobody is there
		{"198.18.0.1", "198.18.0.2", 1500, true},
		{"198.18.0.1", "10.120.0.1", 64, false}, // from an address that dc2 takes from nobody
	} {
		got, err := echo(c.from, c.to, c.size)
		for range 20 { // on a busy machine an answer may take longer
			if got || !c.want || err != nil {
				break
			}
			got, err = echo(c.from, c.to, c.size)
		}
		if err != nil || got != c.want {
			t.Errorf("%s -> %s, %d bytes: %v, %v", c.from, c.to, c.size, got, err)
		}
	}
	if _, err := echo("", "10.120.0.1", 20); err == nil {
		t.Error("a packet smaller than its headers was sent")
	}
	if _, err := echo("10.77.0.1", "10.120.0.1", 64); err == nil {
		t.Error("sent from an address that the machine has not")
	}
}

// The verdict on real devices: pass, then one-way while one direction is cut, then pass again.
func TestHandshakeVerdict(t *testing.T) {
	f, layout, _ := pair(t, true)
	judge := func() mesh.Judgement {
		t.Helper()
		s, err := mesh.TakeSample(t.Context(), layout.Devices[0], "dc2", func(context.Context) (mesh.DeviceState, error) { return f.state(t, 0), nil },
			func(context.Context, mesh.Peer) mesh.Probe {
				return mesh.Probe{Sent: true, Answered: f.echo(t, layout, mesh.ProbeBytes), Bytes: mesh.ProbeBytes}
			})
		must(t, err)
		c := mesh.Crossing{BeforeAt: s.Before.SampledAt, Before: s.Before.Peers[0], AfterAt: s.After.SampledAt, After: s.After.Peers[0], Probe: s.Probes[layout.Devices[1].PublicKey]}
		return c.Judge()
	}
	f.mustCross(t, 0, 0)
	if j := judge(); j.Verdict != geored.Pass {
		t.Fatalf("before: %+v", j)
	}
	must(t, f.Drop(t.Context(), "dc2", "dc1", true))
	if j := judge(); j.Verdict != geored.Fail || j.Handshake != mesh.OneWay {
		t.Errorf("cut one way: %+v", j)
	}
	must(t, f.Drop(t.Context(), "dc2", "dc1", false))
	if j := judge(); j.Verdict != geored.Pass {
		t.Errorf("mended: %+v", j)
	}
}

func TestRoute(t *testing.T) {
	f, _, _ := pair(t, false)
	c := f.children[0]
	route := func(prefixes []string, gateways ...string) error {
		q := request{Op: "route"}
		for _, p := range prefixes {
			q.Prefixes = append(q.Prefixes, netip.MustParsePrefix(p))
		}
		for _, g := range gateways {
			q.Addrs = append(q.Addrs, netip.MustParseAddr(g))
		}
		_, err := c.ask(q)
		return err
	}
	want := func(gateway string, prefixes ...string) {
		t.Helper()
		r, err := c.ask(request{Op: "routed"})
		must(t, err)
		var got []string
		for _, p := range r.Routed[netip.MustParseAddr(gateway)] {
			got = append(got, p.String())
		}
		if !slices.Equal(got, prefixes) {
			t.Errorf("through %s: %v, want %v", gateway, r.Routed, prefixes)
		}
	}
	for range 2 {
		must(t, route([]string{"10.120.0.0/16", "10.130.0.0/16"}, "198.18.0.2"))
		want("198.18.0.2", "10.120.0.0/16", "10.130.0.0/16")
	}
	must(t, route([]string{"10.120.0.0/16", "10.140.0.0/16"}, "198.18.0.3"))
	want("198.18.0.3", "10.120.0.0/16", "10.140.0.0/16")
	want("198.18.0.2")
	if err := route([]string{"fd00:120::/48"}, "198.18.0.3"); err == nil || !strings.Contains(err.Error(), "no gateway of its address family") {
		t.Errorf("IPv6 through IPv4: %v", err)
	}
	want("198.18.0.3", "10.120.0.0/16", "10.140.0.0/16")

	eth, err := c.links.LinkByName("eth0")
	must(t, err)
	must(t, c.links.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Dst: ipNet("10.150.0.0/16"), Gw: net.IPv4(198, 18, 0, 9), Protocol: 99}))
	if err := route([]string{"10.150.0.0/16", "10.160.0.0/16"}, "198.18.0.3"); err == nil || !strings.Contains(err.Error(), "10.150.0.0/16") || !strings.Contains(err.Error(), "protocol 99") {
		t.Errorf("over somebody else's route: %v", err)
	}
	want("198.18.0.3", "10.160.0.0/16")
	must(t, route(nil))
	want("198.18.0.3")
	if routes, err := c.links.RouteListFiltered(syscall.AF_INET, &netlink.Route{Protocol: 99}, netlink.RT_FILTER_PROTOCOL); err != nil || len(routes) != 1 {
		t.Errorf("somebody else's route: %v, %v", routes, err)
	}
}

func ipNet(s string) *net.IPNet {
	p := netip.MustParsePrefix(s)
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func sameSet(a, b []netip.Prefix) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, mesh.ComparePrefixes)
	slices.SortFunc(b, mesh.ComparePrefixes)
	return slices.Equal(a, b)
}

// A peer told by itself where it sends from: as long as the session is fresh that is not taken back.
func TestAPeerThatRoamedIsLeft(t *testing.T) {
	f, layout, keys := pair(t, true)
	f.mustCross(t, 0, 0)
	wanted := layout.Devices[0]
	wanted.Peers = slices.Clone(wanted.Peers)
	var err error
	wanted.Peers[0].Endpoint, err = geored.ParseEndpoint("198.18.0.99:51820")
	must(t, err)
	must(t, f.Up(t.Context(), wanted, keys[0]))
	if got := f.state(t, 0).Peers[0].Endpoint; got != layout.Devices[0].Peers[0].Endpoint {
		t.Errorf("the peer was sent to %s", got)
	}
}

// A name that cannot be resolved keeps nobody but its own peer away, and that one may come by itself.
func TestAPeerWhoseNameIsUnknown(t *testing.T) {
	f, layout, keys := pair(t, false)
	d := layout.Devices[0]
	d.Peers = slices.Clone(d.Peers)
	var err error
	d.Peers[0].Endpoint, err = geored.ParseEndpoint("no-such-host.invalid:51820")
	must(t, err)
	if err := f.Up(t.Context(), d, keys[0]); err == nil || !strings.Contains(err.Error(), "peer dc2/dc2-1: endpoint cannot be resolved") {
		t.Fatal(err)
	}
	if s := f.state(t, 0); !s.Up || len(s.Peers) != 1 || len(s.Peers[0].AllowedIPs) == 0 {
		t.Fatalf("%+v", s)
	}
	must(t, f.Up(t.Context(), layout.Devices[1], keys[1]))
	answered, err := f.Exchange(t.Context(), "dc2", "dc2-1", meshtest.Packet{From: f.machines[1].Pods[0], To: f.machines[0].Pods[0]})
	if err != nil || !answered {
		t.Errorf("%v, %v", answered, err)
	}
}
