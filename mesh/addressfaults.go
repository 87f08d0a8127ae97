package mesh

import (
	"fmt"
	"net/netip"

	"github.com/georedkit/georedkit/geored"
)

// dockerBridge is where Docker puts its bridge on every machine unless it is told otherwise.
var dockerBridge = netip.MustParsePrefix("172.17.0.0/16")

const wireguardCIDR = "wireguardCIDR"

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
		ranges = append(ranges, geored.Range{Site: site.Name, Field: wireguardCIDR, Prefix: site.WireGuardCIDR})
	}
	return ranges
}

// addressFaults finds what shares addresses with a WireGuard range or with Docker's bridge, and endpoints at which no
// packet can arrive from another site. Pods, services and nodes among themselves are the topology's.
func (n Network) addressFaults() geored.Faults {
	var faults geored.Faults
	ranges := n.tunnelRanges()
	carried := newCarried(ranges)
	for _, r := range ranges {
		faults = append(faults, dockerFaults(r)...)
	}
	for _, o := range geored.Overlaps(ranges) {
		if o.A.Field == wireguardCIDR || o.B.Field == wireguardCIDR {
			faults = append(faults, geored.OverlapFaults([]geored.Range{o.A, o.B})...)
		}
	}
	for _, site := range n.Sites {
		for _, node := range site.Nodes {
			faults = append(faults, n.nodeAddressFaults(site.Name, node, carried)...)
		}
	}
	return faults
}

func dockerFaults(r geored.Range) geored.Faults {
	if !r.Prefix.IsValid() || !r.Prefix.Overlaps(dockerBridge) {
		return nil
	}
	return geored.Faults{{Site: r.Site, Field: r.Field, Value: r.Prefix.String(),
		Problem: fmt.Sprintf("shares addresses with Docker's bridge docker0, %s", dockerBridge), Remedy: "use another range"}}
}

func (n Network) nodeAddressFaults(site geored.SiteName, node geored.Node, carried carried) geored.Faults {
	var faults geored.Faults
	ip, e := node.InternalIP.Unmap(), node.Endpoint
	if ip.IsValid() {
		own := geored.Range{Site: site, Prefix: single(ip)}
		for _, r := range carried.holding(ip) {
			if r.Field == wireguardCIDR {
				own.Field = nodeField(node.Name, "internalIP")
				faults = append(faults, geored.OverlapFaults([]geored.Range{r, own})...)
			}
		}
		if dockerBridge.Contains(ip) {
			own.Field = nodeField(node.Name, "internalIP")
			faults = append(faults, dockerFaults(own)...)
		}
	}
	switch {
	case !e.IsValid():
	case !ip.IsValid() || e.Addr() != ip:
		faults = append(faults, carried.endpointFaults(site, nodeField(node.Name, "endpoint"), e)...)
	case e.Port() != n.ListenPort: // no NAT in between that could forward another port
		faults = append(faults, geored.Fault{Site: site, Field: nodeField(node.Name, "endpoint"), Value: e.String(),
			Problem: fmt.Sprintf("is the node's own address, and WireGuard listens at port %d there", n.ListenPort), Remedy: "write that port"})
	}
	return faults
}

// single is the range of one address.
func single(ip netip.Addr) netip.Prefix { return netip.PrefixFrom(ip, ip.BitLen()) }
