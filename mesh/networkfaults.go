package mesh

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Validate reports every fault of the network at once, as [geored.Faults]. It needs no connection.
func (n Network) Validate() error { return n.Faults().Err() }

// Faults is [Network.Validate] for callers that add faults of their own: those of the topology, those of the devices'
// common settings, and everything that would make the tunnels fight over an address.
func (n Network) Faults() geored.Faults {
	n = n.WithDefaults()
	faults := n.Topology().Faults()
	faults = append(faults, n.settingFaults()...)
	for _, site := range n.Sites {
		faults = append(faults, site.rangeFaults()...)
		faults = append(faults, site.gatewayFaults()...)
	}
	faults = append(faults, n.nodeNameFaults()...)
	return append(faults, n.addressFaults()...)
}

const (
	minMTU       = 576 // of IPv4, RFC 791
	minMTUv6     = 1280
	maxMTU       = 65535 - 80
	maxKeepalive = 65535 * time.Second // 16 bits in the kernel's interface
	maxInterface = 15
)

func (n Network) settingFaults() geored.Faults {
	var faults geored.Faults
	add := func(field, value, problem, remedy string) {
		faults = append(faults, geored.Fault{Field: field, Value: value, Problem: problem, Remedy: remedy})
	}
	if len(n.Interface) > maxInterface || strings.ContainsAny(n.Interface, "/: \t\n%") || strings.Trim(n.Interface, ".") == "" {
		add("interface", n.Interface, "is no name for a network interface", "use at most 15 letters, digits and dashes")
	}
	low, why := minMTU, "IPv4 needs"
	if n.hasIPv6() {
		low, why = minMTUv6, "IPv6 needs"
	}
	if n.MTU < low || n.MTU > maxMTU {
		add("mtu", strconv.Itoa(n.MTU), fmt.Sprintf("is not in %d, which %s, to %d", low, why, maxMTU), "write that of the underlay less 80")
	}
	if n.PersistentKeepalive < 0 || n.PersistentKeepalive > maxKeepalive || n.PersistentKeepalive%time.Second != 0 {
		add("persistentKeepalive", n.PersistentKeepalive.String(), "is not a whole number of seconds in 1 to 65535", "write 10 s, or leave it out")
	}
	return faults
}

func (n Network) hasIPv6() bool {
	for _, site := range n.Sites {
		for _, p := range slices.Concat(site.Pods, site.Services, []netip.Prefix{site.WireGuardCIDR}) {
			if p.IsValid() && !p.Addr().Unmap().Is4() {
				return true
			}
		}
	}
	return false
}

// rangeFaults holds the range of the WireGuard addresses to the rules of every range, and to the number of nodes.
func (s Site) rangeFaults() geored.Faults {
	if !s.WireGuardCIDR.IsValid() {
		return geored.Faults{{Site: s.Name, Field: "wireguardCIDR", Problem: "is missing", Remedy: "write a private range that nothing else uses"}}
	}
	faults := geored.RangeFaults(s.Name, "wireguardCIDR", []netip.Prefix{s.WireGuardCIDR})
	if room := hosts(s.WireGuardCIDR); room < max(len(s.Nodes), 1) {
		faults = append(faults, geored.Fault{Site: s.Name, Field: "wireguardCIDR", Value: s.WireGuardCIDR.String(),
			Problem: fmt.Sprintf("has room for %d nodes, and the site has %d", room, max(len(s.Nodes), 1)), Remedy: "write a larger range"})
	}
	return faults
}

// hosts is how many interfaces a range has addresses for: neither its first address nor, in IPv4, its last.
func hosts(p netip.Prefix) int {
	bits := p.Addr().BitLen() - p.Bits()
	switch {
	case bits > 30:
		return 1 << 30
	case p.Addr().Is4():
		return max(1<<bits-2, 0)
	}
	return 1<<bits - 1
}

// gatewayFaults are told only of sites whose nodes are known.
func (s Site) gatewayFaults() geored.Faults {
	if len(s.Nodes) == 0 {
		return nil
	}
	named, reachable := s.Gateway == "", false
	for _, node := range s.Nodes {
		if s.Gateway == "" || node.Name == s.Gateway {
			named = true
			reachable = reachable || node.Endpoint.IsValid()
		}
	}
	switch {
	case !named:
		return geored.Faults{{Site: s.Name, Field: "gateway", Value: s.Gateway, Problem: "is none of the site's nodes", Remedy: "name one of them"}}
	case !reachable && s.Gateway != "":
		return geored.Faults{{Site: s.Name, Field: nodeField(s.Gateway, "endpoint"), Problem: "is missing, and the node is the gateway",
			Remedy: "write the address and port at which other sites reach it"}}
	case !reachable:
		return geored.Faults{{Site: s.Name, Field: "nodes", Problem: "no node has an endpoint",
			Remedy: "write the address and port at which other sites reach one of them"}}
	}
	return nil
}

// nodeNameFaults finds nodes of different sites with one name: it is the name of their peers.
func (n Network) nodeNameFaults() geored.Faults {
	var faults geored.Faults
	size := 0
	for _, site := range n.Sites {
		size += len(site.Nodes)
	}
	first := make(map[string]geored.SiteName, size)
	for _, site := range n.Sites {
		for _, node := range site.Nodes {
			if owner, ok := first[node.Name]; !ok {
				first[node.Name] = site.Name
			} else if owner != site.Name {
				faults = append(faults, geored.Fault{Site: site.Name, Field: nodeField(node.Name, "name"), Value: node.Name,
					Problem: "is also a node of site " + string(owner), Remedy: "give each node a name of its own over all sites"})
			}
		}
	}
	return faults
}

func nodeField(node, field string) string { return "nodes[" + node + "]." + field }
