package mesh_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// fullNetwork is sites with several nodes each, every node with a /24 of its site's pods.
func fullNetwork(t testing.TB, sites, perSite int) (mesh.Network, []mesh.Gateway) {
	t.Helper()
	network, _ := testNetwork(t, sites)
	var nodes []mesh.Gateway
	for i := range network.Sites {
		site := &network.Sites[i]
		site.Nodes = nil
		ip := site.WireGuardCIDR.Addr()
		for j := range perSite {
			endpoint, err := geored.ParseEndpoint(fmt.Sprintf("198.18.%d.%d:51820", i, j+1))
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%s-%d", site.Name, j+1)
			slice := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(90 + i), byte(j), 0}), 24)
			site.Nodes = append(site.Nodes, geored.Node{Name: name, Endpoint: endpoint, PodCIDRs: []netip.Prefix{slice}})
			ip = ip.Next()
			nodes = append(nodes, mesh.Gateway{Site: site.Name, Node: name, PublicKey: testKey(t, 1000*i+j+1).Public(), WireGuardIP: ip, Endpoint: endpoint})
		}
	}
	return network, nodes
}

// owners says for every shared or sliced prefix of every site which nodes claim it, as one site sees it.
func owners(peers []mesh.Peer) map[netip.Prefix][]string {
	claims := map[netip.Prefix][]string{}
	for _, p := range peers {
		for _, prefix := range p.AllowedIPs {
			claims[prefix] = append(claims[prefix], p.Node)
		}
	}
	return claims
}

func TestPlanFullHasOneOwnerOfEachPrefix(t *testing.T) {
	for _, sharing := range []mesh.Sharing{"", mesh.OneOwner, mesh.Split, mesh.Nobody} {
		for _, sites := range []int{2, 3, 5} {
			network, nodes := fullNetwork(t, sites, 3)
			full, err := mesh.PlanFull(network, nodes, sharing)
			if err != nil {
				t.Fatal(err)
			}
			layout := full.Layout()
			if len(layout.Devices) != 3*sites {
				t.Fatalf("%d devices", len(layout.Devices))
			}
			for _, d := range layout.Devices {
				if err := d.Validate(); err != nil {
					t.Errorf("%s: %v", d.Node, err)
				}
				if len(d.Peers) != 3*(sites-1) {
					t.Errorf("%s has %d peers", d.Node, len(d.Peers))
				}
				if one, ok := full.Device(d.Site, d.Node); !ok || !reflect.DeepEqual(one, d) {
					t.Errorf("%s alone differs from %s of all", d.Node, d.Node)
				}
				if slices.ContainsFunc(d.Peers, func(p mesh.Peer) bool { return p.Site == d.Site }) {
					t.Errorf("%s has a peer of its own site", d.Node)
				}
				claims := owners(d.Peers)
				for prefix, who := range claims {
					if len(who) != 1 {
						t.Errorf("%s is claimed by %v", prefix, who)
					}
				}
				service := network.Sites[1].Services[0]
				if d.Site == "dc2" {
					continue
				}
				parts := 0
				for prefix := range claims {
					if service.Overlaps(prefix) {
						parts++
					}
				}
				if want := map[mesh.Sharing]int{"": 1, mesh.OneOwner: 1, mesh.Split: 4, mesh.Nobody: 0}[sharing]; parts != want {
					t.Errorf("%q: services of dc2 in %d parts, want %d", sharing, parts, want)
				}
			}
		}
	}
}

func TestPlanFullOwnerIsTheGateway(t *testing.T) {
	network, nodes := fullNetwork(t, 2, 3)
	network.Sites[1].Gateway = "dc2-2"
	rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	full, err := mesh.PlanFull(network, nodes, mesh.OneOwner)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := full.Owner("dc1", network.Sites[0].Services[0]), full.Owner("dc2", network.Sites[1].Services[0]); a != "dc1-1" || b != "dc2-2" {
		t.Errorf("owners %s and %s", a, b)
	}
	if full.Owner("dc2", network.Sites[0].Services[0]) != "" {
		t.Error("a site owns another's services")
	}
}

func TestHandOver(t *testing.T) {
	network, nodes := fullNetwork(t, 3, 3)
	full, err := mesh.PlanFull(network, nodes, mesh.OneOwner)
	if err != nil {
		t.Fatal(err)
	}
	service := network.Sites[1].Services[0]
	move, err := full.HandOver("dc2", "dc2-1", "dc2-3")
	if err != nil {
		t.Fatal(err)
	}
	if got := owners(full.Peers("dc1"))[service]; !slices.Equal(got, []string{"dc2-1"}) {
		t.Errorf("before: %v", got)
	}
	if got := owners(move.Release.Peers("dc1"))[service]; len(got) != 0 {
		t.Errorf("between the steps: %v", got)
	}
	if got := owners(move.Claim.Peers("dc1"))[service]; !slices.Equal(got, []string{"dc2-3"}) {
		t.Errorf("after: %v", got)
	}
	if !slices.Equal(move.Prefixes, []netip.Prefix{service}) {
		t.Errorf("moves %v", move.Prefixes)
	}
	// Nothing else changes, in either step.
	for _, step := range []mesh.Full{move.Release, move.Claim} {
		got, want := owners(step.Peers("dc1")), owners(full.Peers("dc1"))
		delete(got, service)
		delete(want, service)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("something else moved: %v", got)
		}
	}
	for _, c := range [][3]string{{"dc2", "dc2-1", "dc2-1"}, {"dc2", "dc2-1", "dc1-1"}, {"dc2", "dc2-2", "dc2-3"}, {"dc2", "dc1-1", "dc2-3"}, {"dc9", "a", "b"}} {
		if _, err := full.HandOver(geored.SiteName(c[0]), c[1], c[2]); err == nil {
			t.Errorf("hand over %v was planned", c)
		}
	}
}

