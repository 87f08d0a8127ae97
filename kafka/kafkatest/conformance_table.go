package kafkatest

import (
	"context"
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

// Row is what each of four witnesses says of a fault.
type Row struct {
	Fault string
	Ready string // what "kubectl get kmm2" shows, right after a reconciliation
	REST  string // states of the source connector and its tasks
	Lag   string // records of the topic: the source's ends less the committed positions
	Here  string // package kafka's check, and its verdict
}

// String is the row in Markdown.
func (r Row) String() string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s |", r.Fault, r.Ready, r.REST, r.Lag, r.Here)
}

// Table is what every [Deployment] is held to by [Conformance].
func Table() []Row {
	rows := make([]Row, len(table))
	for i, entry := range table {
		rows[i] = entry.Row
	}
	return rows
}

var table = []struct {
	Row
	bring func(*suite) // the suite's topic has 30 records, all copied
	check func(*suite) string
}{
	{Row{"none", "True", "RUNNING", "0", "position pass"}, func(*suite) {}, positionOf},
	{Row{"source's broker paused", "True", "RUNNING", "no answer", "position unknown"},
		func(s *suite) { s.inject(BrokerPaused, geored.Target{Site: s.from}) }, positionOf},
	{Row{"source's broker killed", "True", "RUNNING", "no answer", "position unknown"},
		func(s *suite) { s.inject(BrokerKilled, geored.Target{Site: s.from}) }, positionOf},
	{Row{"link cut one way", "True", "RUNNING", "30", "position fail"}, func(s *suite) {
		s.inject(LinkCut, geored.Target{Site: s.from, To: s.to})
		s.source.Produce(s.topic, partitions, 30, 30)
	}, positionOf},
	{Row{"worker paused", "False", "no answer", "no answer", "status unknown"},
		func(s *suite) {
			s.inject(WorkerPaused, geored.Target{Site: s.to})
			s.eventually("the worker is silent", func() error {
				if said := s.rest(); said != "no answer" {
					return errors.New(said)
				}
				return nil
			})
		}, statusOf},
	{Row{"connector paused", "True", "PAUSED", "60", "status fail"}, func(s *suite) {
		s.pause()
		s.source.Produce(s.topic, partitions, 30, 60)
	}, statusOf},
	{Row{"oversized record", "True", "RUNNING, a task FAILED", "1", "status fail"}, func(s *suite) { s.oversized() }, statusOf},
	{Row{"retention gap", "True", "RUNNING", "0", "loss fail"}, func(s *suite) { gap(s, func() {}) }, lossOf},
	{Row{"topic made anew, longer", "True", "RUNNING", "0", "loss fail"}, recreateLonger, lossOf},
	{Row{"mark of a transaction at the end", "True", "RUNNING", "1", "position pass"}, func(s *suite) {
		s.source.Transact(s.topic, 5, true)
		s.copied(15)
	}, positionOf},
	{Row{"worker killed in mid-copy", "True", "RUNNING", "0", "compare warn"}, func(s *suite) { s.killInMidCopy() },
		func(s *suite) string { return "compare " + string(s.compare().Verdict()) }},
}

func whatEachSays(t *testing.T, s *suite) {
	for i, entry := range table {
		t.Run(strings.ReplaceAll(entry.Fault, " ", "-"), func(t *testing.T) {
			s := newSuite(t, s.d)
			s.topic = fmt.Sprintf("says-%d-%d", i, time.Now().UnixNano()%1e6)
			if entry.Lag != "no answer" {
				s.patience = 5 * time.Second // an answer is wanted, also of a machine that is busy
			}
			if !createsItself[entry.Fault] {
				s.source.Create(s.topic, partitions)
				s.source.Produce(s.topic, partitions, 0, 30)
				s.copied(10)
			}
			entry.bring(s)
			operator := NewOperator(t, s.d, s.to)
			got := Row{Fault: entry.Fault, Ready: ready(operator), REST: s.rest(), Lag: s.lag(), Here: entry.check(s)}
			if got != entry.Row {
				t.Errorf("\n got %s\nwant %s", got, entry.Row)
			}
		})
	}
}

// createsItself are the faults that fill the topic in a way of their own.
var createsItself = map[string]bool{"oversized record": true, "retention gap": true, "topic made anew, longer": true, "worker killed in mid-copy": true}

// recreateLonger lets the mirror go on from its old position, which lies within the new topic.
func recreateLonger(s *suite) {
	s.recreate(900)
	s.resume()
	s.copied(300)
}

// recreate has 300 records copied, and makes the topic anew with as many as are given while the mirror is stopped.
func (s *suite) recreate(records int) {
	s.t.Helper()
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 300)
	s.copied(100)
	s.stop()
	s.source.Delete(s.topic)
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 300, records)
}

func ready(o *Operator) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.resource.Condition("Ready"); ok {
		return "True"
	}
	return "False"
}

// rest is what somebody reads from Connect's status.
func (s *suite) rest() string {
	worker, err := connect.New(connect.Config{URL: s.d.ConnectURL(s.to), Timeout: max(time.Second, s.patience)})
	s.must(err)
	c, err := worker.Connector(s.ctx, s.connector())
	if err != nil {
		return "no answer"
	}
	said := string(c.State)
	for _, task := range c.Tasks {
		if task.State != c.State {
			return said + ", a task " + string(task.State)
		}
	}
	return said
}

// lag is what somebody computes from the committed offsets and the source's ends.
func (s *suite) lag() string {
	sample, err := s.impatient().Sample(s.ctx, s.mirror())
	if err != nil {
		return "no answer"
	}
	var lag int64
	for _, p := range sample.Positions {
		if p.Topic == s.topic {
			lag += p.Source.End - max(p.Next, 0)
		}
	}
	return fmt.Sprint(lag)
}

// oneTopic has a mirror select one topic alone, so that a check of the whole mirror judges what the fault was brought to.
type oneTopic struct {
	kafka.Worker
	topic string
}

func (w oneTopic) Connectors(ctx context.Context) ([]connect.Connector, error) {
	connectors, err := w.Worker.Connectors(ctx)
	for i, c := range connectors {
		connectors[i].Settings = maps.Clone(c.Settings)
		maps.Copy(connectors[i].Settings, connect.Settings{"topics": w.topic, "heartbeats.replication.enabled": "false"})
	}
	return connectors, err
}

func positionOf(s *suite) string {
	time.Sleep(10 * time.Millisecond) // records come of age
	c := configure(s.t, s.d, kafka.Limits{Age: time.Millisecond}, s.patience)
	for i, site := range c.Sites {
		c.Sites[i].Worker = oneTopic{site.Worker, s.topic}
	}
	return "position " + string(s.found(kafka.CheckPosition, replication(s.t, c).Checks(nil)...).Verdict)
}

func statusOf(s *suite) string {
	return "status " + string(s.found(kafka.CheckStatus, s.impatient().Checks(nil)...).Verdict)
}

func lossOf(s *suite) string { return "loss " + string(s.loss().Verdict) }
