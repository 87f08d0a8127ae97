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

// killInMidCopy kills the worker while it copies, and waits until everything is copied. It gives the number of records.
func (s *suite) killInMidCopy() int64 {
	s.t.Helper()
	records := 60_000
	if _, fake := s.d.(*World); fake {
		records = 12_000 // it is slow enough to be caught in the middle
	}
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 30)
	s.copied(10)
	s.stop()
	s.source.Produce(s.topic, partitions, 30, records)
	s.must(s.worker.Resume(s.ctx, s.connector()))
	s.eventually("something is copied", func() error {
		if at := s.target.End(s.copy(), 0); at < 3000 {
			return fmt.Errorf("%d records", at)
		}
		return nil
	})
	s.inject(WorkerKilled, geored.Target{Site: s.to})()
	s.copied(int64(10 + records/partitions))
	return int64(30 + records)
}

// workerKilledInMidCopy: what was copied and not committed is there twice; nothing is lost.
func workerKilledInMidCopy(t *testing.T, s *suite) {
	records := s.killInMidCopy()
	c := s.compare()
	if c.Matched != records || c.Missing+c.Different+c.Strays+c.Unproven != 0 {
		t.Errorf("%s", c)
	}
	t.Logf("%d duplicates of %d records", c.Duplicates, records)
	if copied := s.target.End(s.copy(), 0) + s.target.End(s.copy(), 1) + s.target.End(s.copy(), 2); copied != c.Matched+c.Duplicates {
		t.Errorf("%d records in the copy, and %s", copied, c)
	}
	if want := map[bool]geored.Verdict{true: geored.Warn, false: geored.Pass}[c.Duplicates > 0]; c.Verdict() != want {
		t.Errorf("%s: %s", c.Verdict(), c)
	}
}

// workerStartedDuringCut: what fails then stays failed after the mend, until it is restarted. Whether it fails depends on
// how the cut shows: names that do not resolve fail it, addresses that do not answer leave it RUNNING.
func workerStartedDuringCut(t *testing.T, s *suite) {
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 30)
	s.copied(10)
	mend := s.inject(LinkCut, geored.Target{Site: s.from, To: s.to})
	s.inject(WorkerKilled, geored.Target{Site: s.to})()
	s.source.Produce(s.topic, partitions, 30, 30)
	failed := false
	s.eventually("the connector has come to a state", func() error {
		c, err := s.worker.Connector(s.ctx, s.connector())
		failed = c.State == connect.Failed
		if err == nil && c.State != connect.Failed && c.State != connect.Running {
			err = fmt.Errorf("%s", c.State)
		}
		return err
	})
	mend()
	if failed {
		time.Sleep(300 * time.Millisecond)
		if c, err := s.worker.Connector(s.ctx, s.connector()); err != nil || c.State != connect.Failed {
			t.Errorf("it mends itself: %s %v", c.State, err)
		}
	}
	t.Logf("the connector failed: %t", failed)
	tasks, err := s.r.RestartTasks(s.to)
	s.must(err)
	result, err := geored.Runbook{Name: "restart", Stages: []geored.Stage{geored.StageOf("restart", tasks...)}}.Run(s.ctx, geored.RunConfig{})
	s.must(err)
	if o := result.Outcomes[0]; failed && o.Status != geored.Changed {
		t.Errorf("restart: %s %s", o.Status, o.Detail)
	}
	s.copied(20)
	result, err = geored.Runbook{Name: "restart", Stages: []geored.Stage{geored.StageOf("restart", tasks...)}}.Run(s.ctx, geored.RunConfig{})
	s.must(err)
	if result.Count(geored.Unchanged) != len(tasks) {
		t.Errorf("what runs and moves was restarted: %+v", result.Outcomes)
	}
}

