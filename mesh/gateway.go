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
func gatewayFaults(n Network, gateways []Gateway, sites map[geored.SiteName]indexedSite) geored.Faults {
	faults := identityFaults(gateways)
	tunnel := n.tunnelRanges()
	inTunnel := newCarried(tunnel)
	for _, g := range gateways {
		site, ok := sites[g.Site]
		if !ok {
			faults = append(faults, g.fault("site", string(g.Site), "is none of the network's sites", "add it, or leave its gateway out"))
			continue
		}
		faults = append(faults, g.faults(site)...)
		if g.Endpoint != site.node(g.Node).Endpoint { // else the network was held against it
			faults = append(faults, inTunnel.endpointFaults(g.Site, g.field("endpoint"), g.Endpoint)...)
		}
	}
	return append(faults, locationFaults(gateways, tunnel)...)
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
	size := len(gateways)
	nodes, keys := make(map[string]int, size), make(map[PublicKey]int, size)
	ips, endpoints := make(map[netip.Addr]int, size), make(map[geored.Endpoint]int, size)
	for i, g := range gateways {
		if first, ok := seen(nodes, g.Node, i); ok {
			faults = append(faults, g.fault("node", g.Node, "is also "+gateways[first].String(), "give each node a name of its own over all sites"))
		}
		if first, ok := seen(keys, g.PublicKey, i); ok {
			faults = append(faults, g.fault("publicKey", g.PublicKey.String(), "is that of "+gateways[first].String(), "make each node a key of its own"))
		}
		if first, ok := seen(ips, g.WireGuardIP, i); ok {
			faults = append(faults, g.fault("wireguardIP", g.WireGuardIP.String(), "is that of "+gateways[first].String(), "give each node its own"))
		}
		if first, ok := seen(endpoints, g.Endpoint, i); ok {
			faults = append(faults, g.fault("endpoint", g.Endpoint.String(), "is that of "+gateways[first].String(), "give each node its own address or port"))
		}
	}
	return faults
}

// seen notes where a value stood first. The zero value stands for nothing and is never doubled.
func seen[T comparable](first map[T]int, value T, i int) (int, bool) {
	var none T
	if j, ok := first[value]; ok || value == none {
		return j, ok
	}
	first[value] = i
	return i, false
}
