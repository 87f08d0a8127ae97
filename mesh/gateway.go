package mesh

import (
	"fmt"
	"net/netip"

	"github.com/georedkit/georedkit/geored"
)

// Gateway is what was observed of one machine that takes part in the mesh.
type Gateway struct {
	Site        geored.SiteName `json:"site"`
	Node        string          `json:"node"`
	PublicKey   PublicKey       `json:"publicKey"`
	WireGuardIP netip.Addr      `json:"wireguardIP"`           // of its interface, inside the site's WireGuardCIDR
	Endpoint    geored.Endpoint `json:"endpoint"`              // where other sites reach it
	InternalIP  netip.Addr      `json:"internalIP"`            // where the other nodes of its site reach it; zero: unknown
	LocationIPs []netip.Prefix  `json:"locationIPs,omitempty"` // what else is reached through it, outside of the cluster
}

func (g Gateway) String() string { return fmt.Sprintf("node %s of site %s", g.Node, g.Site) }

func (g Gateway) field(name string) string { return "gateway[" + g.Node + "]." + name }

func (g Gateway) fault(field, value, problem, remedy string) geored.Fault {
	return geored.Fault{Site: g.Site, Field: g.field(field), Value: value, Problem: problem, Remedy: remedy}
}

// gatewayFaults are the conflicts of what was observed, with what is wanted and among itself.
func gatewayFaults(n Network, gateways []Gateway) geored.Faults {
	faults := identityFaults(gateways)
	sites := n.index()
	var endpoints []endpointOf
	ranges := n.tunnelRanges()
	for _, g := range gateways {
		site, ok := sites[g.Site]
		if !ok {
			faults = append(faults, g.fault("site", string(g.Site), "is none of the network's sites", "add it, or leave its gateway out"))
			continue
		}
		faults = append(faults, g.faults(site)...)
		endpoints = append(endpoints, endpointOf{g.Site, g.field("endpoint"), g.Endpoint})
		for _, p := range g.LocationIPs {
			ranges = append(ranges, geored.Range{Site: g.Site, Field: g.field("locationIPs"), Prefix: p})
		}
	}
	faults = append(faults, endpointFaults(endpoints, ranges)...)
	return append(faults, locationFaults(gateways, ranges)...)
}

// locationFaults holds what lies behind single nodes against all that the tunnels carry.
func locationFaults(gateways []Gateway, ranges []geored.Range) geored.Faults {
	var faults geored.Faults
	located := map[string]bool{}
	for _, g := range gateways {
		for _, p := range g.LocationIPs { // several of one family are fine here
			faults = append(faults, geored.RangeFaults(g.Site, g.field("locationIPs"), []netip.Prefix{p})...)
			located[g.field("locationIPs")] = true
		}
	}
	if len(located) == 0 {
		return faults
	}
	for _, o := range geored.Overlaps(ranges) {
		if located[o.A.Field] || located[o.B.Field] {
			faults = append(faults, geored.OverlapFaults([]geored.Range{o.A, o.B})...)
		}
	}
	return faults
}

func (g Gateway) faults(site indexedSite) geored.Faults {
	var faults geored.Faults
	if g.Node == "" {
		faults = append(faults, g.fault("node", "", "is missing", "name the node"))
	} else if _, ok := site.byName[g.Node]; len(site.Nodes) > 0 && !ok {
		faults = append(faults, g.fault("node", g.Node, "is none of the site's nodes", "add it to them"))
	}
	if g.PublicKey.IsZero() {
		faults = append(faults, g.fault("publicKey", "", "is missing", "read it from the device"))
	}
	if !g.Endpoint.IsValid() {
		faults = append(faults, g.fault("endpoint", "", "is missing", "write the address and port at which other sites reach it"))
	}
	first := site.WireGuardCIDR.Masked().Addr()
	switch ip := g.WireGuardIP; {
	case !ip.IsValid():
		faults = append(faults, g.fault("wireguardIP", "", "is missing", "read it from the device"))
	case !site.WireGuardCIDR.IsValid(): // told already
	case !site.WireGuardCIDR.Contains(ip):
		faults = append(faults, g.fault("wireguardIP", ip.String(), fmt.Sprintf("lies outside wireguardCIDR %s", site.WireGuardCIDR), "take one inside"))
	case ip == first:
		faults = append(faults, g.fault("wireguardIP", ip.String(), "is the address of the range itself", "take one inside, such as "+first.Next().String()))
	}
	return faults
}

// identityFaults finds gateways that cannot be told apart: a second peer with the same key, and WireGuard forgets the
// first without a word.
func identityFaults(gateways []Gateway) geored.Faults {
	var faults geored.Faults
	nodes, keys := map[string]Gateway{}, map[PublicKey]Gateway{}
	ips, endpoints := map[netip.Addr]Gateway{}, map[geored.Endpoint]Gateway{}
	for _, g := range gateways {
		if first, ok := nodes[g.Node]; ok {
			faults = append(faults, g.fault("node", g.Node, fmt.Sprintf("is also %s", first), "give each node a name of its own over all sites"))
		}
		if first, ok := keys[g.PublicKey]; ok && !g.PublicKey.IsZero() {
			faults = append(faults, g.fault("publicKey", g.PublicKey.String(), fmt.Sprintf("is that of %s", first), "make each node a key of its own"))
		}
		if first, ok := ips[g.WireGuardIP]; ok && g.WireGuardIP.IsValid() {
			faults = append(faults, g.fault("wireguardIP", g.WireGuardIP.String(), fmt.Sprintf("is that of %s", first), "give each node its own"))
		}
		if first, ok := endpoints[g.Endpoint]; ok && g.Endpoint.IsValid() {
			faults = append(faults, g.fault("endpoint", g.Endpoint.String(), fmt.Sprintf("is that of %s", first), "give each node its own address or port"))
		}
		nodes[g.Node], keys[g.PublicKey], ips[g.WireGuardIP], endpoints[g.Endpoint] = g, g, g, g
	}
	return faults
}