func groups(t *testing.T, s *suite) {
	group := s.topic + "-group"
	s.source.Create(s.topic, 1)
	for first := 0; first < 500; first += 100 {
		s.source.Produce(s.topic, 1, first, 100)
		s.copied(int64(first + 100))
	}
	s.source.Commit(group, s.topic, 0, 450)
	left := "console-consumer-" + s.topic // no mirror translates it: groups.exclude
	s.source.Commit(left, s.topic, 0, 400)
	var found kafka.GroupStanding
	s.eventually("translated", func() error {
		standings, err := s.r.Groups(s.ctx, s.mirror())
		if err != nil {
			return err
		}
		for _, standing := range standings {
			if found = standing; found.Group == group && found.Translated >= 0 {
				return nil
			}
		}
		return fmt.Errorf("%d standings: %+v", len(standings), found)
	})
	if found.Image != 450 || found.Translated > 450 || found.Verdict != geored.Pass || found.Again != 450-found.Translated {
		t.Errorf("%s", found)
	}
	if f := s.found(kafka.CheckGroups, s.r.Checks(nil)...); f.Verdict != geored.Pass || !strings.Contains(f.Message, left) {
		t.Errorf("%s: %s %v", f.Verdict, f.Message, f.Evidence)
	}
	s.target.Commit(group, s.copy(), 0, 480)
	s.eventually("ahead", func() error {
		standings, err := s.r.Groups(s.ctx, s.mirror())
		for _, standing := range standings {
			if standing.Group == group && standing.Verdict == geored.Fail && strings.Contains(standing.Reason, "30 records") {
				return nil
			}
		}
		return fmt.Errorf("not found: %v %v", standings, err)
	})
	if f := s.found(kafka.CheckGroups, s.r.Checks(nil)...); f.Verdict != geored.Fail || !strings.Contains(strings.Join(f.Evidence, " "), group) {
		t.Errorf("%s: %s %v", f.Verdict, f.Message, f.Evidence)
	}
}

