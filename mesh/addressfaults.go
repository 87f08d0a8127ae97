package mesh

import (
	"fmt"
	"net/netip"

	"github.com/georedkit/georedkit/geored"
)

// dockerBridge is where Docker puts its bridge on every machine unless it is told otherwise.
var dockerBridge = netip.MustParsePrefix("172.17.0.0/16")

// tunnelRanges are what the tunnels carry: the pods, services and WireGuard addresses of every site.
func (n Network) tunnelRanges() []geored.Range {
	var ranges []geored.Range
	for _, site := range n.Sites {
		for _, p := range site.Pods {
			ranges = append(ranges, geored.Range{Site: site.Name, Field: "podCIDR", Prefix: p})
		}
		for _, p := range site.Services {
			ranges = append(ranges, geored.Range{Site: site.Name, Field: "serviceCIDR", Prefix: p})
		}
		ranges = append(ranges, geored.Range{Site: site.Name, Field: "wireguardCIDR", Prefix: site.WireGuardCIDR})
	}
	return ranges
}

// overlapFaults finds what shares addresses with a WireGuard range or with Docker's bridge. Pods, services and nodes
// among themselves are the topology's.
func (n Network) overlapFaults() geored.Faults {
	ranges := n.tunnelRanges()
	for _, site := range n.Sites {
		for _, node := range site.Nodes {
			if ip := node.InternalIP.Unmap(); ip.IsValid() {
				ranges = append(ranges, geored.Range{Site: site.Name, Field: nodeField(node.Name, "internalIP"), Prefix: single(ip)})
			}
		}
	}
	var faults geored.Faults
	for _, r := range ranges {
		if r.Prefix.IsValid() && r.Prefix.Overlaps(dockerBridge) {
			faults = append(faults, geored.Fault{Site: r.Site, Field: r.Field, Value: r.Prefix.String(),
				Problem: fmt.Sprintf("shares addresses with Docker's bridge docker0, %s", dockerBridge), Remedy: "use another range"})
		}
	}
	for _, o := range geored.Overlaps(ranges) {
		if o.A.Field == "wireguardCIDR" || o.B.Field == "wireguardCIDR" {
			faults = append(faults, geored.OverlapFaults([]geored.Range{o.A, o.B})...)
		}
	}
	return faults
}

// endpointFaults finds endpoints at which no packet can arrive from another site.
func (n Network) endpointFaults() geored.Faults {
	var faults geored.Faults
	var endpoints []endpointOf
	for _, site := range n.Sites {
		for _, node := range site.Nodes {
			if !node.Endpoint.IsValid() {
				continue
			}
			field := nodeField(node.Name, "endpoint")
			endpoints = append(endpoints, endpointOf{site.Name, field, node.Endpoint})
			if node.Endpoint.Addr() == node.InternalIP && node.Endpoint.Port() != n.ListenPort {
				faults = append(faults, geored.Fault{Site: site.Name, Field: field, Value: node.Endpoint.String(),
					Problem: fmt.Sprintf("is the node's own address, and WireGuard listens at port %d there", n.ListenPort), Remedy: "write that port"})
			}
		}
	}
	return append(faults, endpointFaults(endpoints, n.tunnelRanges())...)
}

// endpointOf is an endpoint with its owner.
type endpointOf struct {
	site     geored.SiteName
	field    string
	endpoint geored.Endpoint
}

func (e endpointOf) fault(problem, remedy string) geored.Fault {
	return geored.Fault{Site: e.site, Field: e.field, Value: e.endpoint.String(), Problem: problem, Remedy: remedy}
}

// endpointFaults holds endpoints against all that the tunnels carry: a packet to an endpoint inside of it would be sent
// into the tunnel that it is to build.
func endpointFaults(endpoints []endpointOf, tunnel []geored.Range) geored.Faults {
	var faults geored.Faults
	all := append(make([]geored.Range, 0, len(tunnel)+len(endpoints)), tunnel...)
	byRange := make(map[geored.Range]endpointOf, len(endpoints))
	for _, e := range endpoints {
		ip := e.endpoint.Addr().Unmap()
		switch {
		case !ip.IsValid():
			continue
		case ip.IsLinkLocalUnicast():
			faults = append(faults, e.fault("is link-local: no other site can reach it", "write the node's public address"))
		case dockerBridge.Contains(ip):
			faults = append(faults, e.fault("is on Docker's bridge, not on the node's network", "write the node's own address"))
		}
		r := geored.Range{Site: e.site, Field: e.field, Prefix: single(ip)}
		byRange[r] = e
		all = append(all, r)
	}
	for _, o := range geored.Overlaps(all) {
		inner, carried := o.B, o.A
		e, ok := byRange[inner]
		if !ok { // the range of one address stands after the endpoint
			inner, carried = o.A, o.B
			e, ok = byRange[inner]
		}
		if _, both := byRange[carried]; ok && !both {
			faults = append(faults, e.fault(fmt.Sprintf("lies inside %s %s of site %s, which the tunnel carries", carried.Field, carried.Prefix, carried.Site),
				"write the node's address outside of all pods, services and WireGuard ranges"))
		}
	}
	return faults
}

// single is the range of one address.
func single(ip netip.Addr) netip.Prefix { return netip.PrefixFrom(ip, ip.BitLen()) }
