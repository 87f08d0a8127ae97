package kafka_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
)

type noBrokers struct{ kafka.Brokers }

// told is a worker that tells of these states.
type told struct {
	kafka.Worker
	connectors []connect.Connector
}

func (w told) Connectors(context.Context) ([]connect.Connector, error) { return w.connectors, nil }

var failed = []connect.Connector{{Name: "dc1->dc2.MirrorSourceConnector", State: connect.Running, Tasks: []connect.Task{{State: connect.Failed}}},
	{Name: "dc1->dc2.MirrorCheckpointConnector", State: connect.Running, Tasks: []connect.Task{{State: connect.Running}}}}

type noControl struct{ kafka.Control }

// restarts notes what is restarted.
type restarts struct {
	names []string
	whole []string // those that were restarted with what runs of them
	err   error
}

func (r *restarts) Restart(_ context.Context, connector string, o connect.RestartOptions) error {
	if !o.IncludeTasks {
		return errors.New("without its tasks")
	}
	if !o.OnlyFailed {
		r.whole = append(r.whole, connector)
	}
	r.names = append(r.names, connector)
	return r.err
}

func twoSites(t *testing.T, to kafka.Site) *kafka.Replication {
	t.Helper()
	to.Name, to.Brokers = "dc2", noBrokers{}
	if to.Worker == nil {
		to.Worker = told{connectors: failed}
	}
	replication, err := kafka.New(kafka.Config{Sites: []kafka.Site{{Name: "dc1", Brokers: noBrokers{}}, to}, Mirrors: []kafka.Mirror{{From: "dc1", To: "dc2"}}})
	if err != nil {
		t.Fatal(err)
	}
	return replication
}

// A site's Restarter goes before its Control, and what it refuses is an error.
func TestRestarterGoesBeforeControl(t *testing.T) {
	for _, refusal := range []error{nil, errors.New("invalid annotation format")} {
		r := &restarts{err: refusal}
		tasks, err := twoSites(t, kafka.Site{Restarter: r, Control: noControl{}}).RestartTasks("dc1", "dc2")
		if err != nil || len(tasks) != 1 {
			t.Fatalf("%v, %d tasks", err, len(tasks))
		}
		err = tasks[0].Apply(t.Context())
		want := []string{"dc1->dc2.MirrorSourceConnector", "dc1->dc2.MirrorCheckpointConnector"}
		if refusal != nil {
			want = want[:1]
		}
		if !errors.Is(err, refusal) || !slices.Equal(r.names, want) || len(r.whole) > 0 {
			t.Errorf("%v: %v, restarted %q, whole %q", refusal, err, r.names, r.whole)
		}
	}
}

// A worker that started alone during a cut tells of no failure: its connectors seem UNASSIGNED, with tasks that a worker runs which
// is gone. They are restarted whole.
func TestWhatNeverStartedIsRestartedWhole(t *testing.T) {
	lost := []connect.Connector{{Name: failed[0].Name, State: connect.Unassigned, Tasks: []connect.Task{{State: connect.Unassigned}}},
		{Name: failed[1].Name, State: connect.Unassigned, Tasks: []connect.Task{{State: connect.Running}}}}
	for name, c := range map[string]struct {
		connectors []connect.Connector
		whole      []string
	}{
		"both":         {lost, []string{failed[0].Name, failed[1].Name}},
		"one of two":   {[]connect.Connector{failed[0], lost[1]}, []string{failed[1].Name}},
		"what failed":  {failed, nil},
		"a task of it": {[]connect.Connector{{Name: failed[0].Name, State: connect.Running, Tasks: []connect.Task{{State: connect.Unassigned}}}, failed[1]}, []string{failed[0].Name}},
	} {
		r := &restarts{}
		tasks, err := twoSites(t, kafka.Site{Restarter: r, Worker: told{connectors: c.connectors}}).RestartTasks("dc2")
		if err != nil {
			t.Fatal(err)
		}
		if err := tasks[0].Apply(t.Context()); err != nil || !slices.Equal(r.whole, c.whole) || len(r.names) != 2 {
			t.Errorf("%s: restarted %q, whole %q, %v", name, r.names, r.whole, err)
		}
	}
}

