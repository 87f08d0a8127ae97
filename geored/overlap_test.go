package geored_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

func TestOverlapsFindsWhatComparingAllPairsFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		ranges := make([]geored.Range, 60)
		for i := range ranges {
			ranges[i] = geored.Range{Field: "podCIDR", Prefix: randomPrefix(random)}
		}
		pairs := 0
		for i, a := range ranges {
			for _, b := range ranges[i+1:] {
				if a.Prefix.Overlaps(b.Prefix) {
					pairs++
				}
			}
		}
		overlaps := geored.Overlaps(ranges)
		if len(overlaps) != pairs {
			t.Fatalf("%d overlaps, comparing all pairs gives %d", len(overlaps), pairs)
		}
		for _, o := range overlaps {
			if !o.A.Prefix.Overlaps(o.B.Prefix) || o.A.Prefix.Bits() > o.B.Prefix.Bits() {
				t.Fatalf("%v and %v", o.A.Prefix, o.B.Prefix)
			}
		}
	}
}

// randomPrefix is of either family, the small numbers of both among them, and often inside another one.
func randomPrefix(random *rand.Rand) netip.Prefix {
	bytes := [4]byte{10 * byte(random.IntN(2)), byte(random.IntN(4)), byte(random.IntN(256)), 0}
	if random.IntN(2) == 0 {
		return netip.PrefixFrom(netip.AddrFrom4(bytes), 5+random.IntN(25))
	}
	long := [16]byte{12: bytes[0], 13: bytes[1], 14: bytes[2]}
	if random.IntN(2) == 0 {
		long = [16]byte{0: 0xfd, 1: bytes[1], 2: bytes[2], 8: bytes[1]}
		return netip.PrefixFrom(netip.AddrFrom16(long), 5+random.IntN(80))
	}
	return netip.PrefixFrom(netip.AddrFrom16(long), 100+random.IntN(20))
}

func TestOverlapsDoesNotDependOnTheOrder(t *testing.T) {
	a := geored.Range{Site: "dc1", Field: "podCIDR", Prefix: netip.MustParsePrefix("10.0.0.0/8")}
	b := geored.Range{Site: "dc2", Field: "podCIDR", Prefix: netip.MustParsePrefix("10.0.0.0/8")}
	v6 := geored.Range{Site: "dc2", Field: "podCIDR", Prefix: netip.MustParsePrefix("fd00::/48")}
	var invalid geored.Range
	one, two := geored.Overlaps([]geored.Range{a, b, v6, invalid}), geored.Overlaps([]geored.Range{invalid, v6, b, a})
	if len(one) != 1 || len(two) != 1 || one[0] != two[0] || one[0].A != a {
		t.Errorf("%v and %v", one, two)
	}
}
