package mesh

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// dockerBridge is where Docker puts its bridge on every machine unless it is told otherwise.
var dockerBridge = netip.MustParsePrefix("172.17.0.0/16")

// role is what an address range is to the tunnels.
type role int

const (
	carried  role = iota // pods, services, WireGuard addresses: what the topology already compares with each other
	tunnel               // WireGuard ranges and what is behind single nodes: to be compared with everything
	node                 // an address of a node: may be any node's endpoint, and must not be in the tunnel
	endpoint             // where encrypted packets are sent: must not be in the tunnel that they build
)

// ranges are address ranges, each with its use. One sorted pass over all finds every conflict.
type ranges struct {
	all  []geored.Range
	uses []use
}

type use struct {
	role     role
	endpoint geored.Endpoint // of an endpoint
}

func (r *ranges) grow(n int) { r.all, r.uses = slices.Grow(r.all, n), slices.Grow(r.uses, n) }

func (r *ranges) add(as role, site geored.SiteName, field string, p netip.Prefix) {
	r.all, r.uses = append(r.all, geored.Range{Site: site, Field: field, Prefix: p}), append(r.uses, use{role: as})
}

// addTunnel adds the pods, services and WireGuard ranges of all sites.
func (r *ranges) addTunnel(n Network, wireguard role) {
	for _, site := range n.Sites {
		for _, p := range site.Pods {
			r.add(carried, site.Name, "podCIDR", p)
		}
		for _, p := range site.Services {
			r.add(carried, site.Name, "serviceCIDR", p)
		}
		r.add(wireguard, site.Name, "wireguardCIDR", site.WireGuardCIDR)
	}
}

// addEndpoint adds an endpoint that is an address, and tells at once what can be seen of it alone.
func (r *ranges) addEndpoint(site geored.SiteName, field string, e geored.Endpoint) geored.Faults {
	ip := e.Addr().Unmap()
	fault := geored.Fault{Site: site, Field: field, Value: e.String()}
	switch {
	case !ip.IsValid():
		return nil
	case ip.IsLinkLocalUnicast():
		fault.Problem, fault.Remedy = "is link-local: no other site can reach it", "write the node's public address"
		return geored.Faults{fault}
	case dockerBridge.Contains(ip):
		fault.Problem, fault.Remedy = "is on Docker's bridge, not on the node's network", "write the node's own address"
		return geored.Faults{fault}
	}
	r.add(endpoint, site, field, single(ip))
	r.uses[len(r.uses)-1].endpoint = e
	return nil
}

// faults are all conflicts; of those among what is merely carried the topology tells.
func (r *ranges) faults() geored.Faults {
	found := geored.Overlaps(r.all)
	if len(found) == 0 {
		return nil
	}
	uses := make(map[geored.Range]use, len(r.all))
	for i, one := range r.all {
		uses[one] = r.uses[i]
	}
	var faults geored.Faults
	for _, o := range found {
		a, b := uses[o.A].role, uses[o.B].role
		if b == endpoint && a < node { // the range of one address stands after an equal endpoint, else before it
			a, b, o = b, a, geored.Overlap{A: o.B, B: o.A}
		}
		switch {
		case a == endpoint && b < node:
			faults = append(faults, geored.Fault{Site: o.A.Site, Field: o.A.Field, Value: uses[o.A].endpoint.String(),
				Problem: fmt.Sprintf("lies inside %s %s of site %s, which the tunnel carries", o.B.Field, o.B.Prefix, o.B.Site),
				Remedy:  "write the node's address outside of all that the tunnel carries"})
		case a == tunnel && b <= node, b == tunnel && a <= node:
			faults = append(faults, geored.OverlapFaults([]geored.Range{o.A, o.B})...)
		}
	}
	return faults
}

// addressFaults finds what shares addresses with a WireGuard range or with Docker's bridge, and endpoints at which no
// packet can arrive from another site.
func (n Network) addressFaults() geored.Faults {
	var faults geored.Faults
	var r ranges
	r.addTunnel(n, tunnel)
	for _, site := range n.Sites {
		r.grow(2 * len(site.Nodes))
		for _, one := range site.Nodes {
			ip, e := one.InternalIP.Unmap(), one.Endpoint
			if ip.IsValid() {
				r.add(node, site.Name, nodeField(one.Name, "internalIP"), single(ip))
			}
			switch {
			case !e.IsValid():
			case !ip.IsValid() || e.Addr() != ip:
				faults = append(faults, r.addEndpoint(site.Name, nodeField(one.Name, "endpoint"), e)...)
			case e.Port() != n.ListenPort: // no NAT in between that could forward another port
				faults = append(faults, geored.Fault{Site: site.Name, Field: nodeField(one.Name, "endpoint"), Value: e.String(),
					Problem: fmt.Sprintf("is the node's own address, and WireGuard listens at port %d there", n.ListenPort), Remedy: "write that port"})
			}
		}
	}
	for i, one := range r.all {
		if r.uses[i].role != endpoint && one.Prefix.IsValid() && one.Prefix.Overlaps(dockerBridge) {
			faults = append(faults, geored.Fault{Site: one.Site, Field: one.Field, Value: one.Prefix.String(),
				Problem: fmt.Sprintf("shares addresses with Docker's bridge docker0, %s", dockerBridge), Remedy: "use another range"})
		}
	}
	return append(faults, r.faults()...)
}

// single is the range of one address.
func single(ip netip.Addr) netip.Prefix { return netip.PrefixFrom(ip, ip.BitLen()) }
