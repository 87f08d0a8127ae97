package geored

import (
	"fmt"
	"net/netip"
)

// Topology is the sites of one deployment, in the order in which they were named.
type Topology struct{ Sites []Site }

// Validate reports every fault of the topology at once, as [Faults], in the order of its sites: names, kubeconfigs,
// ranges that are not canonical or share addresses with any other range of any site, and nodes that do not fit their
// site. It makes no connection.
func (t Topology) Validate() error { return t.Faults().Err() }

// Faults is [Topology.Validate] for callers that add faults of their own.
func (t Topology) Faults() Faults {
	var faults Faults
	if len(t.Sites) == 0 {
		faults = append(faults, Fault{Field: "sites", Problem: "names no site", Remedy: "list at least one"})
	}
	faults = append(faults, identityFaults(t.Sites)...)
	for _, site := range t.Sites {
		faults = append(faults, site.faults()...)
	}
	return append(faults, OverlapFaults(t.ranges())...)
}

// ranges are all that must be disjoint; a node's slice lies inside its site's pods on purpose and is checked there.
func (t Topology) ranges() []Range {
	var ranges []Range
	for _, site := range t.Sites {
		for _, p := range site.Pods {
			ranges = append(ranges, Range{site.Name, "podCIDR", p})
		}
		for _, p := range site.Services {
			ranges = append(ranges, Range{site.Name, "serviceCIDR", p})
		}
		for _, n := range site.Nodes {
			if n.InternalIP.IsValid() {
				ip := n.InternalIP.Unmap()
				ranges = append(ranges, Range{site.Name, nodeField(n, "internalIP"), netip.PrefixFrom(ip, ip.BitLen())})
			}
		}
	}
	return ranges
}

// OverlapFaults turns every pair of ranges that share addresses into a fault that names both parties.
func OverlapFaults(ranges []Range) Faults {
	var faults Faults
	for _, o := range Overlaps(ranges) {
		verb := "contains"
		if o.A.Prefix.Masked() == o.B.Prefix.Masked() {
			verb = "is the same as"
		}
		faults = append(faults, Fault{
			Site: o.A.Site, Field: o.A.Field, Value: o.A.Prefix.String(),
			Problem: fmt.Sprintf("%s %s %s of site %s", verb, o.B.Field, o.B.Prefix, o.B.Site),
			Remedy:  "give each its own addresses",
		})
	}
	return faults
}

// identityFaults finds sites that cannot be told apart.
func identityFaults(sites []Site) Faults {
	var faults Faults
	names := map[SiteName]bool{}
	clusters := map[KubeRef]SiteName{}
	endpoints := map[Endpoint]string{}
	for _, site := range sites {
		if names[site.Name] {
			faults = append(faults, Fault{Site: site.Name, Field: "name", Value: string(site.Name),
				Problem: "stands twice", Remedy: "give each site its own"})
		}
		names[site.Name] = true
		if first, ok := clusters[site.Kube]; ok && site.Kube.Kubeconfig != "" {
			faults = append(faults, Fault{Site: site.Name, Field: "kubeconfig", Value: site.Kube.Kubeconfig,
				Problem: "and context are those of site " + string(first), Remedy: "name another cluster or context"})
		} else {
			clusters[site.Kube] = site.Name
		}
		for _, node := range site.Nodes {
			if first, ok := endpoints[node.Endpoint]; ok && node.Endpoint.IsValid() {
				faults = append(faults, Fault{Site: site.Name, Field: nodeField(node, "endpoint"), Value: node.Endpoint.String(),
					Problem: "is that of " + first, Remedy: "give each node its own address or port"})
			} else {
				endpoints[node.Endpoint] = fmt.Sprintf("node %s of site %s", node.Name, site.Name)
			}
		}
	}
	return faults
}

func (s Site) faults() Faults {
	var faults Faults
	if !s.Name.IsValid() {
		faults = append(faults, Fault{Site: s.Name, Field: "name", Value: string(s.Name), Problem: "is not a DNS-1123 label",
			Remedy: "use at most 63 lower-case letters, digits and dashes, beginning and ending with a letter or digit"})
	}
	faults = append(faults, RangeFaults(s.Name, "podCIDR", s.Pods)...)
	faults = append(faults, RangeFaults(s.Name, "serviceCIDR", s.Services)...)
	return append(faults, s.nodeFaults()...)
}

