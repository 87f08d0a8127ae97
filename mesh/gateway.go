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
	WireGuardIP netip.Addr      `json:"wireguardIP"` // of its interface, inside the site's WireGuardCIDR
	Endpoint    geored.Endpoint `json:"endpoint"`    // where other sites reach it
	InternalIP  netip.Addr      `json:"internalIP"`  // where the other nodes of its site reach it; zero: unknown
}

func (g Gateway) String() string { return fmt.Sprintf("node %s of site %s", g.Node, g.Site) }

func (g Gateway) fault(field, value, problem, remedy string) geored.Fault {
	return geored.Fault{Site: g.Site, Field: fmt.Sprintf("gateway[%s].%s", g.Node, field), Value: value, Problem: problem, Remedy: remedy}
}

// gatewayFaults are the conflicts of what was observed, with what is wanted and among itself.
func gatewayFaults(n Network, gateways []Gateway) geored.Faults {
	faults := identityFaults(gateways)
	tunnel := n.tunnelRanges()
	for _, g := range gateways {
		site, ok := n.Site(g.Site)
		if !ok {
			faults = append(faults, g.fault("site", string(g.Site), "is none of the network's sites", "add it, or leave its gateway out"))
			continue
		}
		faults = append(faults, g.faults(site)...)
		faults = append(faults, endpointFaults(g.Site, fmt.Sprintf("gateway[%s].endpoint", g.Node), g.Endpoint, tunnel)...)
	}
	return faults
}

func (g Gateway) faults(site Site) geored.Faults {
	var faults geored.Faults
	if g.Node == "" {
		faults = append(faults, g.fault("node", "", "is missing", "name the node"))
	} else if len(site.Nodes) > 0 && !site.hasNode(g.Node) {
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

func (s Site) hasNode(name string) bool {
	for _, node := range s.Nodes {
		if node.Name == name {
			return true
		}
	}
	return false
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
