package mesh_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// testKey is a key that is the same in every run.
func testKey(t testing.TB, n int) mesh.PrivateKey {
	t.Helper()
	k, err := mesh.NewPrivateKey(seeded(n))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

type seeded int

func (s seeded) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(int(s)>>(8*(i%4))) + byte(i) + 1
	}
	return len(p), nil
}

// testNetwork is n sites as the guide plans them: three /16 ranges each, one node.
func testNetwork(t testing.TB, n int) (mesh.Network, []mesh.Gateway) {
	t.Helper()
	var network mesh.Network
	var gateways []mesh.Gateway
	for i := range n {
		name := fmt.Sprintf("dc%d", i+1)
		endpoint, err := geored.ParseEndpoint(fmt.Sprintf("192.0.2.%d:51820", i+1))
		if err != nil {
			t.Fatal(err)
		}
		prefix := func(third int) netip.Prefix { return netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", third+i)) }
		site := mesh.Site{Site: geored.Site{Name: geored.SiteName(name),
			Pods: []netip.Prefix{prefix(90)}, Services: []netip.Prefix{prefix(130)},
			Nodes: []geored.Node{{Name: name + "-1", Endpoint: endpoint, InternalIP: endpoint.Addr()}}}, WireGuardCIDR: prefix(170)}
		network.Sites = append(network.Sites, site)
		gateways = append(gateways, mesh.Gateway{Site: site.Name, Node: name + "-1", PublicKey: testKey(t, i+1).Public(),
			WireGuardIP: site.WireGuardCIDR.Addr().Next(), Endpoint: endpoint, InternalIP: endpoint.Addr()})
	}
	return network, gateways
}

// wantFault fails unless one of the faults holds all the words, and shows what was said instead.
func wantFault(t *testing.T, err error, words ...string) {
	t.Helper()
	faults, ok := geored.AsFaults(err)
	if !ok {
		t.Fatalf("got %v, want faults", err)
	}
	for _, f := range faults {
		if containsAll(f.Error(), words) {
			return
		}
	}
	t.Errorf("no fault says %q, but:\n%v", words, err)
}
