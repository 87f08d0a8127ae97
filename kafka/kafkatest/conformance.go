package kafkatest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/broker"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/stream"
)

// Conformance holds a deployment of two sites or more to what package kafka promises of it: every fault is first shown
// to bite, then found, then cured where it can be. It uses topics of its own in the first two sites and takes a few
// minutes on real servers. Tests run one after another.
func Conformance(t *testing.T, d Deployment) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"CopiesUpToTheEnd", copiesUpToTheEnd},
		{"PausedConnector", pausedConnector},
		{"TransactionMarks", transactionMarks},
		{"RetentionGap", retentionGap},
		{"RetentionGapUnseen", retentionGapUnseen},
		{"RecreatedLongerWhileStopped", recreatedLongerWhileStopped},
		{"RecreatedShorterWhileRunning", recreatedShorterWhileRunning},
		{"TaskFailedUnderRunning", taskFailedUnderRunning},
		{"LinkCut", linkCut},
		{"BrokerPaused", brokerPaused},
		{"BrokerKilled", brokerKilled},
		{"WorkerPaused", workerPaused},
		{"WorkerKilled", workerKilled},
		{"WorkerKilledInMidCopy", workerKilledInMidCopy},
		{"WorkerStartedDuringCut", workerStartedDuringCut},
		{"Groups", groups},
		{"Canaries", canaries},
		{"CanaryDoesNotArrive", canaryDoesNotArrive},
		{"Remirror", remirror},
		{"OutageLimits", outageLimits},
		{"IdentityLoop", identityLoop},
		{"UnknownAlias", unknownAlias},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newSuite(t, d)) })
	}
}

// suite is one test's view of a deployment: the mirror from its first site to its second.
type suite struct {
	t        *testing.T
	ctx      context.Context
	d        Deployment
	from, to geored.SiteName
	r        *kafka.Replication
	worker   *connect.Client
	source   *Seeder
	target   *Seeder
	history  kafka.History
	topic    string
}

// partitions of a suite's topic.
const partitions = 3

func newSuite(t *testing.T, d Deployment) *suite {
	t.Helper()
	// Faults are mended in cleanups, when the test's own context has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 4*time.Minute)
	t.Cleanup(cancel)
	sites := d.Sites()
	s := &suite{t: t, ctx: ctx, d: d, from: sites[0], to: sites[1]}
	s.r = Open(t, d, kafka.Limits{})
	var err error
	if s.worker, err = connect.New(connect.Config{URL: d.ConnectURL(s.to), Timeout: 5 * time.Second}); err != nil {
		t.Fatal(err)
	}
	s.source, s.target = Seed(ctx, t, d.Access(s.from)), Seed(ctx, t, d.Access(s.to))
	s.topic = fmt.Sprintf("orders-%s-%d", strings.ToLower(t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]), time.Now().UnixNano()%1e6)
	return s
}

// Open makes a [kafka.Replication] of a deployment, over real clients, with mirrors both ways between all sites.
func Open(t tester, d Deployment, limits kafka.Limits) *kafka.Replication {
	t.Helper()
	c := kafka.Config{Mirrors: kafka.MirrorsBothWays(d.Sites()...), Limits: limits}
	for _, name := range d.Sites() {
		brokers, err := broker.Open(d.Access(name))
		if err != nil {
			t.Fatalf("%v", err)
		}
		t.Cleanup(brokers.Close)
		records, err := stream.Open(d.Access(name))
		if err != nil {
			t.Fatalf("%v", err)
		}
		worker, err := connect.New(connect.Config{URL: d.ConnectURL(name), Timeout: 5 * time.Second})
		if err != nil {
			t.Fatalf("%v", err)
		}
		c.Sites = append(c.Sites, kafka.Site{Name: name, Brokers: brokers, Records: records, Worker: worker, Messenger: brokers, Control: worker})
	}
	r, err := kafka.New(c)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return r
}

func (s *suite) mirror() kafka.Mirror { return kafka.Mirror{From: s.from, To: s.to} }

func (s *suite) copy() string { return string(s.from) + "." + s.topic }

func (s *suite) connector() string { return s.mirror().Connector(kafka.SourceConnector) }

// eventually waits until f gives no error.
func (s *suite) eventually(what string, f func() error) {
	s.t.Helper()
	limit := time.Now().Add(90 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(limit) || s.ctx.Err() != nil {
			s.t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// must ends the test on an error.
func (s *suite) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// inject brings a fault about; it is mended at the end of the test at the latest.
func (s *suite) inject(fault Fault, at geored.Target) (mend func()) {
	s.t.Helper()
	undo, err := s.d.Inject(s.ctx, fault, at)
	s.must(err)
	mended := false
	mend = func() {
		if !mended {
			mended = true
			if err := undo(s.ctx); err != nil {
				s.t.Errorf("mend %s: %v", fault, err)
			}
		}
	}
	s.t.Cleanup(mend)
	return mend
}

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
	before := s.history
	sample := s.sample()
	return kafka.LossFinding(sample, before, s.history)
}

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
