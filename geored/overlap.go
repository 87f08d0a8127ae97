package geored

import (
	"cmp"
	"net/netip"
	"slices"
)

// Range is an address range with its owner.
type Range struct {
	Site   SiteName
	Field  string // what it is used for: "podCIDR", "wireguardCIDR"
	Prefix netip.Prefix
}

// Overlap is a pair of ranges that share addresses. A stands before B in the order of [Overlaps].
type Overlap struct{ A, B Range }

// Overlaps gives every pair of ranges that share addresses: equal ones and one inside the other. Invalid prefixes are
// passed over, host bits do not count. The order is by address, then length, then site, then field. It takes
// O(n log n) time and as much again as there are pairs.
func Overlaps(ranges []Range) []Overlap {
	sorted := make([]Range, 0, len(ranges))
	for _, r := range ranges {
		if r.Prefix.IsValid() {
			sorted = append(sorted, r)
		}
	}
	slices.SortFunc(sorted, compareRanges)
	var found []Overlap
	var open []Range // ranges that contain the current one, outermost first
	for _, r := range sorted {
		for len(open) > 0 && !open[len(open)-1].Prefix.Overlaps(r.Prefix) {
			open = open[:len(open)-1]
		}
		for _, outer := range open {
			found = append(found, Overlap{outer, r})
		}
		open = append(open, r)
	}
	return found
}

// compareRanges puts a containing range before what it contains: same first address, fewer bits.
func compareRanges(a, b Range) int {
	if c := a.Prefix.Masked().Addr().Compare(b.Prefix.Masked().Addr()); c != 0 {
		return c // so nearly always: the rest is not even asked for
	}
	return cmp.Or(
		cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()),
		cmp.Compare(a.Site, b.Site),
		cmp.Compare(a.Field, b.Field),
	)
}
