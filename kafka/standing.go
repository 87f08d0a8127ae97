package kafka

import (
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Standing is what is to be said of a position: how much waits to be copied, for how long, and whether that is right.
type Standing struct {
	Position
	Verdict geored.Verdict
	Waiting int64         // records that wait to be copied; offsets, where nobody looked at the records
	Age     time.Duration // of the oldest of them; 0: none waits, or it bears no usable time
	Reason  string
}

// Stand judges a position. moved is when its Next last changed, as far as it was watched; zero: it was not watched.
func (p Position) Stand(readCommitted bool, now, moved time.Time, limits Limits) Standing {
	limits = limits.withDefaults()
	s := Standing{Position: p}
	s.Waiting, s.Reason = p.waiting(readCommitted)
	if !p.Tail.Oldest.IsZero() && s.Waiting > 0 {
		s.Age = max(now.Sub(p.Tail.Oldest), 0)
	}
	still := now.Sub(moved)
	switch {
	case p.Problem != "":
		s.Verdict, s.Waiting, s.Reason = geored.Unknown, 0, p.Problem
	case p.Next >= 0 && p.Source.Start > p.Next:
		s.Verdict, s.Reason = geored.Fail, fmt.Sprintf("gap: retention removed %d offsets before they were copied", p.Source.Start-p.Next)
	case p.Next > p.Source.End:
		s.Verdict, s.Reason = geored.Fail, fmt.Sprintf("the source ends %d offsets before what was copied: it was truncated or made anew", p.Next-p.Source.End)
	case p.LacksCopy():
		s.Verdict, s.Reason = geored.Fail, fmt.Sprintf("the copy %s/%d is empty or not there, and was copied up to offset %d: it was deleted or made anew; mirror the topic again", p.Copy, p.Number, p.Next)
	case s.Waiting == 0:
		s.Verdict = geored.Pass
	case !moved.IsZero() && still > limits.StallAfter:
		s.Verdict, s.Reason = geored.Fail, fmt.Sprintf("stalled: nothing was copied for %s", geored.RoundDuration(still))
	case limits.Records > 0 && s.Waiting > limits.Records:
		s.Verdict, s.Reason = geored.Fail, fmt.Sprintf("more than %d records wait", limits.Records)
	case s.Age > limits.Age:
		s.Verdict, s.Reason = geored.Fail, fmt.Sprintf("the oldest record waits for %s", geored.RoundDuration(s.Age))
	case p.Unread != "":
		s.Verdict, s.Reason = geored.Unknown, "the records that wait could not be looked at: "+p.Unread
	case p.Tail.Oldest.IsZero() && moved.IsZero():
		s.Verdict, s.Reason = geored.Unknown, "records wait and nothing tells since when: look again later"
	default:
		s.Verdict, s.Reason = geored.Pass, "being copied"
	}
	return s
}

// waiting counts what is left to copy, and says why it is less than the offsets tell.
func (p Position) waiting(readCommitted bool) (int64, string) {
	offsets := p.Source.End - p.from()
	if offsets <= 0 {
		return 0, ""
	}
	t := p.Tail
	if !t.Complete {
		return offsets, ""
	}
	if readCommitted {
		return t.Records, fmt.Sprintf("%d offsets are left: %d marks of transactions, %d records of aborted and %d of open ones", offsets, t.Control, t.Aborted, t.Open)
	}
	return t.Records + t.Aborted + t.Open, fmt.Sprintf("%d offsets are left: %d marks of transactions", offsets, t.Control)
}

// String is one line of evidence: "orders/3: 12 of log [0,512) wait, next 500: being copied".
func (s Standing) String() string {
	return fmt.Sprintf("%s: %d of log [%d,%d) wait, next %d: %s", s.Partition, s.Waiting, s.Source.Start, s.Source.End, s.Next, s.Reason)
}
