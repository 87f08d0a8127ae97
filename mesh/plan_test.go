package mesh_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

func TestPlanGivesEachGatewayOnePeerPerOtherSite(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5} {
		network, gateways := testNetwork(t, n)
		layout, err := mesh.Plan(network, gateways)
		if err != nil {
			t.Fatal(err)
		}
		if len(layout.Devices) != n {
			t.Fatalf("%d devices for %d sites", len(layout.Devices), n)
		}
		for i, d := range layout.Devices {
			if len(d.Peers) != n-1 {
				t.Errorf("%s has %d peers", d.Site, len(d.Peers))
			}
			var want []netip.Prefix
			for j, site := range network.Sites {
				if j != i {
					want = append(want, site.Pods[0], site.Services[0], netip.PrefixFrom(gateways[j].WireGuardIP, 32))
				}
			}
			slices.SortFunc(want, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
			if !slices.Equal(d.Routes(), want) {
				t.Errorf("%s routes %v instead of %v", d.Site, d.Routes(), want)
			}
		}
	}
}

func TestPlanDualStackAndDefaults(t *testing.T) {
	network, gateways := testNetwork(t, 2)
	network.Sites[1].Pods = append(network.Sites[1].Pods, netip.MustParsePrefix("fd00:91::/48"))
	layout, err := mesh.Plan(network, gateways)
	if err != nil {
		t.Fatal(err)
	}
	d, _ := layout.Device("dc1", "")
	if got := d.Peers[0].AllowedIPs; !slices.Equal(got, []netip.Prefix{netip.MustParsePrefix("10.91.0.0/16"),
		netip.MustParsePrefix("10.131.0.0/16"), netip.MustParsePrefix("10.171.0.1/32"), netip.MustParsePrefix("fd00:91::/48")}) {
		t.Errorf("allowed IPs %v", got)
	}
	if d.Interface != "wg0" || d.ListenPort != 51820 || d.MTU != 1420 || d.Peers[0].PersistentKeepalive != mesh.DefaultPersistentKeepalive ||
		d.Address != netip.MustParsePrefix("10.170.0.1/32") || d.PublicKey != gateways[0].PublicKey {
		t.Errorf("device %+v", d)
	}
}

func TestPlanDoesNotDependOnOrder(t *testing.T) {
	network, gateways := testNetwork(t, 5)
	want, err := mesh.Plan(network, gateways)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		rand.Shuffle(len(gateways), func(i, j int) { gateways[i], gateways[j] = gateways[j], gateways[i] })
		rand.Shuffle(5, func(i, j int) { network.Sites[i], network.Sites[j] = network.Sites[j], network.Sites[i] })
		if got, err := mesh.Plan(network, gateways); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("another layout for another order: %v", err)
		}
	}
}

func TestPlanFaults(t *testing.T) {
	cases := map[string]struct {
		spoil func(*mesh.Network, []mesh.Gateway) []mesh.Gateway
		words []string
	}{
		"missing":       {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { return g[:2] }, []string{"site dc3: gateway: was not found"}},
		"two of a site": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { g[1].Site = "dc1"; return g }, []string{"site dc1", "two gateways, dc1-1 and dc2-1"}},
		"unknown site":  {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { g[1].Site = "dc9"; return g }, []string{"site dc9", "none of the network's sites"}},
		"not the named one": {func(n *mesh.Network, g []mesh.Gateway) []mesh.Gateway {
			n.Sites[0].Nodes = nil
			n.Sites[0].Gateway = "dc1-2"
			return g
		}, []string{"site dc1: gateway dc1-2", "dc1-1 was found"}},
		"unknown node": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { g[0].Node = "dc1-9"; return g }, []string{"dc1-9", "none of the site's nodes"}},
		"no node":      {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { g[0].Node = ""; return g }, []string{"node: is missing"}},
		"doubled node": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { g[1].Node = "dc1-1"; return g }, []string{"site dc2", "is also node dc1-1 of site dc1"}},
		"doubled key": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { g[2].PublicKey = g[0].PublicKey; return g },
			[]string{"site dc3", "publicKey", "is that of node dc1-1 of site dc1"}},
		"no key":           {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { g[0].PublicKey = mesh.PublicKey{}; return g }, []string{"publicKey: is missing"}},
		"doubled endpoint": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { g[1].Endpoint = g[0].Endpoint; return g }, []string{"site dc2", "endpoint", "node dc1-1 of site dc1"}},
		"no endpoint":      {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { g[1].Endpoint = geored.Endpoint{}; return g }, []string{"gateway[dc2-1].endpoint: is missing"}},
		"doubled address":  {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { g[1].WireGuardIP = g[0].WireGuardIP; return g }, []string{"wireguardIP 10.170.0.1: is that of node dc1-1"}},
		"address elsewhere": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway {
			g[1].WireGuardIP = netip.MustParseAddr("10.80.0.1")
			return g
		}, []string{"site dc2", "outside wireguardCIDR 10.171.0.0/16"}},
		"range's own": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway {
			g[1].WireGuardIP = netip.MustParseAddr("10.171.0.0")
			return g
		}, []string{"is the address of the range itself"}},
		"no address": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway { g[1].WireGuardIP = netip.Addr{}; return g }, []string{"wireguardIP: is missing"}},
		"endpoint in the tunnel": {func(_ *mesh.Network, g []mesh.Gateway) []mesh.Gateway {
			g[1].Endpoint, _ = geored.ParseEndpoint("10.132.0.7:51820")
			return g
		}, []string{"gateway[dc2-1].endpoint 10.132.0.7:51820", "serviceCIDR 10.132.0.0/16 of site dc3"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			network, gateways := testNetwork(t, 3)
			gateways = c.spoil(&network, gateways)
			layout, err := mesh.Plan(network, gateways)
			wantFault(t, err, c.words...)
			if len(layout.Devices) > 0 {
				t.Error("a layout came with the faults")
			}
		})
	}
}

func TestLayoutJSON(t *testing.T) {
	network, gateways := testNetwork(t, 3)
	layout, err := mesh.Plan(network, gateways)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(layout)
	if err != nil {
		t.Fatal(err)
	}
	var back mesh.Layout
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, layout) {
		t.Errorf("read back as %+v, %v", back, err)
	}
	for i := range gateways {
		if strings.Contains(string(data), testKey(t, i+1).Reveal()) {
			t.Error("a private key is in the JSON")
		}
	}
	const first = `{"devices":[{"site":"dc1","node":"dc1-1","interface":"wg0","publicKey":"`
	if !strings.HasPrefix(string(data), first) {
		t.Errorf("JSON begins with %.90s", data)
	}
}
