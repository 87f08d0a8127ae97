package mesh

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// locationFaults holds what lies behind single nodes to the rules of ranges, and against all else that the tunnels
// carry. Nearly always there is nothing wrong, and that is cheaper to tell than what is.
func locationFaults(gateways []Gateway, tunnel []geored.Range) geored.Faults {
	located := newCover(func(yield func(netip.Prefix)) {
		for _, g := range gateways {
			for _, p := range g.LocationIPs {
				yield(p)
			}
		}
	})
	if len(located.count) == 0 {
		return nil
	}
	carried := newCover(func(yield func(netip.Prefix)) {
		for _, r := range tunnel {
			yield(r.Prefix)
		}
	})
	sound := !slices.ContainsFunc(tunnel, func(r geored.Range) bool { return located.holding(r.Prefix.Addr()) > 0 }) &&
		!slices.ContainsFunc(gateways, func(g Gateway) bool { return !g.locationsSound(located, carried) })
	if sound {
		return nil
	}
	return namedLocationFaults(gateways, tunnel)
}

// locationsSound says that nothing can be wrong with what lies behind a node: else it is looked at again, with names.
func (g Gateway) locationsSound(located, carried cover) bool {
	if located.holding(g.Endpoint.Addr().Unmap()) > 0 {
		return false
	}
	for i := range g.LocationIPs {
		p := g.LocationIPs[i]
		if located.holding(p.Addr()) > 1 || carried.holding(p.Addr()) > 0 || len(geored.RangeFaults(g.Site, "", g.LocationIPs[i:i+1])) > 0 {
			return false
		}
	}
	return true
}

// namedLocationFaults tells each fault with both of its parties.
func namedLocationFaults(gateways []Gateway, tunnel []geored.Range) geored.Faults {
	var faults geored.Faults
	var located []geored.Range
	for _, g := range gateways {
		for _, p := range g.LocationIPs {
			located = append(located, geored.Range{Site: g.Site, Field: g.field("locationIPs"), Prefix: p})
		}
	}
	inLocation := newCarried(located)
	for _, g := range gateways {
		faults = append(faults, inLocation.endpointFaults(g.Site, g.field("endpoint"), g.Endpoint)...)
	}
	for _, r := range located { // several of one address family are fine here
		faults = append(faults, geored.RangeFaults(r.Site, r.Field, []netip.Prefix{r.Prefix})...)
	}
	isLocation := func(r geored.Range) bool { return strings.HasPrefix(r.Field, "gateway[") }
	for _, o := range geored.Overlaps(slices.Concat(tunnel, located)) {
		if isLocation(o.A) || isLocation(o.B) {
			faults = append(faults, geored.OverlapFaults([]geored.Range{o.A, o.B})...)
		}
	}
	return faults
}

// cover counts prefixes, to tell how many of them hold an address.
type cover struct {
	count   map[netip.Prefix]int
	lengths map[int][]int // those in use, by the length of the address
}

func newCover(each func(func(netip.Prefix))) cover {
	c := cover{map[netip.Prefix]int{}, map[int][]int{}}
	each(func(p netip.Prefix) {
		if !p.IsValid() {
			c.count[p]++ // an empty one would be taken for sound
			return
		}
		family := p.Addr().BitLen()
		if !slices.Contains(c.lengths[family], p.Bits()) {
			c.lengths[family] = append(c.lengths[family], p.Bits())
		}
		c.count[p.Masked()]++
	})
	return c
}

func (c cover) holding(ip netip.Addr) int {
	n := 0
	for _, bits := range c.lengths[ip.BitLen()] {
		if p, err := ip.Prefix(bits); err == nil {
			n += c.count[p]
		}
	}
	return n
}
