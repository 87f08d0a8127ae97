package kafkatest

import (
	"fmt"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
)

// sample looks at the mirror and keeps the history.
func (s *suite) sample() kafka.Sample {
	s.t.Helper()
	var sample kafka.Sample
	s.eventually("sample", func() (err error) {
		sample, err = s.r.Sample(s.ctx, s.mirror())
		return err
	})
	s.history = s.history.With(sample)
	return sample
}

// position is that of one partition of the suite's topic.
func position(s *suite, sample kafka.Sample, number int32) kafka.Position {
	s.t.Helper()
	for _, p := range sample.Positions {
		if p.Topic == s.topic && p.Number == number {
			return p
		}
	}
	s.t.Fatalf("the sample has no %s/%d", s.topic, number)
	return kafka.Position{}
}

// stands judges the suite's topic alone.
func (s *suite) stands(sample kafka.Sample) (verdict geored.Verdict, waiting int64, reasons string) {
	var verdicts []geored.Verdict
	for _, p := range sample.Positions {
		if p.Topic == s.topic {
			standing := p.Stand(sample.ReadCommitted, sample.Time, time.Time{}, kafka.Limits{})
			verdicts = append(verdicts, standing.Verdict)
			waiting += standing.Waiting
			reasons += standing.String() + "\n"
		}
	}
	return geored.Join(verdicts...), waiting, reasons
}

// copied waits until every record of the suite's topic was copied, by the mirror's own account.
func (s *suite) copied(wantNext int64) kafka.Sample {
	s.t.Helper()
	var sample kafka.Sample
	s.eventually("copied", func() error {
		sample = s.sample()
		verdict, waiting, reasons := s.stands(sample)
		if verdict != geored.Pass || waiting != 0 || position(s, sample, 0).Next < wantNext {
			return fmt.Errorf("%s, %d wait: %s", verdict, waiting, reasons)
		}
		return nil
	})
	return sample
}

// copiedEmpty waits until the mirror knows the suite's topic.
func (s *suite) copiedEmpty() {
	s.t.Helper()
	s.eventually("the copy is made", func() error {
		if len(s.target.Topics(s.copy())) == 0 {
			return fmt.Errorf("topic %s is not there", s.copy())
		}
		return nil
	})
}

// incidents are those of the suite's topic.
func (s *suite) incidents() []kafka.Incident {
	var found []kafka.Incident
	for _, i := range s.history.Of(s.mirror()).Incidents {
		if i.Topic == s.topic {
			found = append(found, i)
		}
	}
	return found
}

// loss is what the loss check says of the mirror as it is now.
func (s *suite) loss() geored.Finding {
	s.t.Helper()
	kept := &notebook{s.history}
	f := s.found(kafka.CheckLoss, s.r.Checks(kept)...)
	s.history = kept.History
	return f
}

// found is what one of the checks says of the mirror.
func (s *suite) found(id geored.CheckID, checks ...geored.Check) geored.Finding {
	s.t.Helper()
	report, err := geored.Prove(s.ctx, geored.CheckConfig{}, slices.DeleteFunc(checks, func(c geored.Check) bool { return c.ID != id })...)
	s.must(err)
	all := slices.DeleteFunc(report.Findings, func(f geored.Finding) bool { return f.Check != id || f.Site != s.from || f.To != s.to })
	if len(all) != 1 {
		s.t.Fatalf("%s says %d things of the mirror: %v", id, len(all), report.Findings)
	}
	return all[0]
}

// notebook is a history in memory.
type notebook struct{ kafka.History }

func (n *notebook) Load() (kafka.History, error) { return n.History, nil }
func (n *notebook) Save(h kafka.History) error   { n.History = h; return nil }

// pause stops the copying and returns when every task has stopped.
func (s *suite) pause() {
	s.t.Helper()
	s.must(s.worker.Pause(s.ctx, s.connector()))
	s.state(connect.Paused)
	s.t.Cleanup(func() { _ = s.worker.Resume(s.ctx, s.connector()) })
}

// stop ends the tasks: a paused one may hold records that it has fetched already.
func (s *suite) stop() {
	s.t.Helper()
	s.must(s.worker.Stop(s.ctx, s.connector()))
	s.eventually("stopped", func() error {
		c, err := s.worker.Connector(s.ctx, s.connector())
		if err == nil && (c.State != connect.Stopped || len(c.Tasks) > 0) {
			err = fmt.Errorf("connector is %s with %d tasks", c.State, len(c.Tasks))
		}
		return err
	})
	s.t.Cleanup(func() { _ = s.worker.Resume(s.ctx, s.connector()) })
}

func (s *suite) resume() {
	s.t.Helper()
	s.must(s.worker.Resume(s.ctx, s.connector()))
	s.state(connect.Running)
}

func (s *suite) state(want connect.State) {
	s.t.Helper()
	s.eventually("state "+string(want), func() error {
		c, err := s.worker.Connector(s.ctx, s.connector())
		if err != nil {
			return err
		}
		for _, t := range c.Tasks {
			if t.State != want {
				return fmt.Errorf("task %d is %s", t.ID, t.State)
			}
		}
		if c.State != want || len(c.Tasks) == 0 {
			return fmt.Errorf("connector is %s with %d tasks", c.State, len(c.Tasks))
		}
		return nil
	})
}

// green asserts that Connect sees nothing wrong: the trap that the fault is.
func (s *suite) green() {
	s.t.Helper()
	connectors, err := s.worker.Connectors(s.ctx)
	s.must(err)
	if f := kafka.StatusFinding(s.mirror(), connectors); f.Verdict != geored.Pass {
		s.t.Errorf("Connect is not fooled: %s %s", f.Verdict, f.Message)
	}
}

// compare compares the suite's topic; the partitions are added up.
func (s *suite) compare() kafka.Comparison {
	s.t.Helper()
	results, err := s.r.Compare(s.ctx, s.mirror(), s.topic)
	s.must(err)
	var sum kafka.Comparison
	for _, c := range results {
		if c.Err != nil {
			s.t.Errorf("compare: %v", c.Err)
		}
		sum.Matched += c.Matched
		sum.Missing += c.Missing
		sum.Duplicates += c.Duplicates
		sum.Different += c.Different
		sum.OutOfOrder += c.OutOfOrder
		sum.Strays += c.Strays
		sum.Unproven += c.Unproven
		sum.Waiting += c.Waiting
	}
	return sum
}

// values are all that the copy holds.
func (s *suite) values() map[string]int {
	s.t.Helper()
	counts := map[string]int{}
	for n := range int32(partitions) {
		for _, v := range s.target.Values(s.copy(), n) {
			counts[v]++
		}
	}
	return counts
}
