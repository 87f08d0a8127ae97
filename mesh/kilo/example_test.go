package kilo_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/netip"
	"os"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
)

func ExamplePeers() {
	key, err := mesh.ParsePublicKey("IS5x1SP1s7ilMultT/y/XPT4aFrHu7zXM9crqF5yKQQ=")
	if err != nil {
		log.Fatal(err)
	}
	endpoint, err := geored.ParseEndpoint("198.51.100.6:51820")
	if err != nil {
		log.Fatal(err)
	}
	d := mesh.Device{Site: "dc1", Peers: []mesh.Peer{{Site: "dc2", Node: "dc2-1", PublicKey: key, Endpoint: endpoint,
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.120.0.0/16")}}}}
	if err := json.NewEncoder(os.Stdout).Encode(kilo.Peers(d)[0]); err != nil {
		log.Fatal(err)
	}
	// Output: {"apiVersion":"kilo.squat.ai/v1alpha1","kind":"Peer","metadata":{"name":"dc2-1"},"spec":{"allowedIPs":["10.120.0.0/16"],"endpoint":{"dnsOrIP":{"ip":"198.51.100.6"},"port":51820},"publicKey":"IS5x1SP1s7ilMultT/y/XPT4aFrHu7zXM9crqF5yKQQ="}}
}

// Two peers that list the services of their site: one gets them, and Kilo says nothing.
func ExampleLosses() {
	peers := []kilo.Peer{
		{Metadata: kilo.Metadata{Name: "dc2-1"}, Spec: kilo.PeerSpec{PublicKey: "a", AllowedIPs: []string{"10.120.0.0/24", "10.130.0.0/16"}}},
		{Metadata: kilo.Metadata{Name: "dc2-2"}, Spec: kilo.PeerSpec{PublicKey: "b", AllowedIPs: []string{"10.120.1.0/24", "10.130.0.0/16"}}},
	}
	for _, loss := range kilo.Losses(peers) {
		fmt.Printf("%s loses %s to %s: %s\n", loss.Peer, loss.Prefix, loss.To, loss.Why)
	}
	// Output: dc2-2 loses 10.130.0.0/16 to dc2-1: Kilo leaves it with the first peer by name
}

func ExampleLint() {
	faults := kilo.Lint(map[string][]byte{
		"kilo_dc2_part1.json": []byte(`{"config": {"multidatacenter": {"wgCIDR": "10.110.0.0/16"}, "peers": []}}`),
		"kilo_dc2_part2.json": []byte(`{"config": {"multidatacenter": {"wgCIDR": "10.130.0.0/16"}, "peers": []}}`),
	}, kilo.Facts{})
	fmt.Println(faults)
	// Output: site dc2: kilo_dc2_part2.json: config.multidatacenter.wgCIDR 10.130.0.0/16: is not that of part 1, 10.110.0.0/16: applying it gives every node another WireGuard address; write that of part 1
}