func TestHandOverOfASplit(t *testing.T) {
	network, nodes := fullNetwork(t, 2, 2)
	full, err := mesh.PlanFull(network, nodes, mesh.Split)
	if err != nil {
		t.Fatal(err)
	}
	move, err := full.HandOver("dc2", "dc2-2", "dc2-1")
	if err != nil {
		t.Fatal(err)
	}
	if want := []netip.Prefix{netip.MustParsePrefix("10.131.128.0/17")}; !slices.Equal(move.Prefixes, want) {
		t.Errorf("moves %v", move.Prefixes)
	}
}

func TestPlanFullFaults(t *testing.T) {
	cases := map[string]struct {
		spoil   func(*mesh.Network, []mesh.Gateway) []mesh.Gateway
		sharing mesh.Sharing
		words   []string
	}{
		"no slice": {func(n *mesh.Network, g []mesh.Gateway) []mesh.Gateway { n.Sites[0].Nodes[1].PodCIDRs = nil; return g }, "",
			[]string{"site dc1: nodes[dc1-2].podCIDRs: is missing"}},
		"guide l.393: the whole range on one node": {func(n *mesh.Network, g []mesh.Gateway) []mesh.Gateway {
			n.Sites[0].Nodes[1].PodCIDRs = n.Sites[0].Pods
			return g
		}, "", []string{"nodes[dc1-2].podCIDRs", "contains nodes[dc1-1].podCIDRs"}},
		"site without nodes": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { return g[:4] }, "", []string{"site dc3", "none was found"}},
		"owner not found":    {func(n *mesh.Network, g []mesh.Gateway) []mesh.Gateway { n.Sites[2].Gateway = "dc3-2"; return g[:5] }, "", []string{"gateway dc3-2: was not found"}},
		"sharing":            {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { return g }, "all", []string{"sharing all"}},
		"doubled key":        {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { g[1].PublicKey = g[0].PublicKey; return g }, "", []string{"dc1-2", "is that of node dc1-1"}},
		"location inside pods": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway {
			g[0].LocationIPs = []netip.Prefix{netip.MustParsePrefix("10.92.7.0/24")}
			return g
		}, "", []string{"podCIDR 10.92.0.0/16: contains gateway[dc1-1].locationIPs 10.92.7.0/24 of site dc1"}},
		"location of two": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway {
			g[0].LocationIPs = []netip.Prefix{netip.MustParsePrefix("10.7.0.0/24")}
			g[3].LocationIPs = []netip.Prefix{netip.MustParsePrefix("10.7.0.0/24")}
			return g
		}, "", []string{"gateway[dc1-1].locationIPs 10.7.0.0/24: is the same as gateway[dc2-2].locationIPs"}},
		"location over an endpoint": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway {
			g[0].LocationIPs = []netip.Prefix{netip.MustParsePrefix("198.18.1.0/24")}
			return g
		}, "", []string{"site dc2: gateway[dc2-1].endpoint 198.18.1.1:51820: lies inside gateway[dc1-1].locationIPs 198.18.1.0/24 of site dc1"}},
		"location with host bits": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway {
			g[0].LocationIPs = []netip.Prefix{netip.MustParsePrefix("10.7.0.1/24")}
			return g
		}, "", []string{"locationIPs 10.7.0.1/24: has host bits"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			network, nodes := fullNetwork(t, 3, 2)
			nodes = c.spoil(&network, nodes)
			full, err := mesh.PlanFull(network, nodes, c.sharing)
			wantFault(t, err, c.words...)
			if len(full.Layout().Devices) > 0 {
				t.Error("a layout came with the faults")
			}
		})
	}
}

func TestLocationIPsAreCarriedByTheirNode(t *testing.T) {
	network, nodes := fullNetwork(t, 2, 2)
	lan := netip.MustParsePrefix("172.30.0.0/24")
	nodes[3].LocationIPs = []netip.Prefix{lan}
	full, err := mesh.PlanFull(network, nodes, mesh.OneOwner)
	if err != nil {
		t.Fatal(err)
	}
	if got := owners(full.Peers("dc1"))[lan]; !slices.Equal(got, []string{"dc2-2"}) {
		t.Errorf("carried by %v", got)
	}
}

func TestSplitPrefix(t *testing.T) {
	if parts := mesh.SplitPrefix(netip.Prefix{}, 2); len(parts) != 0 {
		t.Errorf("no prefix is split into %v", parts)
	}
	for _, c := range []struct {
		prefix string
		n      int
		want   []string
	}{
		{"10.130.0.0/16", 1, []string{"10.130.0.0/16"}},
		{"10.130.7.0/16", 2, []string{"10.130.0.0/17", "10.130.128.0/17"}},
		{"10.130.0.0/16", 3, []string{"10.130.0.0/18", "10.130.64.0/18", "10.130.128.0/18", "10.130.192.0/18"}},
		{"10.130.0.0/31", 5, []string{"10.130.0.0/32", "10.130.0.1/32"}},
		{"0.0.0.0/0", 2, []string{"0.0.0.0/1", "128.0.0.0/1"}},
		{"fd00:130::/112", 2, []string{"fd00:130::/113", "fd00:130::8000/113"}},
	} {
		var got []string
		for _, p := range mesh.SplitPrefix(netip.MustParsePrefix(c.prefix), c.n) {
			got = append(got, p.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s by %d: %v", c.prefix, c.n, got)
		}
	}
}