// canaries arrive through every mirror, and leave nothing behind.
func canaries(t *testing.T, s *suite) {
	topic := fmt.Sprintf("canary-%d", time.Now().UnixNano()%1e6)
	flights, err := s.r.Canaries(s.ctx, kafka.CanaryPlan{Topic: topic, Wait: time.Minute, Settle: s.settle()})
	s.must(err)
	if len(flights) != len(s.r.Mirrors()) {
		t.Errorf("%d flights for %d mirrors", len(flights), len(s.r.Mirrors()))
	}
	for _, f := range flights {
		if f.Err != nil || f.Latency <= 0 || f.Topic != string(f.From)+"."+topic {
			t.Errorf("%+v", f)
		}
	}
	for _, seeder := range []*Seeder{s.source, s.target} {
		if left := seeder.Topics(topic); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}

// canaryDoesNotArrive through a cut link, and does through the other.
func canaryDoesNotArrive(t *testing.T, s *suite) {
	s.inject(LinkCut, geored.Target{Site: s.from, To: s.to})
	wait := 10 * time.Second
	if _, fake := s.d.(*World); fake {
		wait = 4 * time.Second // new topics are found at once
	}
	flights, err := s.r.Canaries(s.ctx, kafka.CanaryPlan{Topic: fmt.Sprintf("lost-canary-%d", time.Now().UnixNano()%1e6),
		Wait: wait, Settle: s.settle()})
	if !errors.Is(err, kafka.ErrNotArrived) {
		t.Errorf("got %v", err)
	}
	for _, f := range flights {
		if cut := f.From == s.from && f.To == s.to; cut != errors.Is(f.Err, kafka.ErrNotArrived) || !cut && f.Err != nil {
			t.Errorf("%s -> %s: %v", f.From, f.To, f.Err)
		}
	}
}

// remirror brings back what a recreated topic lost.
func remirror(t *testing.T, s *suite) {
	s.recreate(600)
	s.resume()
	s.copied(200)
	if c := s.compare(); c.Missing != 300 {
		t.Fatalf("the fault does not bite: %s", c)
	}
	plan, err := kafka.PlanRemirror(s.mirror(), s.sample(), s.topic)
	s.must(err)
	if plan.Duplicates != 600 || plan.Lost != 0 || len(plan.Partitions) != partitions {
		t.Errorf("%s", plan)
	}
	if err := s.r.Remirror(s.ctx, plan, plan.Duplicates-1); err == nil {
		t.Error("it was done without being confirmed")
	}
	s.must(s.r.Remirror(s.ctx, plan, plan.Duplicates))
	counts := s.values()
	for i := 300; i < 900; i++ {
		if counts[fmt.Sprintf("v%09d", i)] == 0 {
			t.Fatalf("record %d is still missing", i)
		}
	}
	if c := s.compare(); c.Missing != 0 {
		t.Errorf("%s", c)
	}
}

func outageLimits(t *testing.T, s *suite) {
	s.source.Create(s.topic, 1, "retention.ms", "3600000")
	s.source.Produce(s.topic, 1, 0, 10)
	s.copied(10)
	o := s.outageLimit()
	if o.Left < 50*time.Minute || o.Left > time.Hour || o.By != "retention.ms" || o.Verdict != geored.Pass || !o.Since.IsZero() {
		t.Errorf("%+v", o)
	}
	for least, short := range map[time.Duration]bool{time.Minute: false, 2 * time.Hour: true} {
		f := s.found(kafka.CheckOutage, s.r.OutageCheck(least))
		if told := strings.Contains(strings.Join(f.Evidence, " "), s.topic); told != short || short && f.Verdict != geored.Fail {
			t.Errorf("%s: %s %s %v", least, f.Verdict, f.Message, f.Evidence)
		}
	}
}

// lossIsDated: what is gone, with the time since when it may be; by hand first, which no retention explains.
func lossIsDated(t *testing.T, s *suite) {
	kept := 20 * time.Second // real brokers remove what is due within a second
	if _, fake := s.d.(*World); fake {
		kept = 2 * time.Second
	}
	s.source.Create(s.topic, 1, "retention.ms", fmt.Sprint(kept.Milliseconds()))
	began := time.Now().Truncate(time.Millisecond)
	s.source.Produce(s.topic, 1, 0, 10)
	s.copied(10)
	s.stop()
	t.Cleanup(s.resume)
	s.source.Produce(s.topic, 1, 10, 10)
	s.source.Truncate(s.topic, 0, 15)
	if o := s.outageLimit(); o.Lost < 5 || o.Verdict != geored.Fail {
		t.Fatalf("the fault does not bite: %+v", o)
	} else if !o.Since.IsZero() && time.Since(began) < kept {
		t.Errorf("removed by hand before anything was due, and said to be lost since %s", o.Since)
	}
	time.Sleep(time.Until(began.Add(kept + 2*time.Second)))
	o := s.outageLimit()
	if o.Lost < 5 {
		t.Fatalf("nothing is lost any more: %+v", o)
	}
	if o.Target.Start == o.Target.End { // the copy keeps the same times and went with them: nobody can tell
		if !o.Since.IsZero() {
			t.Errorf("dated by an empty copy: %+v", o)
		}
		return
	}
	if o.By != "retention.ms" || o.Since.Before(began.Add(kept)) || o.Since.After(time.Now()) {
		t.Errorf("after %s: %+v", began, o)
	}
}

// outageLimit is the limit of the suite's topic.
func (s *suite) outageLimit() kafka.OutageLimit {
	s.t.Helper()
	limits, err := s.r.OutageLimits(s.ctx, s.mirror())
	s.must(err)
	for _, o := range limits {
		if o.Topic == s.topic {
			return o
		}
	}
	s.t.Fatalf("%s has no limit", s.topic)
	return kafka.OutageLimit{}
}

// identityLoop: with IdentityReplicationPolicy both ways every record goes round for ever. Status fails, though all is
// RUNNING, and no canary is sent.
func identityLoop(t *testing.T, s *suite) {
	s.source.Create(s.topic, 1)
	s.copiedEmpty()
	back := newSuite(t, s.d)
	back.from, back.to, back.source, back.target = s.to, s.from, s.target, s.source
	var err error
	back.worker, err = connect.New(connect.Config{URL: s.d.ConnectURL(s.from), Timeout: 5 * time.Second})
	s.must(err)
	for _, way := range []*suite{s, back} {
		before, err := way.worker.Settings(way.ctx, way.connector())
		s.must(err)
		loop := maps.Clone(before)
		loop["replication.policy.class"] = "org.apache.kafka.connect.mirror.IdentityReplicationPolicy"
		loop["topics"] = s.topic
		way.stop()
		s.must(way.worker.PutSettings(way.ctx, way.connector(), loop))
		t.Cleanup(func() {
			way.stop()
			s.must(way.worker.PutSettings(way.ctx, way.connector(), before))
			way.resume()
		})
		s.must(way.worker.Resume(way.ctx, way.connector()))
	}
	s.source.Produce(s.topic, 1, 0, 10)
	s.eventually("the fault bites", func() error {
		if end := s.source.End(s.topic, 0); end <= 20 {
			return fmt.Errorf("%d records of 10", end)
		}
		return nil
	})
	report, err := geored.Prove(s.ctx, geored.CheckConfig{}, s.r.Checks(nil)...)
	s.must(err)
	found := 0
	for _, f := range report.Findings {
		if f.Check == kafka.CheckStatus && f.Verdict == geored.Fail && strings.Contains(f.Message, "for ever") {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 mirrors fail", found)
	}
	if _, err := s.r.Canaries(s.ctx, kafka.CanaryPlan{Topic: s.topic}, s.mirror()); err == nil || !strings.Contains(err.Error(), "for ever") {
		t.Errorf("canary: %v", err)
	}
}
