package overlay_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/georedkit/georedkit/internal/lab/pod/kilo/overlay"
)

// The vectors were recorded from Kilo's own functions: testdata/README.md says how.

type nodeIn struct {
	Name, PodCIDR       string
	Labels, Annotations map[string]string
}

func (n nodeIn) read() overlay.Node {
	return overlay.ReadNode(n.Name, n.Labels, n.Annotations, n.PodCIDR)
}

type peerIn struct {
	Name string
	Spec overlay.PeerSpec
}

type nodeOut struct {
	Endpoint, InternalIP, WireGuardIP, Subnet, Key, Location, Granularity string
	NoInternalIP, Leader                                                  bool
	LastSeen                                                              int64
	Keepalive                                                             string
	Discovered                                                            map[string]string
	Allowed                                                               []string
}

type tunnel struct {
	Key, Endpoint, Keepalive, Preshared string
	Allowed                             []string
}

type segment struct {
	Location, Leader, WireGuardIP string
	Hosts                         []string
}

type route struct {
	To, Via, Source string
	Tunnel          bool
}

type topology struct {
	Nodes         []nodeIn
	Peers         []peerIn
	Granularity   overlay.Granularity
	Host, Subnet  string
	Error, Leader bool
	Address       string
	Port          int
	Segments      []segment
	Tunnels       []tunnel
	Routes        []route
}

// group is what was recorded from one function.
type group[T any] struct {
	At    string
	Cases []T
}

type vectors struct {
	Tag   string
	Nodes group[struct {
		In   nodeIn
		Want nodeOut
	}]
	Written group[struct {
		In   nodeIn
		Want map[string]string
	}]
	Ready group[struct {
		In   nodeIn
		Age  int64
		Want bool
	}]
	Peers group[struct {
		In           peerIn
		Valid, Ready bool
		Want         tunnel
	}]
	History group[struct {
		Name   string
		States []map[string]overlay.PeerSpec
		Want   []map[string]string
	}]
	Topologies group[topology]
	Same       group[struct {
		Name       string
		Want, Have []tunnel
		Ports      [2]int
		Same       bool
	}]
	Discovered group[struct {
		Nodes  []nodeIn
		Peers  []peerIn
		Device []struct {
			Key, Endpoint string
			Handshake     bool
		}
		Want map[string]string
	}]
}

// replay calls f with what was recorded from each version.
func replay(t *testing.T, f func(t *testing.T, v vectors)) {
	for _, tag := range []string{"0.6.0", "0.7.0"} {
		t.Run(tag, func(t *testing.T) {
			text, err := os.ReadFile("testdata/kilo-" + tag + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var v vectors
			if err := json.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			if v.Tag != tag {
				t.Fatalf("it was recorded from %q", v.Tag)
			}
			f(t, v)
		})
	}
}

// check compares, and refuses an empty group: it would prove nothing.
func (g group[T]) check(t *testing.T, got func(T) (got, want any)) {
	t.Helper()
	if len(g.Cases) == 0 || g.At == "" {
		t.Fatal("nothing was recorded")
	}
	for i, c := range g.Cases {
		got, want := got(c)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s, case %d: %+v\n got %+v\nwant %+v", g.At, i, c, got, want)
		}
	}
}

