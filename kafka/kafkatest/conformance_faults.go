package kafkatest

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
)

// oversized lets a task fail by a record larger than the producer takes. mend gives the old settings back.
func (s *suite) oversized() (found geored.Finding, mend func()) {
	s.t.Helper()
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 30)
	s.copied(10)
	before, err := s.worker.Settings(s.ctx, s.connector())
	s.must(err)
	small := maps.Clone(before)
	small["producer.override.max.request.size"] = "20000"
	s.stop() // so that no task goes on with the old settings
	s.must(s.worker.PutSettings(s.ctx, s.connector(), small))
	s.t.Cleanup(func() { _ = s.worker.PutSettings(s.ctx, s.connector(), before) })
	s.resume()
	s.source.Write(s.topic, []byte("big"), []byte(strings.Repeat("x", 40_000)))
	s.eventually("failed task", func() error {
		connectors, err := s.worker.Connectors(s.ctx)
		if err != nil {
			return err
		}
		if found = kafka.StatusFinding(s.mirror(), connectors); found.Verdict != geored.Fail {
			return fmt.Errorf("%s %s", found.Verdict, found.Message)
		}
		return nil
	})
	return found, func() { s.must(s.worker.PutSettings(s.ctx, s.connector(), before)) }
}

// taskFailedUnderRunning: the connector says RUNNING.
func taskFailedUnderRunning(t *testing.T, s *suite) {
	found, mend := s.oversized()
	c, err := s.worker.Connector(s.ctx, s.connector())
	s.must(err)
	if c.State != connect.Running {
		t.Errorf("the connector itself is %s", c.State)
	}
	if !strings.Contains(found.Message, "RecordTooLarge") {
		t.Errorf("the cause is missing: %s", found.Message)
	}
	if _, waiting, _ := s.stands(s.sample()); waiting == 0 {
		t.Error("nothing waits")
	}
	mend()
	s.must(s.worker.Restart(s.ctx, s.connector(), connect.RestartOptions{IncludeTasks: true, OnlyFailed: true}))
	s.copied(11)
}

// behind produces and waits until the position shows that nothing comes through, while Connect stays green.
func (s *suite) behind() {
	s.t.Helper()
	s.source.Produce(s.topic, partitions, 30, 30)
	if _, waiting, _ := s.stands(s.sample()); waiting != 30 {
		s.t.Errorf("%d of 30 wait", waiting)
	}
	s.green()
	if got := len(s.values()); got != 30 {
		s.t.Errorf("the fault does not bite: %d values arrived", got)
	}
}

func linkCut(t *testing.T, s *suite) {
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 30)
	s.copied(10)
	mend := s.inject(LinkCut, geored.Target{Site: s.from, To: s.to})
	s.behind()
	back := kafka.Mirror{From: s.to, To: s.from}
	if sample, err := s.r.Sample(s.ctx, back); err != nil || len(sample.Positions) == 0 {
		t.Errorf("the way back: %v", err)
	}
	mend()
	s.copied(20)
	if got := s.values(); len(got) != 60 {
		t.Errorf("%d of 60 values arrived", len(got))
	}
}

func brokerPaused(t *testing.T, s *suite) { brokerSilent(t, s, BrokerPaused) }
func brokerKilled(t *testing.T, s *suite) { brokerSilent(t, s, BrokerKilled) }

// brokerSilent: the position is unknown within the time that was given, though sarama would wait; status stays green.
func brokerSilent(t *testing.T, s *suite, fault Fault) {
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 30)
	s.copied(10)
	mend := s.inject(fault, geored.Target{Site: s.from})
	impatient := s.impatient()
	if _, err := impatient.Sample(s.ctx, s.mirror()); !errors.Is(err, kafka.ErrUnreachable) {
		t.Errorf("position of a silent source: %v", err)
	}
	s.green()
	for _, id := range []geored.CheckID{kafka.CheckPosition, kafka.CheckGroups, kafka.CheckLoss, kafka.CheckOutage} {
		if f := s.found(id, append(impatient.Checks(&notebook{s.history}), impatient.OutageCheck(time.Second))...); f.Verdict != geored.Unknown || len(f.Unanswered) == 0 {
			t.Errorf("%s: %s %v", f.Check, f.Verdict, f.Unanswered)
		}
	}
	mend()
	s.source.Produce(s.topic, partitions, 30, 30)
	s.copied(20)
}

// workerPaused: silence of the worker is unknown, not a reason to act.
func workerPaused(t *testing.T, s *suite) {
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 30)
	s.copied(10)
	mend := s.inject(WorkerPaused, geored.Target{Site: s.to})
	if _, err := s.impatient().Sample(s.ctx, s.mirror()); !errors.Is(err, connect.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	mend()
	s.source.Produce(s.topic, partitions, 30, 30)
	s.copied(20)
}

// workerKilled: nothing is lost. What was copied and not committed is there twice.
func workerKilled(t *testing.T, s *suite) {
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 30)
	s.copied(10)
	mend := s.inject(WorkerKilled, geored.Target{Site: s.to})
	if _, err := s.r.Sample(s.ctx, s.mirror()); !errors.Is(err, connect.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	s.source.Produce(s.topic, partitions, 30, 30)
	mend()
	s.copied(20)
	if got := s.values(); len(got) != 60 {
		t.Errorf("%d of 60 values arrived", len(got))
	}
	if f := s.loss(); f.Verdict == geored.Fail {
		t.Errorf("%s %v", f.Message, f.Evidence)
	}
}

func unknownAlias(t *testing.T, s *suite) {
	_, err := s.r.Sample(s.ctx, kafka.Mirror{From: s.from, To: s.to, Source: "no-such-site"})
	if err == nil || !strings.Contains(err.Error(), "no-such-site->") || !strings.Contains(err.Error(), s.connector()) {
		t.Errorf("got %v", err)
	}
}
