package kilo_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
)

type repeated byte

func (r repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r) + byte(i)
	}
	return len(p), nil
}

func must[T any](t testing.TB, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// guide is the two sites of the guide's tables, with other names for its addresses on one network, and their layout.
func guide(t testing.TB) (mesh.Network, mesh.Layout) {
	t.Helper()
	var n mesh.Network
	var gateways []mesh.Gateway
	for i, ranges := range [][3]string{{"10.80.0.0/16", "10.90.0.0/16", "10.100.0.0/16"}, {"10.110.0.0/16", "10.120.0.0/16", "10.130.0.0/16"}} {
		name := fmt.Sprintf("dc%d", i+1)
		endpoint, err := geored.ParseEndpoint(fmt.Sprintf("192.168.1.%d:51820", 105+i))
		must(t, endpoint, err)
		site := mesh.Site{WireGuardCIDR: netip.MustParsePrefix(ranges[0]), Site: geored.Site{Name: geored.SiteName(name),
			Pods: []netip.Prefix{netip.MustParsePrefix(ranges[1])}, Services: []netip.Prefix{netip.MustParsePrefix(ranges[2])},
			Nodes: []geored.Node{{Name: name + "-1", Endpoint: endpoint}}}}
		n.Sites = append(n.Sites, site)
		key, err := mesh.NewPrivateKey(repeated(i + 1))
		must(t, key, err)
		gateways = append(gateways, mesh.Gateway{Site: site.Name, Node: name + "-1", PublicKey: key.Public(), WireGuardIP: site.WireGuardCIDR.Addr().Next(), Endpoint: endpoint})
	}
	layout, err := mesh.Plan(n, gateways)
	return n, must(t, layout, err)
}

func wantFault(t *testing.T, faults geored.Faults, words ...string) {
	t.Helper()
	for _, f := range faults {
		all := true
		for _, w := range words {
			all = all && strings.Contains(f.Error(), w)
		}
		if all {
			return
		}
	}
	t.Errorf("no fault says %q, but:\n%v", words, faults)
}

var now = time.Unix(1612484404, 0)

// annotations are the guide's sample (4.2.3) with a key, as Kilo writes them.
func annotations(key string) map[string]string {
	return map[string]string{
		kilo.ForceEndpoint: "192.168.1.105:51820", kilo.PersistentKeepalive: "10",
		kilo.EndpointKey: "192.168.1.105:51820", kilo.InternalIP: "192.168.1.105/24", kilo.Key: key,
		kilo.LastSeen: "1612484404", kilo.WireGuardIP: "10.80.0.1/16",
	}
}

const sampleKey = "Y7tq+Npd9QzsmyVpDDvijkJ37fDd/VvUgpD740XI0yo=" // guide l.487

func source(key string) kilo.Source {
	return kilo.Source{Site: "dc1", Name: "dc1-1", Annotations: annotations(key), PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.90.0.0/24")}}
}

func TestParseNode(t *testing.T) {
	n, faults := kilo.ParseNode(source(sampleKey))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if why := n.Unready(now.Add(59 * time.Second)); why != "" {
		t.Errorf("unready: %s", why)
	}
	if why := n.Unready(now.Add(60 * time.Second)); !strings.Contains(why, "1m0s ago") {
		t.Errorf("a minute later: %q", why)
	}
	g := n.Gateway()
	if g.WireGuardIP != netip.MustParseAddr("10.80.0.1") || g.PublicKey.String() != sampleKey || g.Endpoint.String() != "192.168.1.105:51820" ||
		g.InternalIP != netip.MustParseAddr("192.168.1.105") || n.PersistentKeepalive != 10*time.Second {
		t.Errorf("%+v of %+v", g, n)
	}
	if skew := n.SkewOf(now.Add(-2 * time.Minute)); skew != 2*time.Minute {
		t.Errorf("skew %s", skew)
	}
}

func TestUnready(t *testing.T) {
	for why, spoil := range map[string]func(*kilo.Node){
		"":            func(*kilo.Node) {},
		"no endpoint": func(n *kilo.Node) { n.Endpoint = geored.Endpoint{} },
		"public key":  func(n *kilo.Node) { n.Key = mesh.PublicKey{} },
		"podCIDR":     func(n *kilo.Node) { n.PodCIDRs = nil },
		"not checked": func(n *kilo.Node) { n.LastSeen = time.Time{} },
	} {
		n, _ := kilo.ParseNode(source(sampleKey))
		spoil(&n)
		if got := n.Unready(now); (why == "") != (got == "") || !strings.Contains(got, why) {
			t.Errorf("%q, want %q", got, why)
		}
	}
}

func TestAnnotationsReadBack(t *testing.T) {
	e, err := geored.ParseEndpoint("[2001:db8::5]:51821")
	must(t, e, err)
	s := source(sampleKey)
	for k, v := range kilo.Annotations(e, 25*time.Second) {
		s.Annotations[k] = v
	}
	n, faults := kilo.ParseNode(s)
	if len(faults) > 0 || n.Endpoint != e || n.PersistentKeepalive != 25*time.Second {
		t.Errorf("%+v, %v", n, faults)
	}
}

func TestParseNodeFaults(t *testing.T) {
	cases := map[string]struct {
		annotation, value string
		words             []string
		holds             func(kilo.Node) bool // what Kilo makes of it
	}{
		"forced endpoint without port": {kilo.ForceEndpoint, "10.0.0.9", []string{"force-endpoint", "uses 192.168.1.105:51820"},
			func(n kilo.Node) bool { return n.Endpoint.String() == "192.168.1.105:51820" }},
		"guide l.276: a host name for an address": {kilo.ForceEndpoint, "dc1_1:51820", []string{"force-endpoint"}, nil},
		"guide l.276: IPv6 without brackets":      {kilo.ForceEndpoint, "2001:db8::5:51820", []string{"force-endpoint", "in brackets"}, nil},
		"docker-less loopback":                    {kilo.ForceEndpoint, "127.0.0.1:51820", []string{"can be reached by no other machine"}, nil},
		"bare internal address": {kilo.ForceInternalIP, "10.1.1.1", []string{"force-internal-ip", "passes over it"},
			func(n kilo.Node) bool { return n.InternalIP.String() == "192.168.1.105/24" }},
		"leader=false": {kilo.Leader, "false", []string{"makes the node a leader"}, func(n kilo.Node) bool { return n.Leader }},
		"keepalive with a unit": {kilo.PersistentKeepalive, "10s", []string{"takes it for 0"},
			func(n kilo.Node) bool { return n.PersistentKeepalive == 0 }},
		"keepalive too long": {kilo.PersistentKeepalive, "70000", []string{"0 to 65535"}, nil},
		"space in a list": {kilo.AllowedLocationIPs, "172.30.0.0/24, 172.31.0.0/24", []string{`" 172.31.0.0/24", with a space`},
			func(n kilo.Node) bool { return len(n.AllowedLocationIPs) == 1 }},
		"no range in a list": {kilo.AllowedLocationIPs, "172.30.0.1", []string{"not an address range"}, nil},
		"granularity":        {kilo.GranularityKey, "node", []string{"neither location nor full"}, nil},
		"key":                {kilo.Key, "___PUBLIC_KEY_OF_KILO0_INTERFACE_ON_DC1___", []string{"annotations[kilo.squat.ai/key]", "no public key"}, nil},
		"last seen":          {kilo.LastSeen, "yesterday", []string{"Unix seconds"}, func(n kilo.Node) bool { return n.Unready(now) != "" }},
		"wireguard address":  {kilo.WireGuardIP, "10.80.0.1", []string{"wireguard-ip", "address/bits"}, func(n kilo.Node) bool { return !n.WireGuardIP.IsValid() }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := source(sampleKey)
			s.Annotations[c.annotation] = c.value
			n, faults := kilo.ParseNode(s)
			wantFault(t, faults, append(c.words, "site dc1: nodes[dc1-1]")...)
			if len(faults) != 1 {
				t.Errorf("%d faults: %v", len(faults), faults)
			}
			if c.holds != nil && !c.holds(n) {
				t.Errorf("read as %+v", n)
			}
		})
	}
	for _, missing := range []string{kilo.EndpointKey, kilo.Key, kilo.LastSeen} {
		s := source(sampleKey)
		delete(s.Annotations, missing)
		_, faults := kilo.ParseNode(s)
		wantFault(t, faults, missing, "is missing")
	}
	for _, none := range []string{"", "-"} {
		s := source(sampleKey)
		s.Annotations[kilo.ForceInternalIP] = none
		if n, faults := kilo.ParseNode(s); n.InternalIP.IsValid() || len(faults) > 0 {
			t.Errorf("no internal address: %+v, %v", n, faults)
		}
	}
}

func nodes(names ...string) []kilo.Node {
	var out []kilo.Node
	for _, name := range names {
		n, _ := kilo.ParseNode(source(sampleKey))
		n.Name = name
		out = append(out, n)
	}
	return out
}

func TestAllocateGoesByPosition(t *testing.T) {
	subnet := netip.MustParsePrefix("10.80.0.0/16")
	three := nodes("dc1-2", "dc1-1", "dc1-10")
	got := kilo.Allocate(subnet, three, kilo.ByNode, now)
	if got["dc1-1"].String() != "10.80.0.1/16" || got["dc1-10"].String() != "10.80.0.2/16" || got["dc1-2"].String() != "10.80.0.3/16" {
		t.Errorf("%v", got)
	}
	three[1].LastSeen = now.Add(-time.Hour)
	if got := kilo.Allocate(subnet, three, kilo.ByNode, now); got["dc1-2"].String() != "10.80.0.2/16" || len(got) != 2 {
		t.Errorf("a stale node does not shift the others: %v", got)
	}
	if got := kilo.Allocate(netip.MustParsePrefix("10.80.0.0/31"), nodes("a", "b", "c"), kilo.ByNode, now); len(got) != 1 {
		t.Errorf("more addresses than there are: %v", got)
	}
}

func TestAllocateByLocation(t *testing.T) {
	three := nodes("dc1-1", "dc1-2", "dc1-3")
	three[1].Leader = true
	three[2].InternalIP = netip.Prefix{} // without a private address it is a location of its own
	got := kilo.Allocate(netip.MustParsePrefix("10.80.0.0/16"), three, kilo.ByLocation, now)
	if len(got) != 2 || got["dc1-2"].String() != "10.80.0.1/16" || got["dc1-3"].String() != "10.80.0.2/16" {
		t.Errorf("%v", got)
	}
}

func TestLeaderOf(t *testing.T) {
	public, err := geored.ParseEndpoint("203.0.113.5:51820")
	must(t, public, err)
	ns := nodes("c", "b", "a")
	if got := kilo.LeaderOf(ns).Name; got != "a" {
		t.Errorf("the first by name is not %s", got)
	}
	ns[1].Endpoint = public
	if got := kilo.LeaderOf(ns).Name; got != "b" {
		t.Errorf("the public one is not %s", got)
	}
	ns[0].Leader = true
	if got := kilo.LeaderOf(ns).Name; got != "c" {
		t.Errorf("the annotated one is not %s", got)
	}
	ns[1].Leader = true
	if got := kilo.LeaderOf(ns).Name; got != "b" {
		t.Errorf("the annotated public one is not %s", got)
	}
	if got := kilo.LeaderOf(nil).Name; got != "" {
		t.Errorf("nobody is %s", got)
	}
}

func FuzzParseNode(f *testing.F) {
	f.Add("192.168.1.105:51820", "10", "10.0.0.0/8,10.1.0.0/16", "10.1.1.1/24", "1612484404")
	f.Add("[::1]:0", "-5", " ,", "-", "x")
	f.Fuzz(func(t *testing.T, endpoint, keepalive, locations, internal, seen string) {
		s := source(sampleKey)
		s.Annotations[kilo.ForceEndpoint], s.Annotations[kilo.PersistentKeepalive] = endpoint, keepalive
		s.Annotations[kilo.AllowedLocationIPs], s.Annotations[kilo.ForceInternalIP], s.Annotations[kilo.LastSeen] = locations, internal, seen
		n, faults := kilo.ParseNode(s)
		if n.PersistentKeepalive < 0 || n.PersistentKeepalive > 65535*time.Second {
			t.Errorf("keepalive %s", n.PersistentKeepalive)
		}
		if forced, err := geored.ParseEndpoint(endpoint); len(faults) == 0 && (err != nil || n.Endpoint != forced) {
			t.Errorf("no fault, and endpoint %s of %q", n.Endpoint, endpoint)
		}
	})
}
