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
func (n Network) endpointFaults(site Site) geored.Faults {
	var faults geored.Faults
	for _, node := range site.Nodes {
		field := nodeField(node.Name, "endpoint")
		faults = append(faults, endpointFaults(site.Name, field, node.Endpoint, n.tunnelRanges())...)
		if node.Endpoint.IsValid() && node.Endpoint.Addr() == node.InternalIP && node.Endpoint.Port() != n.ListenPort {
			faults = append(faults, geored.Fault{Site: site.Name, Field: field, Value: node.Endpoint.String(),
				Problem: fmt.Sprintf("is the node's own address, and WireGuard listens at port %d there", n.ListenPort), Remedy: "write that port"})
		}
	}
	return faults
}

// endpointFaults holds one endpoint against all that the tunnels carry: a packet to an endpoint inside of it would be
// sent into the tunnel that it is to build.
func endpointFaults(site geored.SiteName, field string, endpoint geored.Endpoint, tunnel []geored.Range) geored.Faults {
	ip := endpoint.Addr().Unmap()
	if !ip.IsValid() {
		return nil
	}
	var faults geored.Faults
	add := func(problem, remedy string) {
		faults = append(faults, geored.Fault{Site: site, Field: field, Value: endpoint.String(), Problem: problem, Remedy: remedy})
	}
	for _, r := range tunnel {
		if r.Prefix.IsValid() && r.Prefix.Contains(ip) {
			add(fmt.Sprintf("lies inside %s %s of site %s, which the tunnel carries", r.Field, r.Prefix, r.Site),
				"write the node's address outside of all pods, services and WireGuard ranges")
		}
	}
	switch {
	case ip.IsLinkLocalUnicast():
		add("is link-local: no other site can reach it", "write the node's public address")
	case dockerBridge.Contains(ip):
		add("is on Docker's bridge, not on the node's network", "write the node's own address")
	}
	return faults
}

// single is the range of one address.
func single(ip netip.Addr) netip.Prefix { return netip.PrefixFrom(ip, ip.BitLen()) }
