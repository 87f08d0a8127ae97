package mesh_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// benchNetwork is many sites with many nodes each: a /24 of the pods, an endpoint and a key for each node, and a
// location IP where asked.
func benchNetwork(b testing.TB, sites, perSite int, locations bool) (mesh.Network, []mesh.Gateway) {
	b.Helper()
	var network mesh.Network
	var nodes []mesh.Gateway
	at := func(a, i, j, k int) netip.Addr {
		return netip.AddrFrom16([16]byte{0xfd, byte(a), 0, 0, 0, 0, byte(i >> 8), byte(i), byte(j >> 8), byte(j), byte(k)})
	}
	for i := range sites {
		site := mesh.Site{WireGuardCIDR: netip.PrefixFrom(at(1, i, 0, 0), 64), Site: geored.Site{Name: geored.SiteName(fmt.Sprintf("dc%03d", i)),
			Pods: []netip.Prefix{netip.PrefixFrom(at(2, i, 0, 0), 64)}, Services: []netip.Prefix{netip.PrefixFrom(at(3, i, 0, 0), 108)}}}
		for j := range perSite {
			name := fmt.Sprintf("%s-%04d", site.Name, j)
			endpoint, err := geored.EndpointFrom(netip.AddrPortFrom(at(4, i, j, 1), 51820))
			if err != nil {
				b.Fatal(err)
			}
			site.Nodes = append(site.Nodes, geored.Node{Name: name, Endpoint: endpoint, InternalIP: endpoint.Addr(), PodCIDRs: []netip.Prefix{netip.PrefixFrom(at(2, i, j, 0), 80)}})
			var key [32]byte
			copy(key[:], name)
			g := mesh.Gateway{Site: site.Name, Node: name, PublicKey: mesh.PublicKeyFrom(key), WireGuardIP: at(1, i, j, 1), Endpoint: endpoint}
			if locations {
				g.LocationIPs = []netip.Prefix{netip.PrefixFrom(at(5, i, j, 0), 80)}
			}
			nodes = append(nodes, g)
		}
		network.Sites = append(network.Sites, site)
	}
	// The same shuffle in every run, so that nothing profits from sorted input.
	for i := range nodes {
		j := i * 7919 % len(nodes)
		nodes[i], nodes[j] = nodes[j], nodes[i]
	}
	return network, nodes
}

// sortAll is what a layout is measured against: the same nodes, all their prefixes, endpoints and keys, sorted.
func sortAll(network mesh.Network, nodes []mesh.Gateway) int {
	byName := slices.Clone(nodes)
	slices.SortFunc(byName, func(a, b mesh.Gateway) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Node, b.Node)) })
	var prefixes []netip.Prefix
	var endpoints []string
	var keys []mesh.PublicKey
	for _, g := range nodes {
		prefixes = append(append(prefixes, g.LocationIPs...), netip.PrefixFrom(g.WireGuardIP, g.WireGuardIP.BitLen()))
		endpoints, keys = append(endpoints, g.Endpoint.String()), append(keys, g.PublicKey)
	}
	for _, site := range network.Sites {
		prefixes = append(append(append(prefixes, site.Pods...), site.Services...), site.WireGuardCIDR)
		for _, node := range site.Nodes {
			prefixes = append(prefixes, node.PodCIDRs...)
		}
	}
	slices.SortFunc(prefixes, mesh.ComparePrefixes)
	slices.Sort(endpoints)
	slices.SortFunc(keys, mesh.PublicKey.Compare)
	return len(byName) + len(prefixes) + len(endpoints) + len(keys)
}

func BenchmarkPlanFull(b *testing.B) {
	for _, size := range [][2]int{{50, 100}, {511, 100}} {
		for _, locations := range []bool{false, true} {
			network, nodes := benchNetwork(b, size[0], size[1], locations)
			name := fmt.Sprintf("sites=%d/nodes=%d/locations=%v", size[0], len(nodes), locations)
			b.Run(name+"/layout", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					full, err := mesh.PlanFull(network, nodes, mesh.OneOwner)
					if err != nil || len(full.Peers("dc000")) != len(nodes)-size[1] {
						b.Fatal(err)
					}
				}
			})
			b.Run(name+"/sort", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if sortAll(network, nodes) == 0 {
						b.Fatal("nothing was sorted")
					}
				}
			})
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, sites := range []int{2, 50, 511} {
		network, nodes := benchNetwork(b, sites, 1, false)
		b.Run(fmt.Sprintf("sites=%d", sites), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := mesh.Plan(network, nodes); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
