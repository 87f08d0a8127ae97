package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// lookAgain reads the ranges whose digests differ row by row, one range after another, and what differed once more
// after a pause.
func (x *comparing) lookAgain(ctx context.Context) {
	type looked struct {
		found   []Difference
		omitted int
	}
	differ := map[int]looked{}
	for i, r := range x.result.Ranges {
		if !r.disagree() {
			continue
		}
		found, omitted, err := x.differences(ctx, i, x.result.Ranges[i].Range, x.MaxDifferences-x.held)
		x.result.Omitted += omitted
		x.held += len(found)
		if err != nil {
			x.result.Ranges[i].Reason += fmt.Sprintf("; its rows could not be read again: %v", err)
		} else if len(found)+omitted == 0 {
			x.settled(ctx, i)
		}
		if len(found)+omitted > 0 {
			differ[i] = looked{found, omitted}
		}
	}
	if len(differ) == 0 {
		return
	}
	pauseErr := x.Clock.Sleep(ctx, x.Settle)
	for i := range x.result.Ranges {
		if d, ok := differ[i]; ok {
			x.confirm(ctx, i, d.found, d.omitted, pauseErr)
		}
	}
}

// settled notes that a range which differed is the same everywhere at the second look. With several replicas in a site
// that look may have been passed on to one and the same replica: then every digest is read again, and shown.
func (x *comparing) settled(ctx context.Context, i int) {
	r := &x.result.Ranges[i]
	if slices.ContainsFunc(r.Reads, func(read Read) bool { return read.Err != "" }) {
		r.Reason = "those that could be read agree; " + r.Reason
		return
	}
	if x.EveryReplica && slices.ContainsFunc(x.plan.ranges[i].replicas, func(nodes []Node) bool { return len(nodes) > 1 }) {
		for j, n := range x.sources[i] {
			others := neighbours(x.ring, n)
			if len(others) == 0 {
				x.readAgain(ctx, readAt{i, j})
				continue
			}
			gap := x.showOne(ctx, n, others, readAt{i, j})
			if r.Reads[j].Shown = gap == ""; gap != "" {
				x.noteGap(n, gap)
			}
		}
		if x.judge(i); r.Equality != Equal {
			return
		}
	}
	r.Equality, r.Reason = Equal, "its rows were in flight at the first look"
}

// differences matches a range over those sources that came through.
func (x *comparing) differences(ctx context.Context, i int, r Range, room int) (found []Difference, omitted int, err error) {
	var nodes []Node
	for j, read := range x.result.Ranges[i].Reads {
		if read.Err == "" {
			nodes = append(nodes, x.sources[i][j])
		}
	}
	type part struct {
		found   []Difference
		omitted int
	}
	all, err := patiently(ctx, r, func(ctx context.Context, r Range) (part, error) {
		var p part
		err := x.match(ctx, x.plan, nodes, r, func(d Difference) {
			if len(p.found) < room {
				p.found = append(p.found, d)
			} else {
				p.omitted++
			}
		})
		if errors.Is(err, ErrTimeout) {
			p = part{} // the halves will find them again
		}
		return p, err
	}, func(a, b part) part { return part{append(a.found, b.found...), a.omitted + b.omitted} })
	return all.found, all.omitted, err
}

// confirm reads the partitions that differed again: what differs in the same way twice is a difference, what changed
// meanwhile is in flight.
func (x *comparing) confirm(ctx context.Context, i int, first []Difference, omitted int, pauseErr error) {
	r := &x.result.Ranges[i]
	now, err := map[string]Difference{}, pauseErr
	for _, part := range partitions(r.Range, first) {
		if err != nil {
			break
		}
		var found []Difference
		found, _, err = x.differences(ctx, i, part, x.MaxDifferences)
		for _, d := range found {
			now[d.raw] = d
		}
	}
	same, moving := 0, 0
	for _, was := range first {
		is, still := now[was.raw]
		switch {
		case err != nil:
			x.result.Differences = append(x.result.Differences, was)
		case !still:
		case slices.Equal(is.sums, was.sums):
			same++
			is.Confirmed = true
			x.result.Differences = append(x.result.Differences, is)
		default:
			moving++
			is.Confirmed, is.InFlight = true, true
			x.result.Differences = append(x.result.Differences, is)
		}
	}
	switch {
	case err != nil:
		r.Reason = fmt.Sprintf("%d rows differ at the first look; the second one: %v", len(first), err)
	case same > 0:
		r.Equality, r.Reason = Different, fmt.Sprintf("%d rows differ", same)
	case omitted > 0:
		r.Reason = fmt.Sprintf("%d rows differ at the first look, of which %d were looked at twice", len(first)+omitted, len(first))
	case moving > 0:
		r.Reason = fmt.Sprintf("%d rows are in flight: they changed between two looks", moving)
	default:
		x.settled(ctx, i)
	}
}

// manyPartitions is from how many differing partitions on the whole range is read again instead of each.
const manyPartitions = 100

func partitions(whole Range, differ []Difference) []Range {
	var parts []Range
	for _, d := range differ {
		if part := (Range{d.Token - 1, d.Token}); len(parts) == 0 || parts[len(parts)-1] != part {
			parts = append(parts, part)
		}
	}
	if len(parts) > manyPartitions {
		return []Range{whole}
	}
	return parts
}
