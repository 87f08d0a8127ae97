package meshtest_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/meshtest"
)

// t stands for the *testing.T of a test.
type exampleT struct{}

func (exampleT) Helper()                           {}
func (exampleT) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }

// How a unit test of one's own tooling looks: two sites, a firewall that lets nothing back, and an hour in no time.
func ExampleNew() {
	t, ctx := exampleT{}, context.Background()
	layout, keys := exampleLayout()
	clock := geotest.StoppedClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	network := meshtest.New(t, clock,
		meshtest.Machine{Site: "dc1", Node: "dc1-1", Underlay: netip.MustParseAddr("192.0.2.5")},
		meshtest.Machine{Site: "dc2", Node: "dc2-1", Underlay: netip.MustParseAddr("198.51.100.6")})
	if err := network.UpAll(ctx, layout, keys); err != nil {
		t.Fatalf("%v", err)
	}
	prove := func() {
		answers := geored.Ask(ctx, mesh.HandshakeTargets(layout), func(ctx context.Context, target geored.Target) (mesh.Sample, error) {
			return network.Sample(ctx, layout, target)
		})
		for _, f := range mesh.HandshakeFindings(layout, answers) {
			fmt.Println(f.Site, f.To, f.Verdict)
		}
	}
	prove()
	network.Break(meshtest.OneWay("dc2", "dc1"))
	clock.Advance(time.Hour)
	prove()
	// Output:
	// dc1 dc2 pass
	// dc2 dc1 pass
	// dc1 dc2 fail
	// dc2 dc1 fail
}

func exampleLayout() (mesh.Layout, map[mesh.PublicKey]mesh.PrivateKey) {
	network, err := mesh.ParseNetwork([]byte("sites: [{name: dc1, wireguardCIDR: 10.80.0.0/16, podCIDR: 10.90.0.0/16}, {name: dc2, wireguardCIDR: 10.110.0.0/16, podCIDR: 10.120.0.0/16}]"))
	if err != nil {
		log.Fatal(err)
	}
	var gateways []mesh.Gateway
	keys := map[mesh.PublicKey]mesh.PrivateKey{}
	for i, address := range []string{"192.0.2.5:51820", "198.51.100.6:51820"} {
		key, err := mesh.NewPrivateKey(repeated(i + 1))
		if err != nil {
			log.Fatal(err)
		}
		endpoint, err := geored.ParseEndpoint(address)
		if err != nil {
			log.Fatal(err)
		}
		site := network.Sites[i]
		keys[key.Public()] = key
		gateways = append(gateways, mesh.Gateway{Site: site.Name, Node: string(site.Name) + "-1", PublicKey: key.Public(),
			WireGuardIP: site.WireGuardCIDR.Addr().Next(), Endpoint: endpoint})
	}
	layout, err := mesh.Plan(network, gateways)
	if err != nil {
		log.Fatal(err)
	}
	return layout, keys
}
