package kilo_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
)

// clusters are sites of two nodes each as Kilo tells of them, with a tunnel on every node.
func clusters(t testing.TB, sites int) (mesh.Network, []kilo.Node) {
	t.Helper()
	var n mesh.Network
	var nodes []kilo.Node
	for i := range sites {
		name := geored.SiteName(fmt.Sprintf("dc%d", i+1))
		site := mesh.Site{WireGuardCIDR: netip.MustParsePrefix(fmt.Sprintf("10.8%d.0.0/16", i)), Site: geored.Site{Name: name,
			Pods:     []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.9%d.0.0/16", i))},
			Services: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.13%d.0.0/16", i))}}}
		for j := 1; j <= 2; j++ {
			key, err := mesh.NewPrivateKey(repeated(10*i + j))
			must(t, key, err)
			endpoint, err := geored.ParseEndpoint(fmt.Sprintf("203.0.113.%d:51820", 10*i+j))
			must(t, endpoint, err)
			nodes = append(nodes, kilo.Node{Site: name, Name: fmt.Sprintf("%s-%d", name, j), Endpoint: endpoint, Key: key.Public(), LastSeen: now,
				InternalIP:  netip.MustParsePrefix(fmt.Sprintf("192.168.%d.%d/24", i, j)),
				WireGuardIP: netip.MustParsePrefix(fmt.Sprintf("10.8%d.0.%d/16", i, j)), Granularity: kilo.ByNode,
				PodCIDRs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.9%d.%d.0/24", i, j))}})
		}
		n.Sites = append(n.Sites, site)
	}
	return n, nodes
}

// byLocation makes dc2 one location with its second node as the leader.
func byLocation(nodes []kilo.Node) {
	for i := range nodes {
		if nodes[i].Site == "dc2" {
			nodes[i].Granularity = kilo.ByLocation
			nodes[i].WireGuardIP = netip.Prefix{}
		}
	}
	nodes[3].WireGuardIP = netip.MustParsePrefix("10.81.0.1/16")
}

func allowed(full mesh.Full, seenFrom geored.SiteName) map[string]string {
	carries := map[string]string{}
	for _, p := range full.Peers(seenFrom) {
		carries[p.Node] = fmt.Sprint(p.AllowedIPs)
	}
	return carries
}

func TestPlanByNode(t *testing.T) {
	n, nodes := clusters(t, 3)
	full, err := kilo.Plan(n, nodes, mesh.OneOwner)
	if err != nil {
		t.Fatal(err)
	}
	got := allowed(full, "dc1")
	if len(got) != 4 || got["dc2-1"] != "[10.81.0.1/32 10.91.1.0/24 10.131.0.0/16]" || got["dc2-2"] != "[10.81.0.2/32 10.91.2.0/24]" {
		t.Errorf("%v", got)
	}
	d, ok := full.Device("dc1", "dc1-2")
	if !ok || d.Address.String() != "10.80.0.2/32" || len(d.Peers) != 4 {
		t.Errorf("%+v", d)
	}
}

func TestPlanByLocation(t *testing.T) {
	n, nodes := clusters(t, 2)
	byLocation(nodes)
	full, err := kilo.Plan(n, nodes, mesh.OneOwner)
	if err != nil {
		t.Fatal(err)
	}
	if got := allowed(full, "dc1"); len(got) != 1 || got["dc2-2"] != "[10.81.0.1/32 10.91.0.0/16 10.131.0.0/16]" {
		t.Errorf("one leader carries the whole site: %v", got)
	}
	// Two locations: each leader carries its own nodes' pods, and one of them what is shared.
	nodes[2].Location, nodes[3].Location = "rack1", "rack2"
	nodes[2].WireGuardIP = netip.MustParsePrefix("10.81.0.2/16")
	nodes[2].AllowedLocationIPs = []netip.Prefix{netip.MustParsePrefix("172.30.1.0/24")}
	if full, err = kilo.Plan(n, nodes, mesh.OneOwner); err != nil {
		t.Fatal(err)
	}
	if got := allowed(full, "dc1"); len(got) != 2 || got["dc2-1"] != "[10.81.0.2/32 10.91.1.0/24 10.131.0.0/16 172.30.1.0/24]" || got["dc2-2"] != "[10.81.0.1/32 10.91.2.0/24]" {
		t.Errorf("%v", got)
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	for want, spoil := range map[string]func(*mesh.Network, []kilo.Node){
		"has 0 leaders": func(_ *mesh.Network, nodes []kilo.Node) {
			byLocation(nodes)
			nodes[3].WireGuardIP = netip.Prefix{}
		},
		"has 2 leaders": func(_ *mesh.Network, nodes []kilo.Node) {
			byLocation(nodes)
			nodes[2].WireGuardIP = netip.MustParsePrefix("10.81.0.2/16")
		},
		"is not that of the site's other nodes": func(_ *mesh.Network, nodes []kilo.Node) { nodes[3].Granularity = kilo.ByLocation },
		"gateway[dc2-2].publicKey: is missing":  func(_ *mesh.Network, nodes []kilo.Node) { nodes[3].Key = mesh.PublicKey{} },
		"is not the one that Kilo tells of, 203.0.113.1:51820": func(n *mesh.Network, _ []kilo.Node) {
			endpoint, _ := geored.ParseEndpoint("203.0.113.99:51820")
			n.Sites[0].Nodes = []geored.Node{{Name: "dc1-1", Endpoint: endpoint}}
		},
		"lies outside wireguardCIDR": func(_ *mesh.Network, nodes []kilo.Node) { nodes[0].WireGuardIP = netip.MustParsePrefix("10.4.0.1/16") },
	} {
		n, nodes := clusters(t, 2)
		spoil(&n, nodes)
		_, err := kilo.Plan(n, nodes, mesh.OneOwner)
		faults, ok := geored.AsFaults(err)
		if !ok {
			t.Errorf("%s: %v", want, err)
			continue
		}
		wantFault(t, faults, want)
	}
}

func TestPlanLeavesItsInputAlone(t *testing.T) {
	n, nodes := clusters(t, 2)
	endpoint := nodes[0].Endpoint
	n.Sites[0].Nodes = []geored.Node{{Name: "dc1-1", Endpoint: endpoint}}
	if _, err := kilo.Plan(n, nodes, mesh.OneOwner); err != nil {
		t.Fatal(err)
	}
	if len(n.Sites[0].Nodes) != 1 || len(n.Sites[1].Nodes) != 0 {
		t.Errorf("%+v", n.Sites)
	}
}

func TestUnsettled(t *testing.T) {
	for want, spoil := range map[string]func([]kilo.Node){
		"":                               func([]kilo.Node) {},
		"node dc1-2: it has no public k": func(nodes []kilo.Node) { nodes[1].Key = mesh.PublicKey{} },
		"node dc1-1: Kilo checked in":    func(nodes []kilo.Node) { nodes[0].LastSeen = now.Add(-time.Minute) },
		"its clock is ahead":             func(nodes []kilo.Node) { nodes[1].LastSeen = now.Add(time.Minute) },
		"no WireGuard address yet":       func(nodes []kilo.Node) { nodes[0].WireGuardIP = netip.Prefix{} },
		"lies outside wireguardCIDR":     func(nodes []kilo.Node) { nodes[1].WireGuardIP = netip.MustParsePrefix("10.4.0.1/16") },
		"is that of node dc1-1 too":      func(nodes []kilo.Node) { nodes[1].WireGuardIP = nodes[0].WireGuardIP },
		"is not that of the site's oth":  func(nodes []kilo.Node) { nodes[1].Granularity = kilo.ByLocation },
		"no node was read":               func(nodes []kilo.Node) { nodes[0].Site, nodes[1].Site = "dc9", "dc9" },
	} {
		n, nodes := clusters(t, 2)
		spoil(nodes)
		if got := kilo.Unsettled(n.Sites[0], nodes, now); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// kept is the interface of dc1-1 as Kilo keeps it: the plan, and what it adds for dc1-2.
func kept(d mesh.Device, nodes []kilo.Node) mesh.DeviceState {
	s := mesh.DeviceState{Interface: "kilo0", PublicKey: d.PublicKey, ListenPort: nodes[0].Endpoint.Port(), MTU: d.MTU, Up: true,
		Addresses: []netip.Prefix{nodes[0].WireGuardIP}, Routes: append(d.Routes(), netip.MustParsePrefix("10.90.2.0/24"), netip.MustParsePrefix("192.168.0.2/32")), SampledAt: now}
	for _, p := range d.Peers {
		s.Peers = append(s.Peers, mesh.PeerState{PublicKey: p.PublicKey, Endpoint: p.Endpoint, AllowedIPs: p.AllowedIPs, PersistentKeepalive: p.PersistentKeepalive})
	}
	s.Peers = append(s.Peers, mesh.PeerState{PublicKey: nodes[1].Key, Endpoint: nodes[1].Endpoint, AllowedIPs: nodes[1].PodCIDRs})
	slices.SortFunc(s.Routes, mesh.ComparePrefixes)
	return s
}

func TestDeviceDrift(t *testing.T) {
	for want, change := range map[string]func(*mesh.DeviceState){
		"":                                  func(*mesh.DeviceState) {},
		"listenPort is 1 instead of 4711":   func(s *mesh.DeviceState) { s.ListenPort = 1 },
		"peer dc2/dc2-1: publicKey is miss": func(s *mesh.DeviceState) { s.Peers = s.Peers[1:] },
		"and should not be":                 func(s *mesh.DeviceState) { s.Peers[2].PublicKey = mesh.PublicKeyFrom([32]byte{1}) },
		"allowedIPs is 10.81.0.1/32":        func(s *mesh.DeviceState) { s.Peers[0].AllowedIPs = s.Peers[0].AllowedIPs[:1] },
		"routes is": func(s *mesh.DeviceState) {
			s.Routes = slices.DeleteFunc(s.Routes, func(p netip.Prefix) bool { return p.Addr().String() == "10.131.0.0" })
		},
		"addresses is 10.80.0.9/32":         func(s *mesh.DeviceState) { s.Addresses[0] = netip.MustParsePrefix("10.80.0.9/16") },
		"mtu is 1400 instead of 1420":       func(s *mesh.DeviceState) { s.MTU = 1400 },
		"peer dc2/dc2-2: persistentKeepali": func(s *mesh.DeviceState) { s.Peers[1].PersistentKeepalive = 0 },
	} {
		n, nodes := clusters(t, 2)
		nodes[0].Endpoint, _ = geored.ParseEndpoint("203.0.113.1:4711")
		full, err := kilo.Plan(n, nodes, mesh.OneOwner)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := full.Device("dc1", "dc1-1")
		s := kept(d, nodes)
		change(&s)
		drift := kilo.DeviceDrift(d, n.Sites[0], nodes, s)
		if (want == "") != (len(drift) == 0) || want != "" && !strings.Contains(drift[0].String(), want) {
			t.Errorf("%v, want %q", drift, want)
		}
	}
}
