package kafka

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Retention is what the brokers keep of a topic.
type Retention struct {
	Time       time.Duration // retention.ms; negative: for ever
	Bytes      int64         // retention.bytes of each partition; negative: any number
	Compact    bool          // cleanup.policy has compact
	Delete     bool          // cleanup.policy has delete
	Tombstones time.Duration // delete.retention.ms: for how long a compacted topic keeps what says that a key is gone
}

// OutageLimit is for how long a partition may go on not being copied before something is lost for the copy.
type OutageLimit struct {
	Position
	Unlimited bool
	Left      time.Duration // until the first record is lost; 0 or less: it is; also 0 if Unlimited, or while the verdict is unknown
	Lost      int64         // offsets that are lost already
	// Since is when the first of them was due to be removed: records are lost since then at the earliest. Zero: none is
	// due, or nobody can tell, as when retention has emptied the copy too. The loss check's history tells at the latest
	// since when.
	Since   time.Time
	By      string // the setting that sets the limit
	Verdict geored.Verdict
	Reason  string
}

// OutageLimit judges one position against what the source keeps, as if the mirror stood still from now on: pure. What is
// removed goes by whole segments, so that the true limit may be somewhat later. A limit by size is unknown: it depends on
// how much is written.
func (p Position) OutageLimit(kept Retention, now time.Time) OutageLimit {
	o := OutageLimit{Position: p, Verdict: geored.Pass}
	oldest := now
	if p.from() < p.Source.End && !p.Tail.Oldest.IsZero() {
		oldest = p.Tail.Oldest
	}
	switch {
	case p.Problem != "":
		o.Verdict, o.Reason = geored.Unknown, p.Problem
	case p.Next >= 0 && p.Source.Start > p.Next:
		o.Lost, o.Verdict = p.Source.Start-p.Next, geored.Fail
		o.Reason = fmt.Sprintf("%d offsets were removed before they were copied", o.Lost)
	case p.from() < p.Source.End && p.Tail.Oldest.IsZero():
		o.Verdict, o.Reason = geored.Unknown, "records wait and nobody knows how old they are"
	case kept.Delete && kept.Time >= 0:
		o.by("retention.ms", oldest.Add(kept.Time), now)
	case kept.Compact:
		o.by("delete.retention.ms", oldest.Add(kept.Tombstones), now)
	default:
		o.Unlimited, o.Reason = true, "nothing is removed by age"
	}
	if kept.Delete && kept.Bytes >= 0 && o.Verdict == geored.Pass {
		o.Verdict, o.By = geored.Unknown, "retention.bytes"
		o.Reason = fmt.Sprintf("retention.bytes=%d may remove records earlier, as fast as others are written", kept.Bytes)
	}
	return o
}

func (o *OutageLimit) by(setting string, due, now time.Time) {
	o.By, o.Left = setting, due.Sub(now)
	o.Reason = fmt.Sprintf("the first record is lost in %s, by %s", geored.RoundDuration(o.Left), setting)
	if o.Left <= 0 {
		o.Verdict, o.Since = geored.Fail, due
		o.Reason = fmt.Sprintf("the first record was due to be removed %s ago, on %s, by %s", geored.RoundDuration(-o.Left), due.UTC().Format(time.RFC3339), setting)
	}
}

// since dates a loss by the last record that arrived: what is lost was written after it, and kept for a while.
func (o *OutageLimit) since(copied time.Time, kept Retention, now time.Time) {
	if o.Lost == 0 || copied.IsZero() || !kept.Delete || kept.Time < 0 {
		return
	}
	due := copied.Add(kept.Time)
	if due.After(now) {
		o.Reason += ", before retention.ms allows it: by size, by hand, or by a retention that was shorter"
		return
	}
	o.By, o.Since = "retention.ms", due
	o.Reason += fmt.Sprintf(", since %s at the earliest, by retention.ms", due.UTC().Format(time.RFC3339))
}

// String is one line of evidence.
func (o OutageLimit) String() string { return o.Partition.String() + ": " + o.Reason }

// OutageLimits gives the limit of every partition of a mirror, the nearest first.
func (r *Replication) OutageLimits(ctx context.Context, m Mirror) ([]OutageLimit, error) {
	s, err := r.Sample(ctx, m)
	if err != nil {
		return nil, err
	}
	var topics []string
	for _, p := range s.Positions {
		topics = append(topics, p.Topic)
	}
	slices.Sort(topics)
	kept, err := r.sites[m.From].Brokers.Retention(ctx, slices.Compact(topics))
	if err != nil {
		return nil, at(m.From, err)
	}
	limits := make([]OutageLimit, len(s.Positions))
	for i, p := range s.Positions {
		if retention, ok := kept[p.Topic]; ok {
			limits[i] = p.OutageLimit(retention, s.Time)
			if limits[i].Lost > 0 {
				limits[i].since(r.lastCopied(ctx, m, p), retention, s.Time)
			}
		} else {
			limits[i] = OutageLimit{Position: p, Verdict: geored.Unknown, Reason: "its settings are not known"}
		}
	}
	slices.SortStableFunc(limits, func(a, b OutageLimit) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Left, b.Left))
	})
	return limits, nil
}

// lastCopied is the timestamp of the last record that arrived; zero when nobody can tell.
func (r *Replication) lastCopied(ctx context.Context, m Mirror, p Position) time.Time {
	reader := r.sites[m.To].Records
	if reader == nil || p.Target.End <= p.Target.Start {
		return time.Time{}
	}
	tail, err := reader.Tail(ctx, Partition{p.Copy, p.Number}, p.Target.End-1, p.Target.End)
	if err != nil {
		return time.Time{} // the loss stands without its date
	}
	return tail.Oldest
}

// rank puts losses first, then what is limited or unknown, then the rest.
func (o OutageLimit) rank() int {
	switch {
	case o.Lost > 0:
		return 0
	case o.Unlimited:
		return 2
	}
	return 1
}

// CheckOutage is the check of how long each mirror may stand still.
const CheckOutage geored.CheckID = "kafka/outage"

// OutageCheck passes while every mirror may stand still for at least the given time before records are lost.
func (r *Replication) OutageCheck(least time.Duration) geored.Check {
	return geored.Check{ID: CheckOutage, Title: "an outage of " + least.String() + " loses nothing", Run: func(ctx context.Context) []geored.Finding {
		return askMirrors(ctx, r, r.OutageLimits).Each(func(_ geored.Target, limits []OutageLimit) geored.Finding {
			return OutageFinding(limits, least)
		})
	}}
}

// OutageFinding judges the limits of one mirror.
func OutageFinding(limits []OutageLimit, least time.Duration) geored.Finding {
	f := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%d partitions can stand still for %s", len(limits), least)}
	if len(limits) == 0 {
		return geored.Finding{Verdict: geored.Unknown, Message: "the mirror selects no topic"}
	}
	short := 0
	for _, o := range limits {
		verdict := o.Verdict
		if verdict == geored.Pass && !o.Unlimited && o.Left < least {
			verdict = geored.Fail
		}
		f.Verdict = worse(f.Verdict, verdict)
		if verdict != geored.Pass {
			if short++; short <= shown {
				f.Evidence = append(f.Evidence, o.String())
			}
		}
	}
	if short > 0 {
		f.Message = fmt.Sprintf("%d of %d partitions cannot be said to stand still for %s", short, len(limits), least)
		f.Remedy = "raise retention.ms of these topics at the source, and take retention.bytes away"
	}
	return f
}