func text(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

func texts(prefixes []netip.Prefix) []string {
	var all []string
	for _, p := range prefixes {
		all = append(all, p.String())
	}
	return all
}

func endpoints(found map[string]netip.AddrPort) map[string]string {
	var all map[string]string
	for key, at := range found {
		if all == nil {
			all = map[string]string{}
		}
		all[key] = at.String()
	}
	return all
}

func TestNodesAreRead(t *testing.T) {
	replay(t, func(t *testing.T, v vectors) {
		v.Nodes.check(t, func(c struct {
			In   nodeIn
			Want nodeOut
		}) (any, any) {
			n := c.In.read()
			return nodeOut{
				Endpoint: n.Endpoint.String(), InternalIP: text(n.Internal), WireGuardIP: text(n.WireGuard), Subnet: text(n.Pods), Key: n.Key.String(),
				Location: n.Location, Granularity: string(n.Granularity), NoInternalIP: n.NoInternal, Leader: n.Leader, LastSeen: n.LastSeen,
				Keepalive: n.Keepalive.String(), Discovered: endpoints(n.Discovered), Allowed: texts(n.Allowed),
			}, c.Want
		})
	})
}

func TestNodesAreWritten(t *testing.T) {
	replay(t, func(t *testing.T, v vectors) {
		v.Written.check(t, func(c struct {
			In   nodeIn
			Want map[string]string
		}) (any, any) {
			written, err := c.In.read().Annotations()
			if err != nil {
				t.Fatal(err)
			}
			if v.Tag == "0.7.0" {
				written[overlay.KeyCNI] = ""
			}
			got := map[string]string{}
			maps.Copy(got, c.In.Annotations)
			maps.Copy(got, written)
			return got, c.Want
		})
	})
}

func TestNodesThatTakePart(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	replay(t, func(t *testing.T, v vectors) {
		v.Ready.check(t, func(c struct {
			In   nodeIn
			Age  int64
			Want bool
		}) (any, any) {
			n := c.In.read()
			n.LastSeen = now.Unix() - c.Age
			return n.Ready(now), c.Want
		})
	})
}

func outOf(key wgtypes.Key, e overlay.Endpoint, keepalive time.Duration, preshared *wgtypes.Key, allowed []netip.Prefix) tunnel {
	out := tunnel{Key: key.String(), Endpoint: e.String(), Keepalive: keepalive.String(), Allowed: texts(allowed)}
	if preshared != nil {
		out.Preshared = preshared.String()
	}
	return out
}

func TestPeersAreRead(t *testing.T) {
	type out struct {
		Valid, Ready bool
		Tunnel       tunnel
	}
	replay(t, func(t *testing.T, v vectors) {
		v.Peers.check(t, func(c struct {
			In           peerIn
			Valid, Ready bool
			Want         tunnel
		}) (any, any) {
			var got out
			p, valid := overlay.ReadPeer(c.In.Name, c.In.Spec)
			if got.Valid = valid; valid {
				got.Ready, got.Tunnel = p.Ready(), outOf(p.Key, p.Endpoint, p.Keepalive, p.Preshared, p.Allowed)
			}
			return got, out{c.Valid, c.Ready, c.Want}
		})
	})
}

func TestPeersComeAndGo(t *testing.T) {
	replay(t, func(t *testing.T, v vectors) {
		v.History.check(t, func(c struct {
			Name   string
			States []map[string]overlay.PeerSpec
			Want   []map[string]string
		}) (any, any) {
			var peers overlay.Peers
			var got []map[string]string
			for _, state := range c.States {
				peers.Update(state, false)
				names := map[string]string{}
				for _, p := range peers.List() {
					names[p.Key.String()] = p.Name
				}
				got = append(got, names)
			}
			return got, c.Want
		})
	})
}

func TestTopologies(t *testing.T) {
	replay(t, func(t *testing.T, v vectors) {
		v.Topologies.check(t, func(c topology) (any, any) { return build(c, v.Tag == "0.7.0"), c })
	})
}

// build computes what stands in a case from its first half.
func build(c topology, since07 bool) topology {
	got := topology{Nodes: c.Nodes, Peers: c.Peers, Granularity: c.Granularity, Host: c.Host, Subnet: c.Subnet}
	var nodes []overlay.Node
	for _, n := range c.Nodes {
		nodes = append(nodes, n.read())
	}
	var peers []overlay.Peer
	for _, p := range c.Peers {
		if read, valid := overlay.ReadPeer(p.Name, p.Spec); valid {
			peers = append(peers, read)
		}
	}
	settings := overlay.Settings{Granularity: c.Granularity, Host: c.Host, Subnet: netip.MustParsePrefix(c.Subnet), Since07: since07}
	topo, err := overlay.New(nodes, peers, settings)
	if err != nil {
		got.Error = true
		return got
	}
	got.Leader, got.Address = topo.Leader, topo.Address.String()
	for _, s := range topo.Segments {
		got.Segments = append(got.Segments, segment{s.Location, s.Hosts[s.Leader], s.WireGuard.String(), s.Hosts})
	}
	for _, s := range topo.Tunnels() {
		got.Tunnels = append(got.Tunnels, outOf(s.Key, s.Endpoint, s.Keepalive, s.Preshared, s.Allowed))
	}
	for _, r := range topo.Routes() {
		out := route{To: r.To.String(), Tunnel: r.Tunnel}
		if r.Via.IsValid() {
			out.Via = r.Via.String()
		}
		if r.Source.IsValid() {
			out.Source = r.Source.String()
		}
		got.Routes = append(got.Routes, out)
	}
	got.Port = *topo.Config(wgtypes.Key{1}).ListenPort
	return got
}

func parse(t *testing.T, text string) wgtypes.Key {
	t.Helper()
	key, err := wgtypes.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// peer is a recorded tunnel as the device has it, with its host bits.
func (w tunnel) peer(t *testing.T) wgtypes.Peer {
	t.Helper()
	keepalive, err := time.ParseDuration(w.Keepalive)
	if err != nil {
		t.Fatal(err)
	}
	p := wgtypes.Peer{PublicKey: parse(t, w.Key), PersistentKeepaliveInterval: keepalive}
	if w.Preshared != "" {
		p.PresharedKey = parse(t, w.Preshared)
	}
	if w.Endpoint != "" {
		p.Endpoint = net.UDPAddrFromAddrPort(netip.MustParseAddrPort(w.Endpoint))
	}
	for _, allowed := range w.Allowed {
		p.AllowedIPs = append(p.AllowedIPs, overlay.IPNet(netip.MustParsePrefix(allowed)))
	}
	return p
}

func TestConfigurationsAreCompared(t *testing.T) {
	replay(t, func(t *testing.T, v vectors) {
		v.Same.check(t, func(c struct {
			Name       string
			Want, Have []tunnel
			Ports      [2]int
			Same       bool
		}) (any, any) {
			private := wgtypes.Key{1}
			config := wgtypes.Config{PrivateKey: &private, ListenPort: &c.Ports[0]}
			device := wgtypes.Device{PrivateKey: private, ListenPort: c.Ports[1]}
			for _, w := range c.Want {
				p := w.peer(t)
				config.Peers = append(config.Peers, wgtypes.PeerConfig{PublicKey: p.PublicKey, PresharedKey: &p.PresharedKey, Endpoint: p.Endpoint,
					PersistentKeepaliveInterval: &p.PersistentKeepaliveInterval, AllowedIPs: p.AllowedIPs})
			}
			for _, h := range c.Have {
				device.Peers = append(device.Peers, h.peer(t))
			}
			return overlay.Same(config, device), c.Same
		})
	})
}

func TestEndpointsAreDiscovered(t *testing.T) {
	replay(t, func(t *testing.T, v vectors) {
		v.Discovered.check(t, func(c struct {
			Nodes  []nodeIn
			Peers  []peerIn
			Device []struct {
				Key, Endpoint string
				Handshake     bool
			}
			Want map[string]string
		}) (any, any) {
			var nodes []overlay.Node
			for _, n := range c.Nodes {
				nodes = append(nodes, n.read())
			}
			var peers []overlay.Peer
			for _, p := range c.Peers {
				if read, valid := overlay.ReadPeer(p.Name, p.Spec); valid {
					peers = append(peers, read)
				}
			}
			var device wgtypes.Device
			for _, d := range c.Device {
				p := wgtypes.Peer{PublicKey: parse(t, d.Key), Endpoint: net.UDPAddrFromAddrPort(netip.MustParseAddrPort(d.Endpoint))}
				if d.Handshake {
					p.LastHandshakeTime = time.Unix(1, 0)
				}
				device.Peers = append(device.Peers, p)
			}
			return endpoints(overlay.Discover(nodes, peers, device)), c.Want
		})
	})
}

// What both versions decide alike and what they do not is known.
func TestVersionsDiffer(t *testing.T) {
	recorded := map[string]vectors{}
	replay(t, func(_ *testing.T, v vectors) { recorded[v.Tag] = v })
	before, after := recorded["0.6.0"].Topologies.Cases, recorded["0.7.0"].Topologies.Cases
	differ := 0
	for i := range before {
		if slices.ContainsFunc(after[i].Routes, func(r route) bool { return r.Source != "" }) && fmt.Sprint(before[i].Routes) != fmt.Sprint(after[i].Routes) {
			differ++
		}
	}
	if differ == 0 {
		t.Error("no route prefers a source address since 0.7.0")
	}
}
