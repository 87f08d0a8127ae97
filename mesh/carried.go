package mesh

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// carried is what the tunnels carry, to be found by address.
type carried struct {
	ranges  map[netip.Prefix][]geored.Range
	lengths map[int][]int // those in use, by the length of the address
}

func newCarried(ranges []geored.Range) carried {
	c := carried{make(map[netip.Prefix][]geored.Range, len(ranges)), map[int][]int{}}
	for _, r := range ranges {
		if !r.Prefix.IsValid() {
			continue
		}
		family, bits := r.Prefix.Addr().BitLen(), r.Prefix.Bits()
		if !slices.Contains(c.lengths[family], bits) {
			c.lengths[family] = append(c.lengths[family], bits)
		}
		c.ranges[r.Prefix.Masked()] = append(c.ranges[r.Prefix.Masked()], r)
	}
	return c
}

// holding are the ranges that an address lies in.
func (c carried) holding(ip netip.Addr) []geored.Range {
	var found []geored.Range
	for _, bits := range c.lengths[ip.BitLen()] {
		if p, err := ip.Prefix(bits); err == nil {
			found = append(found, c.ranges[p]...)
		}
	}
	return found
}

// endpointFaults finds why no packet can arrive at an endpoint. Inside of what the tunnel carries, a packet to it would
// be sent into the tunnel that it is to build.
func (c carried) endpointFaults(site geored.SiteName, field string, e geored.Endpoint) geored.Faults {
	ip := e.Addr().Unmap()
	if !ip.IsValid() {
		return nil
	}
	var faults geored.Faults
	add := func(problem, remedy string) {
		faults = append(faults, geored.Fault{Site: site, Field: field, Value: e.String(), Problem: problem, Remedy: remedy})
	}
	for _, r := range c.holding(ip) {
		add(fmt.Sprintf("lies inside %s %s of site %s, which the tunnel carries", r.Field, r.Prefix, r.Site), "write the node's address outside of all that the tunnel carries")
	}
	switch {
	case ip.IsLinkLocalUnicast():
		add("is link-local: no other site can reach it", "write the node's public address")
	case dockerBridge.Contains(ip):
		add("is on Docker's bridge, not on the node's network", "write the node's own address")
	}
	return faults
}
