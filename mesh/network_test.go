package mesh_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func TestNetworkWithoutFaults(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5} {
		network, _ := testNetwork(t, n)
		if err := network.Validate(); err != nil {
			t.Errorf("%d sites: %v", n, err)
		}
	}
}

func TestNetworkFaults(t *testing.T) {
	endpoint := func(s string) geored.Endpoint {
		e, err := geored.ParseEndpoint(s)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	cases := map[string]struct {
		spoil func(*mesh.Network)
		words []string
	}{
		"guide l.415: wgCIDR is the service range": {func(n *mesh.Network) { n.Sites[1].WireGuardCIDR = n.Sites[1].Services[0] },
			[]string{"site dc2", "wireguardCIDR 10.131.0.0/16", "serviceCIDR"}},
		"wireguard inside the pods of another site": {func(n *mesh.Network) { n.Sites[1].WireGuardCIDR = netip.MustParsePrefix("10.90.4.0/24") },
			[]string{"site dc1: podCIDR 10.90.0.0/16: contains wireguardCIDR 10.90.4.0/24 of site dc2"}},
		"wireguard over a node": {func(n *mesh.Network) { n.Sites[0].WireGuardCIDR = netip.MustParsePrefix("192.0.2.0/24") },
			[]string{"wireguardCIDR", "nodes[dc2-1].internalIP"}},
		"Kilo's default twice": {func(n *mesh.Network) {
			n.Sites[0].WireGuardCIDR = netip.MustParsePrefix("10.4.0.0/16")
			n.Sites[1].WireGuardCIDR = netip.MustParsePrefix("10.4.0.0/16")
		}, []string{"is the same as wireguardCIDR 10.4.0.0/16 of site dc2"}},
		"host bits":        {func(n *mesh.Network) { n.Sites[0].WireGuardCIDR = netip.MustParsePrefix("10.80.0.1/16") }, []string{"host bits", "10.80.0.0/16"}},
		"missing":          {func(n *mesh.Network) { n.Sites[0].WireGuardCIDR = netip.Prefix{} }, []string{"site dc1: wireguardCIDR: is missing"}},
		"everything":       {func(n *mesh.Network) { n.Sites[0].Pods[0] = netip.MustParsePrefix("0.0.0.0/0") }, []string{"podCIDR 0.0.0.0/0: is every address"}},
		"link-local range": {func(n *mesh.Network) { n.Sites[0].WireGuardCIDR = netip.MustParsePrefix("169.254.7.0/24") }, []string{"wireguardCIDR", "link-local"}},
		"docker0":          {func(n *mesh.Network) { n.Sites[0].Pods[0] = netip.MustParsePrefix("172.16.0.0/12") }, []string{"podCIDR", "docker0"}},
		"too small": {func(n *mesh.Network) {
			n.Sites[0].WireGuardCIDR = netip.MustParsePrefix("10.4.0.0/30")
			n.Sites[0].Nodes = append(n.Sites[0].Nodes, geored.Node{Name: "b"}, geored.Node{Name: "c"})
		}, []string{"room for 2 nodes, and the site has 3"}},
		"node name twice": {func(n *mesh.Network) { n.Sites[1].Nodes[0].Name = "dc1-1" }, []string{"site dc2", "is also a node of site dc1"}},
		"guide l.130: dc1_1": {func(n *mesh.Network) { n.Sites[0].Nodes[0].Name = "dc1_1" },
			[]string{"dc1_1", "not a Kubernetes node name"}},
		"gateway unknown":       {func(n *mesh.Network) { n.Sites[0].Gateway = "dc9" }, []string{"gateway dc9: is none of the site's nodes"}},
		"gateway has no way in": {func(n *mesh.Network) { n.Sites[0].Gateway, n.Sites[0].Nodes[0].Endpoint = "dc1-1", geored.Endpoint{} }, []string{"nodes[dc1-1].endpoint: is missing"}},
		"no node has a way in":  {func(n *mesh.Network) { n.Sites[0].Nodes[0].Endpoint = geored.Endpoint{} }, []string{"site dc1: nodes: no node has an endpoint"}},
		"endpoint in the tunnel": {func(n *mesh.Network) { n.Sites[0].Nodes[0].Endpoint = endpoint("10.91.3.4:51820") },
			[]string{"endpoint 10.91.3.4:51820: lies inside podCIDR 10.91.0.0/16 of site dc2"}},
		"endpoint link-local": {func(n *mesh.Network) { n.Sites[0].Nodes[0].Endpoint = endpoint("169.254.1.1:51820") }, []string{"endpoint", "link-local"}},
		"endpoint of docker":  {func(n *mesh.Network) { n.Sites[0].Nodes[0].Endpoint = endpoint("172.17.0.1:51820") }, []string{"endpoint", "Docker's bridge"}},
		"endpoint twice":      {func(n *mesh.Network) { n.Sites[0].Nodes[0].Endpoint = n.Sites[1].Nodes[0].Endpoint }, []string{"endpoint 192.0.2.2:51820", "site dc1"}},
		"another port":        {func(n *mesh.Network) { n.ListenPort = 51821 }, []string{"192.0.2.1:51820", "listens at port 51821"}},
		"interface name":      {func(n *mesh.Network) { n.Interface = "wireguard-between-sites" }, []string{"interface wireguard-between-sites"}},
		"mtu":                 {func(n *mesh.Network) { n.MTU = 100 }, []string{"mtu 100"}},
		"mtu with IPv6": {func(n *mesh.Network) {
			n.MTU = 1200
			n.Sites[0].Pods = append(n.Sites[0].Pods, netip.MustParsePrefix("fd00:90::/48"))
		}, []string{"mtu 1200", "1280, which IPv6 needs"}},
		"keepalive":       {func(n *mesh.Network) { n.PersistentKeepalive = 1500 * time.Millisecond }, []string{"persistentKeepalive 1.5s"}},
		"keepalive width": {func(n *mesh.Network) { n.PersistentKeepalive = 65536 * time.Second }, []string{"persistentKeepalive"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			network, gateways := testNetwork(t, 3)
			c.spoil(&network)
			wantFault(t, network.Validate(), c.words...)
			if layout, err := mesh.Plan(network, gateways); err == nil || len(layout.Devices) > 0 {
				t.Error("a faulty network was planned")
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	network, _ := testNetwork(t, 5)
	network.MTU = 1
	network.Sites[0].WireGuardCIDR = network.Sites[4].Pods[0]
	network.Sites[2].Nodes[0].Endpoint = geored.Endpoint{}
	err := network.Validate()
	wantFault(t, err, "mtu")
	wantFault(t, err, "site dc1", "dc5", "wireguardCIDR")
	wantFault(t, err, "site dc3", "no node has an endpoint")
	if faults, _ := geored.AsFaults(err); len(faults) != 3 {
		t.Errorf("%d faults instead of 3:\n%v", len(faults), err)
	}
}

func TestParseNetwork(t *testing.T) {
	network, err := mesh.ParseNetwork([]byte(`
mtu: 1380
persistentKeepalive: 25s
sites:
  - {name: dc1, wireguardCIDR: 10.80.0.0/16, podCIDR: "10.90.0.0/16,fd00:90::/48", serviceCIDR: 10.100.0.0/16, gateway: dc1-1,
     nodes: [{name: dc1-1, internalIP: 192.168.1.105, endpoint: "192.168.1.105:51820"}]}
  - {name: dc2, wireguardCIDR: 10.110.0.0/16, podCIDR: 10.120.0.0/16, serviceCIDR: 10.130.0.0/16}
`))
	if err != nil {
		t.Fatal(err)
	}
	site, ok := network.Site("dc1")
	if !ok || site.WireGuardCIDR != netip.MustParsePrefix("10.80.0.0/16") || len(site.Pods) != 2 || site.Gateway != "dc1-1" ||
		network.MTU != 1380 || network.PersistentKeepalive != 25*time.Second {
		t.Errorf("read as %+v", network)
	}
}

func TestParseNetworkFaults(t *testing.T) {
	_, err := mesh.ParseNetwork([]byte(`
listenPort: 70000
persistentKeepalive: "10"
sites:
  - {name: dc1, wireguardCIDR: 10.80.0.0, wgCIDR: 10.80.0.0/16}
`))
	wantFault(t, err, "listenPort 70000")
	wantFault(t, err, "persistentKeepalive 10", "unit")
	wantFault(t, err, "wgCIDR", "unknown key")
	wantFault(t, err, "site dc1: wireguardCIDR 10.80.0.0: is not an address range")
	if faults, _ := geored.AsFaults(err); len(faults) != 4 {
		t.Errorf("%d faults instead of 4:\n%v", len(faults), err)
	}
	_, err = mesh.ParseNetwork([]byte("persistentKeepalive: 0s\n"))
	wantFault(t, err, "persistentKeepalive 0s", "cannot be off")
}

func FuzzParseNetwork(f *testing.F) {
	f.Add([]byte("sites: [{name: dc1, wireguardCIDR: 10.80.0.0/16}]"))
	f.Add([]byte(`{"mtu":"1420","sites":[{"name":"a","wireguardCIDR":"fd00::/64","nodes":[{"name":"n"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		network, err := mesh.ParseNetwork(data)
		if err == nil && network.Validate() != nil {
			t.Errorf("read without a fault, and yet: %v", network.Validate())
		}
	})
}
