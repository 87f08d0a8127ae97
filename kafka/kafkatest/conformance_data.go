package kafkatest

import (
	"fmt"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
)

func copiesUpToTheEnd(t *testing.T, s *suite) {
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 300)
	sample := s.copied(100)
	for n := range int32(partitions) {
		if p := position(s, sample, n); p.Next != 100 || p.Source != (kafka.Log{End: 100}) || p.Target.End != 100 || p.ID.IsZero() || p.Copy != s.copy() {
			t.Errorf("%+v", p)
		}
	}
	if got := s.values(); len(got) != 300 {
		t.Errorf("%d of 300 values arrived", len(got))
	}
	if f := s.loss(); f.Verdict == geored.Fail {
		t.Errorf("%s %v", f.Message, f.Evidence)
	}
	if c := s.compare(); c.Matched != 300 || c.Missing+c.Duplicates+c.Different+c.OutOfOrder+c.Strays+c.Unproven+c.Waiting != 0 {
		t.Errorf("%s", c)
	}
	s.target.Write(s.copy(), []byte("nobody"), []byte("wrote this at the source"))
	if c := s.compare(); c.Matched != 300 || c.Strays != 1 {
		t.Errorf("%s", c)
	}
}

func pausedConnector(t *testing.T, s *suite) {
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 30)
	s.copied(10)
	s.pause()
	s.source.Produce(s.topic, partitions, 30, 60)
	sample := s.sample()
	if verdict, waiting, reasons := s.stands(sample); waiting != 60 {
		t.Errorf("%s, %d wait: %s", verdict, waiting, reasons)
	}
	if p := position(s, sample, 0); p.Tail.Records != 20 || !p.Tail.Complete || p.Tail.Oldest.IsZero() {
		t.Errorf("the tail was not looked at: %+v", p.Tail)
	}
	connectors, err := s.worker.Connectors(s.ctx)
	s.must(err)
	if f := kafka.StatusFinding(s.mirror(), connectors); f.Verdict != geored.Fail {
		t.Errorf("status of a paused connector: %s %s", f.Verdict, f.Message)
	}
	s.resume()
	s.copied(30)
}

// transactionMarks: lag stays above 0 for ever, and nothing waits. The aborted records are copied as ordinary ones.
func transactionMarks(t *testing.T, s *suite) {
	s.source.Create(s.topic, 1)
	for i := range 6 {
		s.source.Transact(s.topic, 5, i%2 == 0)
	}
	sample := s.copied(35)
	p := position(s, sample, 0)
	if p.Source.End != 36 || p.Next != 35 || p.Tail.Control != 1 || p.Tail.Records != 0 {
		t.Errorf("%+v", p)
	}
	if p.Target.End != 30 {
		t.Errorf("the copy holds %d records: aborted ones are not copied here", p.Target.End)
	}
}

// gap has records removed that were not copied yet, and lets the mirror go on. look is called while it is stopped.
func gap(s *suite, look func()) {
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 30)
	s.copied(10)
	s.stop()
	s.source.Produce(s.topic, partitions, 30, 600)
	for n := range int32(partitions) {
		s.source.Truncate(s.topic, n, 150)
	}
	look()
	s.resume()
	s.copied(210)
	if got := len(s.values()); got != 30+3*60 {
		s.t.Fatalf("the fault does not bite: %d values arrived", got)
	}
}

func retentionGap(t *testing.T, s *suite) {
	gap(s, func() {
		sample := s.sample()
		if verdict, _, reasons := s.stands(sample); verdict != geored.Fail {
			t.Errorf("before it goes on: %s %s", verdict, reasons)
		}
	})
	s.green()
	s.lost(kafka.Gap, 140)
	// What the source removed it can no longer tell of: the rest is the same.
	if c := s.compare(); c.Missing != 0 || c.Matched == 0 {
		t.Errorf("%s", c)
	}
}

// retentionGapUnseen: nobody looked while the gap was open, and lag is 0 now.
func retentionGapUnseen(t *testing.T, s *suite) {
	var before kafka.History
	gap(s, func() { before = s.history })
	s.green()
	s.history = before // so that the check's own look is the one that learns of it
	if f := s.loss(); f.Verdict != geored.Fail {
		t.Errorf("loss: %s %s", f.Verdict, f.Message)
	}
	s.lost(kafka.Gap, 140)
}

