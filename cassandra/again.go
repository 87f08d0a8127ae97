package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// lookAgain reads the ranges whose digests differ row by row, one range after another, and what differed once more
// after a pause.
func (x *comparing) lookAgain(ctx context.Context) {
	differ := map[int]looked{}
	for i, r := range x.result.Ranges {
		if !r.disagree() {
			continue
		}
		x.result.Ranges[i].Equality = Unproven // also one that an earlier call had found to be in flight
		d, err := x.differences(ctx, i, x.result.Ranges[i].Range, x.MaxDifferences-x.held)
		d.cut = err != nil
		x.result.Omitted += d.omitted
		x.result.OmittedOldest = earlier(x.result.OmittedOldest, d.oldest)
		x.held += len(d.found)
		if err != nil {
			x.result.Ranges[i].Reason += fmt.Sprintf("; its rows could not be read again: %v", err)
		} else if len(d.found)+d.omitted == 0 {
			x.settled(ctx, i)
		}
		if len(d.found)+d.omitted > 0 {
			differ[i] = d
		}
	}
	if len(differ) == 0 {
		return
	}
	pauseErr := x.Clock.Sleep(ctx, x.Settle)
	for i := range x.result.Ranges {
		if d, ok := differ[i]; ok {
			x.confirm(ctx, i, d, pauseErr)
		}
	}
}

// looked is what differs in a range at one look.
type looked struct {
	found   []Difference
	omitted int       // more of them than there was room for
	oldest  time.Time // write among these that a site lacks
	cut     bool      // the look did not come to its end: there may be more
}

// earlier is the earlier of two times of which either may be zero: not known.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
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
func (x *comparing) differences(ctx context.Context, i int, r Range, room int) (looked, error) {
	var nodes []Node
	for j, read := range x.result.Ranges[i].Reads {
		if read.Err == "" {
			nodes = append(nodes, x.sources[i][j])
		}
	}
	return patiently(ctx, r, func(ctx context.Context, r Range) (looked, error) {
		var p looked
		err := x.match(ctx, x.plan, nodes, r, func(d Difference) {
			if len(p.found) < room {
				p.found = append(p.found, d)
			} else {
				p.omitted, p.oldest = p.omitted+1, earlier(p.oldest, d.oldestLacked())
			}
		})
		if errors.Is(err, ErrTimeout) {
			p = looked{} // the halves will find them again
		}
		return p, err
	}, func(a, b looked) looked {
		return looked{found: append(a.found, b.found...), omitted: a.omitted + b.omitted, oldest: earlier(a.oldest, b.oldest)}
	})
}

// confirm reads the partitions that differed again: what differs in the same way twice is a difference, what changed
// meanwhile is in flight.
func (x *comparing) confirm(ctx context.Context, i int, look looked, pauseErr error) {
	r, first, omitted := &x.result.Ranges[i], look.found, look.omitted
	now, err := map[string]Difference{}, pauseErr
	for _, part := range partitions(r.Range, first) {
		if err != nil {
			break
		}
		var again looked
		again, err = x.differences(ctx, i, part, x.MaxDifferences)
		omitted += again.omitted // those of the first look may be among them
		for _, d := range again.found {
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
	case look.cut: // the reason stands there already
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