// RangeFaults holds the prefixes of one field to the rules for every range of a site: canonical, unicast, at most one
// per address family.
func RangeFaults(site SiteName, field string, prefixes []netip.Prefix) Faults {
	var faults Faults
	families := map[int]bool{}
	for _, p := range prefixes {
		add := func(problem, remedy string) {
			faults = append(faults, Fault{Site: site, Field: field, Value: p.String(), Problem: problem, Remedy: remedy})
		}
		switch {
		case !p.IsValid():
			add("is not an address range", "write address/bits")
			continue
		case p.Addr().Is4In6():
			add("is an IPv4 address in IPv6 clothes", "write it as IPv4")
		case p.Masked() != p:
			add("has host bits set", "write "+p.Masked().String())
		case p.Bits() == 0:
			add("is every address there is", "write the range that is meant")
		case reserved(p) != "":
			add("lies in the "+reserved(p)+" range", "use a private range")
		}
		if families[p.Addr().BitLen()] {
			add("is a second range of its address family", "write one IPv4 and one IPv6 range at most")
		}
		families[p.Addr().BitLen()] = true
	}
	return faults
}

var reservedRanges = []struct {
	name   string
	prefix netip.Prefix
}{
	{"loopback", netip.MustParsePrefix("127.0.0.0/8")},
	{"loopback", netip.MustParsePrefix("::1/128")},
	{"link-local", netip.MustParsePrefix("169.254.0.0/16")},
	{"link-local", netip.MustParsePrefix("fe80::/10")},
	{"multicast", netip.MustParsePrefix("224.0.0.0/4")},
	{"multicast", netip.MustParsePrefix("ff00::/8")},
	{"unspecified", netip.MustParsePrefix("0.0.0.0/8")},
	{"reserved", netip.MustParsePrefix("240.0.0.0/4")},
}

func reserved(p netip.Prefix) string {
	for _, r := range reservedRanges {
		if r.prefix.Overlaps(p) {
			return r.name
		}
	}
	return ""
}

func (s Site) nodeFaults() Faults {
	var faults Faults
	var slices []Range
	names := map[string]bool{}
	for _, node := range s.Nodes {
		add := func(field, value, problem, remedy string) {
			faults = append(faults, Fault{Site: s.Name, Field: nodeField(node, field), Value: value, Problem: problem, Remedy: remedy})
		}
		if !isDNS1123Subdomain(node.Name) {
			add("name", node.Name, "is not a Kubernetes node name", "use lower-case letters, digits, dashes and dots")
		}
		if names[node.Name] {
			add("name", node.Name, "stands twice in the site", "give each node its own")
		}
		names[node.Name] = true
		if ip := node.InternalIP; ip.IsUnspecified() || ip.IsLoopback() || ip.IsMulticast() || ip.IsLinkLocalUnicast() {
			add("internalIP", ip.String(), "is no address that another machine can reach", "write the node's own address")
		}
		if ip := node.Endpoint.Addr(); ip.IsLoopback() || ip.IsMulticast() {
			add("endpoint", node.Endpoint.String(), "is no address that another site can reach", "write the node's public address")
		}
		faults = append(faults, RangeFaults(s.Name, nodeField(node, "podCIDRs"), node.PodCIDRs)...)
		for _, p := range node.PodCIDRs {
			slices = append(slices, Range{s.Name, nodeField(node, "podCIDRs"), p})
			if p.IsValid() && len(s.Pods) > 0 && !contained(p, s.Pods) {
				add("podCIDRs", p.String(), fmt.Sprintf("lies outside podCIDR %s", joinPrefixes(s.Pods)),
					"read it from the node's spec.podCIDRs")
			}
		}
	}
	return append(faults, OverlapFaults(slices)...)
}

func contained(p netip.Prefix, in []netip.Prefix) bool {
	for _, outer := range in {
		if outer.Bits() <= p.Bits() && outer.Overlaps(p) {
			return true
		}
	}
	return false
}

func nodeField(n Node, field string) string { return "nodes[" + n.Name + "]." + field }
