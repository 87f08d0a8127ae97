package mesh

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// Plan lays out one gateway a site: each gateway has one peer per other site, and that peer carries all pods and
// services of its site and its own WireGuard address. The other nodes of a site reach the other sites through their
// gateway. The order of gateways does not matter.
//
// The error is [geored.Faults], all at once, and there is no layout then: faults of the network, sites without a gateway
// or with two, doubled keys, addresses and endpoints, each with both parties named.
func Plan(n Network, gateways []Gateway) (Layout, error) {
	sites := n.index()
	faults := append(n.Faults(), onePerSite(n, gateways)...)
	if err := append(faults, gatewayFaults(n, gateways, sites)...).Err(); err != nil {
		return Layout{}, err
	}
	n = n.WithDefaults()
	peers := make([]Peer, len(gateways))
	for i, g := range gateways {
		site := sites[g.Site]
		peers[i] = n.peer(g, site.Pods, site.Services)
	}
	var l Layout
	for _, own := range gateways {
		d := n.device(own)
		for _, p := range peers {
			if p.Site != own.Site {
				d.Peers = append(d.Peers, p)
			}
		}
		l.Devices = append(l.Devices, d)
	}
	l.sort()
	return l, nil
}

func (n Network) device(g Gateway) Device {
	return Device{Site: g.Site, Node: g.Node, Interface: n.Interface, PublicKey: g.PublicKey,
		Address: single(g.WireGuardIP), ListenPort: n.ListenPort, MTU: n.MTU, Peers: []Peer{}}
}

// peer is a gateway as the other sites see it: its own address and what it carries.
func (n Network) peer(g Gateway, carries ...[]netip.Prefix) Peer {
	all := slices.Concat(append(carries, g.LocationIPs, []netip.Prefix{single(g.WireGuardIP)})...)
	return Peer{Site: g.Site, Node: g.Node, PublicKey: g.PublicKey, Endpoint: g.Endpoint,
		AllowedIPs: slices.Clip(canonical(all)), PersistentKeepalive: n.PersistentKeepalive}
}

// onePerSite finds sites without a gateway, with two, or with another than the one named.
func onePerSite(n Network, gateways []Gateway) geored.Faults {
	var faults geored.Faults
	found := map[geored.SiteName]Gateway{}
	for _, g := range gateways {
		if first, ok := found[g.Site]; ok {
			faults = append(faults, g.fault("site", string(g.Site), fmt.Sprintf("has two gateways, %s and %s", first.Node, g.Node), "choose one"))
			continue
		}
		found[g.Site] = g
	}
	for _, site := range n.Sites {
		g, ok := found[site.Name]
		switch {
		case !ok:
			faults = append(faults, geored.Fault{Site: site.Name, Field: "gateway", Value: site.Gateway, Problem: "was not found", Remedy: "start WireGuard on one node of the site"})
		case site.Gateway != "" && g.Node != site.Gateway:
			faults = append(faults, geored.Fault{Site: site.Name, Field: "gateway", Value: site.Gateway, Problem: "is named, and " + g.Node + " was found", Remedy: "start WireGuard on the node that is named, or name the other"})
		}
	}
	return faults
}
