package cassandra

import (
	"fmt"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// judge says what the digests of one range tell. Differing digests are not yet a difference: rows may be in flight.
func (x *comparing) judge(i int) {
	r := &x.result.Ranges[i]
	r.Equality, r.Reason = Equal, ""
	first := -1
	for j, read := range r.Reads {
		switch {
		case read.Err != "":
			r.Equality = Unproven
			r.Reason = fmt.Sprintf("%s: %s", read.where(), read.Err)
		case first < 0:
			first = j
		case read.Digest != r.Reads[first].Digest && r.Equality == Equal:
			r.Equality, r.Reason = Unproven, fmt.Sprintf("%s has %d rows, %s has %d, or their values differ",
				r.Reads[first].Site, r.Reads[first].Rows, read.Site, read.Rows)
		}
	}
}

// disagree says whether two readings of a range that came through differ.
func (r RangeResult) disagree() bool {
	first := -1
	for j, read := range r.Reads {
		switch {
		case read.Err != "":
		case first < 0:
			first = j
		case read.Digest != r.Reads[first].Digest:
			return true
		}
	}
	return false
}

// conclude joins the ranges: any different is different, all equal and all replicas seen is equal.
func (x *comparing) conclude() {
	x.result.Coverage = x.coverage()
	count := map[Equality]int{}
	for _, r := range x.result.Ranges {
		count[r.Equality]++
		if r.Equality == Unproven {
			x.result.Reasons = append(x.result.Reasons, fmt.Sprintf("range %s: %s", r.Range, r.Reason))
		}
	}
	for _, c := range x.result.Coverage {
		if !c.IsFull() {
			x.result.Reasons = append(x.result.Reasons, c.String())
		}
	}
	switch {
	case count[Different] > 0:
		x.result.Equality = Different
	case len(x.result.Reasons) == 0 && count[Equal] > 0:
		x.result.Equality = Equal
	}
}

// coverage is, per site, the fewest replicas that any range was read from, and the most that any range has.
func (x *comparing) coverage() []Coverage {
	var all []Coverage
	for s, site := range x.plan.sites {
		c := Coverage{Site: site.Name, Gaps: x.gaps[site.Name]}
		for i, placed := range x.plan.ranges {
			read := x.readFrom(i, site.Name)
			if x.result.Ranges[i].byTrees() {
				read = len(placed.replicas[s])
			}
			if i == 0 || read < c.Read {
				c.Read = read
			}
			c.Replicas = max(c.Replicas, len(placed.replicas[s]))
		}
		all = append(all, c)
	}
	return all
}

// readFrom is from how many replicas of a site a range was read.
func (x *comparing) readFrom(i int, site geored.SiteName) int {
	read := 0
	for _, r := range x.result.Ranges[i].Reads {
		if r.Site == site && r.Err == "" && (r.Shown || !x.EveryReplica) {
			read++
		}
	}
	return read
}

// byTrees says whether the range is equal by Merkle trees alone, which all its replicas have part in.
func (r RangeResult) byTrees() bool { return r.Equality == Equal && len(r.Reads) == 0 }

// String is the outcome in one line.
func (c Comparison) String() string {
	text := fmt.Sprintf("%s: %s", c.Table, c.Equality)
	if n := len(c.Differences) + c.Omitted; n > 0 {
		text += fmt.Sprintf(", %d rows differ", n)
	}
	if len(c.Reasons) > 0 {
		text += ": " + strings.Join(c.Reasons, "; ")
	}
	return text
}
