package kafka_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/strimzi"
)

// resource is a KafkaMirrorMaker2 and its operator; accepts says what the operator makes of an annotation.
type resource struct {
	now     strimzi.MirrorMaker
	accepts func(*strimzi.MirrorMaker, strimzi.Annotation)
	err     error
}

func (r *resource) MirrorMaker(context.Context) (strimzi.MirrorMaker, error) { return r.now, r.err }

func (r *resource) Annotate(_ context.Context, a strimzi.Annotation) error {
	r.now.Annotations = map[string]string{a.Name: a.Value}
	r.accepts(&r.now, a)
	return nil
}

type noBrokers struct{ kafka.Brokers }

type noWorker struct{ kafka.Worker }

func TestRestartByAnnotation(t *testing.T) {
	for _, c := range []struct {
		name    string
		accepts func(*strimzi.MirrorMaker, strimzi.Annotation)
		err     error
		want    string // of the error; zero: none
	}{
		{"accepted", func(m *strimzi.MirrorMaker, a strimzi.Annotation) { delete(m.Annotations, a.Name) }, nil, ""},
		{"never accepted", func(*strimzi.MirrorMaker, strimzi.Annotation) {}, nil, "the operator has not accepted strimzi.io/restart-connector=dc1->dc2.MirrorSourceConnector:includeTasks,onlyFailed"},
		{"refused", func(m *strimzi.MirrorMaker, _ strimzi.Annotation) {
			m.Conditions = []strimzi.Condition{{Type: "Warning", Status: "True", Reason: "RestartConnector", Message: "Invalid annotation format"}}
		}, nil, "Invalid annotation format"},
		{"no answer", func(*strimzi.MirrorMaker, strimzi.Annotation) {}, errors.New("connection refused"), "connection refused"},
	} {
		r := &resource{accepts: c.accepts, err: c.err}
		site := kafka.Site{Name: "dc2", Brokers: noBrokers{}, Worker: noWorker{}, Resource: r, Annotator: r}
		replication, err := kafka.New(kafka.Config{Sites: []kafka.Site{{Name: "dc1", Brokers: noBrokers{}}, site}, Mirrors: []kafka.Mirror{{From: "dc1", To: "dc2"}}})
		if err != nil {
			t.Fatal(err)
		}
		tasks, err := replication.RestartTasks("dc1", "dc2")
		if err != nil || len(tasks) != 1 {
			t.Fatalf("%s: %v, %d tasks", c.name, err, len(tasks))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err = tasks[0].Apply(ctx)
		cancel()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestRestartNeedsAWay(t *testing.T) {
	replication, err := kafka.New(kafka.Config{Sites: []kafka.Site{{Name: "dc1", Brokers: noBrokers{}}, {Name: "dc2", Brokers: noBrokers{}, Worker: noWorker{}}},
		Mirrors: []kafka.Mirror{{From: "dc1", To: "dc2"}}})
	if err != nil {
		t.Fatal(err)
	}
	if tasks, err := replication.RestartTasks("dc1"); err != nil || len(tasks) != 0 {
		t.Errorf("a site that nothing is mirrored into: %v, %d tasks", err, len(tasks))
	}
	if _, err := replication.RestartTasks("dc1", "dc2"); err == nil || !strings.Contains(err.Error(), "site dc2: has no Control") {
		t.Errorf("no way: %v", err)
	}
	if _, err := replication.RestartTasks("dc9"); err == nil || !strings.Contains(err.Error(), "site dc9: there is none") {
		t.Errorf("no such site: %v", err)
	}
	if _, err := replication.RestartWorkers("mark", "dc2"); err == nil || !strings.Contains(err.Error(), "has no Pods") {
		t.Errorf("no pods: %v", err)
	}
}

var _ kafka.Control = (*connect.Client)(nil)