// standing is a site of which everything is said to run while ten records wait, until it is restarted whole.
type standing struct {
	kafka.Brokers
	restarts
	next int64
}

func (s *standing) Connectors(context.Context) ([]connect.Connector, error) {
	settings := connect.Settings{"source.cluster.alias": "dc1", "target.cluster.alias": "dc2", "topics": "orders"}
	running := []connect.Task{{State: connect.Running}}
	return []connect.Connector{{Name: failed[0].Name, State: connect.Running, Tasks: running, Settings: settings}, {Name: failed[1].Name, State: connect.Running, Tasks: running}}, nil
}

func (s *standing) Offsets(context.Context, string) ([]connect.Offset, error) {
	if len(s.whole) > 0 {
		s.next = 20
	}
	return []connect.Offset{{Cluster: "dc1", Topic: "orders", Offset: s.next - 1}}, nil
}

func (s *standing) Topics(context.Context, ...string) ([]kafka.Topic, error) {
	return []kafka.Topic{{Name: "orders", ID: kafka.TopicID{1}, Partitions: 1}}, nil
}

func (s *standing) Bounds(_ context.Context, partitions []kafka.Partition) ([]kafka.Bounds, error) {
	bounds := make([]kafka.Bounds, len(partitions))
	for i, p := range partitions {
		bounds[i] = kafka.Bounds{Partition: p, Log: kafka.Log{End: 20}}
	}
	return bounds, nil
}

// A mirror that is said to run and stands is given two minutes, and is then restarted with what seems to run of it.
func TestAMirrorThatStandsIsRestartedWhole(t *testing.T) {
	for name, c := range map[string]struct {
		stands bool
		whole  int
		took   time.Duration
	}{"stands": {true, 2, 2 * time.Minute}, "nothing waits": {false, 0, 0}} {
		site := &standing{next: 20}
		if c.stands {
			site.next = 10
		}
		began := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		clock := geotest.NewClock(t, began)
		replication, err := kafka.New(kafka.Config{Sites: []kafka.Site{{Name: "dc1", Brokers: site}, {Name: "dc2", Brokers: site, Worker: site, Restarter: site}},
			Mirrors: []kafka.Mirror{{From: "dc1", To: "dc2"}}, Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		tasks, err := replication.RestartTasks("dc2")
		if err != nil {
			t.Fatal(err)
		}
		if err := tasks[0].Apply(t.Context()); err != nil || len(site.whole) != c.whole || len(site.names) != 2 {
			t.Errorf("%s: restarted %q, whole %q, %v", name, site.names, site.whole, err)
		}
		if took := clock.Now().Sub(began); took < c.took || took > c.took+10*time.Second {
			t.Errorf("%s: after %s, want %s", name, took, c.took)
		}
		if state, err := tasks[0].Observe(t.Context()); err != nil || !state.Done {
			t.Errorf("%s: %+v, %v", name, state, err)
		}
	}
}

func TestRestartNeedsAWay(t *testing.T) {
	replication := twoSites(t, kafka.Site{})
	if tasks, err := replication.RestartTasks("dc1"); err != nil || len(tasks) != 0 {
		t.Errorf("a site that nothing is mirrored into: %v, %d tasks", err, len(tasks))
	}
	if _, err := replication.RestartTasks("dc1", "dc2"); err == nil || !strings.Contains(err.Error(), "site dc2: has no Restarter and no Control") {
		t.Errorf("no way: %v", err)
	}
	if _, err := replication.RestartTasks("dc9"); err == nil || !strings.Contains(err.Error(), "site dc9: there is none") {
		t.Errorf("no such site: %v", err)
	}
	if _, err := replication.RestartWorkers("mark", "dc2"); err == nil || !strings.Contains(err.Error(), "has no Pods") {
		t.Errorf("no pods: %v", err)
	}
}

var (
	_ kafka.Control   = (*connect.Client)(nil)
	_ kafka.Restarter = (*connect.Client)(nil)
)
