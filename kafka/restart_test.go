package kafka_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
)

type noBrokers struct{ kafka.Brokers }

type noWorker struct{ kafka.Worker }

type noControl struct{ kafka.Control }

// restarts notes what is restarted.
type restarts struct {
	names []string
	err   error
}

func (r *restarts) Restart(_ context.Context, connector string, o connect.RestartOptions) error {
	if o != (connect.RestartOptions{IncludeTasks: true, OnlyFailed: true}) {
		return errors.New("more than what failed")
	}
	r.names = append(r.names, connector)
	return r.err
}

func twoSites(t *testing.T, to kafka.Site) *kafka.Replication {
	t.Helper()
	to.Name, to.Brokers, to.Worker = "dc2", noBrokers{}, noWorker{}
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
		if !errors.Is(err, refusal) || !slices.Equal(r.names, want) {
			t.Errorf("%v: %v, restarted %q", refusal, err, r.names)
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
