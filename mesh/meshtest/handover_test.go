package meshtest_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/meshtest"
)

// A service of dc2 is behind dc2-1, then dc2-1 is lost and dc2-2 takes over: in two steps, of which the first leaves the
// service unreachable and never with two owners.
func TestHandOverMovesTraffic(t *testing.T) {
	service := netip.MustParseAddr("10.130.0.10")
	var network mesh.Network
	var nodes []mesh.Gateway
	var machines []meshtest.Machine
	keys := map[mesh.PublicKey]mesh.PrivateKey{}
	for i, name := range []geored.SiteName{"dc1", "dc2"} {
		site := mesh.Site{WireGuardCIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(170 + i), 0, 0}), 16), Site: geored.Site{Name: name,
			Pods:     []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(90 + i), 0, 0}), 16)},
			Services: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(129 + i), 0, 0}), 16)}}}
		ip := site.WireGuardCIDR.Addr()
		for j := range 2 {
			key, err := mesh.NewPrivateKey(repeated(10*i + j + 1))
			if err != nil {
				t.Fatal(err)
			}
			slice := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(90 + i), byte(j), 0}), 24)
			m := meshtest.Machine{Site: name, Node: fmt.Sprintf("%s-%d", name, j+1), Underlay: netip.AddrFrom4([4]byte{192, 0, 2, byte(10*i + j + 1)}),
				Pods: []netip.Addr{slice.Addr().Next()}}
			if name == "dc2" {
				m.Pods = append(m.Pods, service) // each node of a cluster answers for its services
			}
			endpoint, err := geored.EndpointFrom(netip.AddrPortFrom(m.Underlay, mesh.DefaultListenPort))
			if err != nil {
				t.Fatal(err)
			}
			ip = ip.Next()
			site.Nodes = append(site.Nodes, geored.Node{Name: m.Node, Endpoint: endpoint, PodCIDRs: []netip.Prefix{slice}})
			nodes = append(nodes, mesh.Gateway{Site: name, Node: m.Node, PublicKey: key.Public(), WireGuardIP: ip, Endpoint: endpoint})
			machines, keys[key.Public()] = append(machines, m), key
		}
		network.Sites = append(network.Sites, site)
	}
	full, err := mesh.PlanFull(network, nodes, mesh.OneOwner)
	if err != nil {
		t.Fatal(err)
	}
	clock := geotest.StoppedClock(start)
	world := meshtest.New(t, clock, machines...)
	bring := func(f mesh.Full) {
		t.Helper()
		if err := world.UpAll(t.Context(), f.Layout(), keys); err != nil {
			t.Fatal(err)
		}
	}
	reach := func(from int, to netip.Addr) bool {
		t.Helper()
		answered, err := world.Exchange(t.Context(), "dc1", machines[from].Node, meshtest.Packet{From: machines[from].Pods[0], To: to})
		if err != nil {
			t.Fatal(err)
		}
		return answered
	}
	bring(full)
	if !reach(0, service) || !reach(1, service) {
		t.Fatal("the service is not reached before")
	}
	world.Break(meshtest.Lost("dc2", "dc2-1"))
	clock.Advance(time.Minute)
	if reach(0, service) || reach(1, service) {
		t.Fatal("the service is reached without its node")
	}
	move, err := full.HandOver("dc2", "dc2-1", "dc2-2")
	if err != nil {
		t.Fatal(err)
	}
	bring(move.Release)
	if reach(0, service) {
		t.Error("between the steps somebody has it")
	}
	bring(move.Claim)
	if !reach(0, service) || !reach(1, service) || !reach(0, machines[3].Pods[0]) {
		t.Error("the service is not reached afterwards")
	}
}