// lost asserts one incident per partition, each of as many offsets, and that the check fails for them.
func (s *suite) lost(kind kafka.IncidentKind, offsets int64) {
	s.t.Helper()
	found := s.incidents()
	if len(found) != partitions {
		s.t.Fatalf("incidents: %v", found)
	}
	for _, i := range found {
		if i.Kind != kind || i.Offsets != offsets || !i.Certain {
			s.t.Errorf("got %s", i)
		}
	}
	if f := s.loss(); f.Verdict != geored.Fail {
		s.t.Errorf("loss: %s %s", f.Verdict, f.Message)
	}
	if f := s.found(kafka.CheckLoss, s.r.Checks(nil)...); f.Verdict != geored.Unknown {
		s.t.Errorf("without a past: %s %s", f.Verdict, f.Message)
	}
}

// recreatedLongerWhileStopped: the mirror goes on from its old position and jumps over the beginning of the new topic.
func recreatedLongerWhileStopped(t *testing.T, s *suite) {
	recreateLonger(s)
	if got := len(s.values()); got != 300+600 {
		t.Fatalf("the fault does not bite: %d values arrived", got)
	}
	s.green()
	s.lost(kafka.Recreated, 100)
	if c := s.compare(); c.Missing != 300 || c.Matched != 600 || c.Verdict() != geored.Fail {
		t.Errorf("%s", c)
	}
}

// recreatedShorterWhileRunning: all of the new topic arrives, behind the copies of the old one.
func recreatedShorterWhileRunning(t *testing.T, s *suite) {
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 300)
	s.copied(100)
	s.source.Delete(s.topic)
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 300, 90)
	s.eventually("all values", func() error {
		if got := len(s.values()); got != 390 {
			return fmt.Errorf("%d of 390", got)
		}
		return nil
	})
	s.copied(30)
	found := s.incidents()
	if len(found) != partitions {
		t.Fatalf("incidents: %v", found)
	}
	for _, i := range found {
		if i.Kind != kafka.Recreated || i.Offsets != 0 || i.Verdict() != geored.Warn {
			t.Errorf("got %s", i)
		}
	}
}

// recreatedShorterWhileStopped: the mirror's position lies beyond the new log, so that it begins anew; nothing is lost.
func recreatedShorterWhileStopped(t *testing.T, s *suite) {
	s.recreate(90)
	if verdict, _, reasons := s.stands(s.sample()); verdict != geored.Fail {
		t.Errorf("before it goes on: %s %s", verdict, reasons)
	}
	s.resume()
	s.eventually("all values", func() error {
		if got := len(s.values()); got != 390 {
			return fmt.Errorf("%d of 390", got)
		}
		return nil
	})
	s.copied(30)
	for _, i := range s.incidents() {
		if i.Kind != kafka.Recreated || i.Offsets != 0 || i.Verdict() != geored.Warn {
			t.Errorf("got %s", i)
		}
	}
	if found := s.incidents(); len(found) != partitions {
		t.Errorf("%d incidents", len(found))
	}
}

// copyDeleted: the mirror goes on as if nothing were, and its lag is 0.
func copyDeleted(t *testing.T, s *suite) {
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 30)
	s.copied(10)
	s.stop()
	s.target.Delete(s.copy())
	if verdict, _, reasons := s.stands(s.sample()); verdict != geored.Fail {
		t.Errorf("before it goes on: %s %s", verdict, reasons)
	}
	s.resume()
	s.source.Produce(s.topic, partitions, 30, 30)
	s.copied(20)
	if got := len(s.values()); got != 30 {
		t.Fatalf("the fault does not bite: %d values arrived", got)
	}
	s.green()
	s.lost(kafka.CopyLost, 10)
	if c := s.compare(); c.Missing != 30 || c.Matched != 30 {
		t.Errorf("%s", c)
	}
	plan, err := kafka.PlanRemirror(s.mirror(), s.sample(), s.topic)
	s.must(err)
	s.must(s.r.Remirror(s.ctx, plan, plan.Duplicates))
	if got := len(s.values()); got != 60 {
		t.Errorf("mirrored again: %d of 60 values", got)
	}
}
