package cassandra

import (
	"cmp"
	"fmt"
	"math"
)

// Range is a range of tokens: those above Start, up to End. Murmur3 gives no key the smallest token, so that
// (math.MinInt64, math.MaxInt64] holds every row.
type Range struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// everything is the range of all tokens.
var everything = Range{math.MinInt64, math.MaxInt64}

func (r Range) String() string { return fmt.Sprintf("(%d, %d]", r.Start, r.End) }

// width is the number of tokens; that of everything is one less than 2^64.
func (r Range) width() uint64 { return uint64(r.End) - uint64(r.Start) }

// cut divides the range into n parts of about the same width, or fewer when it is narrow.
func (r Range) cut(n int) []Range {
	step := r.width() / uint64(max(n, 1))
	if step == 0 {
		step, n = 1, int(r.width())
	}
	var parts []Range
	start := r.Start
	for i := 1; i < n; i++ {
		end := int64(uint64(start) + step)
		parts = append(parts, Range{start, end})
		start = end
	}
	return append(parts, Range{start, r.End})
}

func (r Range) compare(s Range) int {
	return cmp.Or(cmp.Compare(r.Start, s.Start), cmp.Compare(r.End, s.End))
}

// overlaps says whether the two have a token in common.
func (r Range) overlaps(s Range) bool { return r.Start < s.End && s.Start < r.End }

// within says whether one of the others holds all of r.
func (r Range) within(others []Range) bool {
	for _, o := range others {
		if o.Start <= r.Start && r.End <= o.End {
			return true
		}
	}
	return false
}
