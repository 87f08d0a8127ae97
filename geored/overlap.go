package geored

import (
	"cmp"
	"encoding/binary"
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
	sorted := make([]rangeKey, 0, len(ranges))
	for i := range ranges {
		if ranges[i].Prefix.IsValid() {
			sorted = append(sorted, keyOf(ranges[i].Prefix, i))
		}
	}
	slices.SortFunc(sorted, func(a, b rangeKey) int { return a.compare(b, ranges) })
	var found []Overlap
	var open []int // ranges that contain the current one, outermost first
	for _, key := range sorted {
		r := &ranges[key.index]
		for len(open) > 0 && !ranges[open[len(open)-1]].Prefix.Overlaps(r.Prefix) {
			open = open[:len(open)-1]
		}
		for _, outer := range open {
			found = append(found, Overlap{ranges[outer], *r})
		}
		open = append(open, key.index)
	}
	return found
}

// rangeKey is what ranges are sorted by, in a few words: sorting moves and compares it many times.
type rangeKey struct {
	high, low uint64 // the first address
	is6       bool
	bits      int16
	index     int
}

func keyOf(p netip.Prefix, index int) rangeKey {
	first := p.Masked().Addr()
	bytes := first.As16()
	return rangeKey{binary.BigEndian.Uint64(bytes[:8]), binary.BigEndian.Uint64(bytes[8:]), first.Is6(), int16(p.Bits()), index}
}

// compare puts a containing range before what it contains: same first address, fewer bits.
func (a rangeKey) compare(b rangeKey, ranges []Range) int {
	switch {
	case a.is6 != b.is6:
		if b.is6 {
			return -1
		}
		return 1
	case a.high != b.high:
		return cmp.Compare(a.high, b.high)
	case a.low != b.low:
		return cmp.Compare(a.low, b.low)
	case a.bits != b.bits:
		return cmp.Compare(a.bits, b.bits)
	}
	x, y := &ranges[a.index], &ranges[b.index]
	return cmp.Or(cmp.Compare(x.Site, y.Site), cmp.Compare(x.Field, y.Field), cmp.Compare(a.index, b.index))
}
