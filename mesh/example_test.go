package mesh_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

const twoSites = `
sites:
  - {name: dc1, wireguardCIDR: 10.80.0.0/16, podCIDR: 10.90.0.0/16, serviceCIDR: 10.100.0.0/16}
  - {name: dc2, wireguardCIDR: 10.110.0.0/16, podCIDR: 10.120.0.0/16, serviceCIDR: 10.130.0.0/16}
`

// observed is what a program reads of a site's gateway once WireGuard runs there.
func observed(site, key, wireguardIP, endpoint string) mesh.Gateway {
	public, err := mesh.ParsePublicKey(key)
	if err != nil {
		log.Fatal(err)
	}
	reached, err := geored.ParseEndpoint(endpoint)
	if err != nil {
		log.Fatal(err)
	}
	return mesh.Gateway{Site: geored.SiteName(site), Node: site + "-1", PublicKey: public,
		WireGuardIP: netip.MustParseAddr(wireguardIP), Endpoint: reached}
}

func gatewaysOfTwoSites() []mesh.Gateway {
	return []mesh.Gateway{
		observed("dc1", "Y7tq+Npd9QzsmyVpDDvijkJ37fDd/VvUgpD740XI0yo=", "10.80.0.1", "192.0.2.5:51820"),
		observed("dc2", "IS5x1SP1s7ilMultT/y/XPT4aFrHu7zXM9crqF5yKQQ=", "10.110.0.1", "198.51.100.6:51820"),
	}
}

func layoutOfTwoSites() mesh.Layout {
	network, err := mesh.ParseNetwork([]byte(twoSites))
	if err != nil {
		log.Fatal(err)
	}
	layout, err := mesh.Plan(network, gatewaysOfTwoSites())
	if err != nil {
		log.Fatal(err)
	}
	return layout
}

func ExamplePlan() {
	network, err := mesh.ParseNetwork([]byte(twoSites))
	if err != nil {
		log.Fatal(err)
	}
	layout, err := mesh.Plan(network, gatewaysOfTwoSites())
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range layout.Devices {
		for _, p := range d.Peers {
			fmt.Println(d.Node, "->", p.Node, p.Endpoint, p.AllowedIPs)
		}
	}
	// Output:
	// dc1-1 -> dc2-1 198.51.100.6:51820 [10.110.0.1/32 10.120.0.0/16 10.130.0.0/16]
	// dc2-1 -> dc1-1 192.0.2.5:51820 [10.80.0.1/32 10.90.0.0/16 10.100.0.0/16]
}

// All mistakes come at once, before anything is changed.
func ExampleNetwork_Validate() {
	_, err := mesh.ParseNetwork([]byte(`
sites:
  - {name: dc1, wireguardCIDR: 10.80.0.0/16, podCIDR: 10.90.0.0/16, serviceCIDR: 10.100.0.0/16}
  - {name: dc2, wireguardCIDR: 10.130.0.0/16, podCIDR: 10.120.0.1/16, serviceCIDR: 10.130.0.0/16}
`))
	fmt.Println(err)
	// Output:
	// site dc2: podCIDR 10.120.0.1/16: has host bits set; write 10.120.0.0/16
	// site dc2: serviceCIDR 10.130.0.0/16: is the same as wireguardCIDR 10.130.0.0/16 of site dc2; give each its own addresses
}

func ExampleDevice_Drift() {
	layout := layoutOfTwoSites()
	d, _ := layout.Device("dc1", "")
	state := stateOf(d) // a program reads it with mesh/device.Read
	state.MTU = 1500
	state.Peers[0].AllowedIPs = state.Peers[0].AllowedIPs[:2]
	for _, difference := range d.Drift(state) {
		fmt.Println(difference)
	}
	// Output:
	// mtu is 1500 instead of 1420
	// peer dc2/dc2-1: allowedIPs is 10.110.0.1/32,10.120.0.0/16 instead of 10.110.0.1/32,10.120.0.0/16,10.130.0.0/16
}

func ExampleFull_HandOver() {
	network, err := mesh.ParseNetwork([]byte(`
sites:
  - {name: dc1, wireguardCIDR: 10.80.0.0/16, serviceCIDR: 10.100.0.0/16}
  - {name: dc2, wireguardCIDR: 10.110.0.0/16, serviceCIDR: 10.130.0.0/16}
`))
	if err != nil {
		log.Fatal(err)
	}
	nodes := append(gatewaysOfTwoSites(), observed("dc2", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=", "10.110.0.2", "198.51.100.7:51820"))
	nodes[2].Node = "dc2-2"
	full, err := mesh.PlanFull(network, nodes, mesh.OneOwner)
	if err != nil {
		log.Fatal(err)
	}
	services := netip.MustParsePrefix("10.130.0.0/16")
	move, err := full.HandOver("dc2", "dc2-1", "dc2-2")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("now %q, then %q, then %q\n", full.Owner("dc2", services), move.Release.Owner("dc2", services), move.Claim.Owner("dc2", services))
	// Output: now "dc2-1", then "", then "dc2-2"
}

func ExampleHandshakeFindings() {
	layout := layoutOfTwoSites()
	answers := geored.Ask(context.Background(), mesh.HandshakeTargets(layout), func(_ context.Context, t geored.Target) (mesh.Sample, error) {
		return mesh.Sample{}, fmt.Errorf("connection refused") // a program asks a pod on the gateway
	})
	for _, f := range mesh.HandshakeFindings(layout, answers) {
		fmt.Println(f.Verdict, f.Message)
	}
	// Output:
	// unknown dc1 -> dc2 dc1-1 did not answer: connection refused
	// unknown dc2 -> dc1 dc2-1 did not answer: connection refused
}
