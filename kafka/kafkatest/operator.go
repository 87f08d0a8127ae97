package kafkatest

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/strimzi"
)

// Operator stands in for Strimzi's operator at one site: the KafkaMirrorMaker2 resource in memory, with what Strimzi 1.2
// is documented to write into it, its blind spots included: it looks at connectors and not at their tasks, and what it
// says is as old as its last reconciliation. It is a kafka.ResourceReader and a kafka.Annotator.
type Operator struct {
	worker *connect.Client

	mu       sync.Mutex
	resource strimzi.MirrorMaker
}

// NewOperator makes the operator of a site and reconciles for the first time.
func NewOperator(t tester, d Deployment, site geored.SiteName) *Operator {
	t.Helper()
	worker, err := connect.New(connect.Config{URL: d.ConnectURL(site), Timeout: time.Second})
	if err != nil {
		t.Fatalf("%v", err)
	}
	o := &Operator{worker: worker, resource: strimzi.MirrorMaker{Namespace: "ice-kafka", Name: "mm-" + string(site), Version: "v1",
		Generation: 1, Replicas: 1, Target: string(site), Annotations: map[string]string{}, URL: d.ConnectURL(site)}}
	o.Reconcile(t.Context())
	return o
}

// MirrorMaker is [kafka.ResourceReader]'s.
func (o *Operator) MirrorMaker(context.Context) (strimzi.MirrorMaker, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := o.resource
	m.Annotations = maps.Clone(m.Annotations)
	return m, nil
}

// Annotate is [kafka.Annotator]'s. Nothing happens before the next reconciliation.
func (o *Operator) Annotate(_ context.Context, a strimzi.Annotation) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.resource.Annotations[a.Name] = a.Value
	return nil
}

// Run reconciles again and again until the context ends.
func (o *Operator) Run(ctx context.Context, every time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
			o.Reconcile(ctx)
		}
	}
}

// Reconcile carries out what the annotations ask for and writes the status.
func (o *Operator) Reconcile(ctx context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var conditions []strimzi.Condition
	if warning := o.restart(ctx); warning != "" {
		conditions = append(conditions, strimzi.Condition{Type: "Warning", Status: "True", Reason: "RestartConnector", Message: warning})
	}
	connectors, err := o.worker.Connectors(ctx)
	ready := strimzi.Condition{Type: "Ready", Status: "True"}
	if err != nil {
		ready = strimzi.Condition{Type: "NotReady", Status: "True", Reason: "ConnectRestException", Message: err.Error()}
	} else {
		o.resource.Connectors = connectors
	}
	for _, c := range connectors {
		if c.State == connect.Failed {
			ready = strimzi.Condition{Type: "NotReady", Status: "True", Reason: "ConnectRestException",
				Message: fmt.Sprintf("connector %s is FAILED", c.Name)}
		}
	}
	o.resource.Conditions, o.resource.Observed = append(conditions, ready), o.resource.Generation
}

// restartFormat is AbstractConnectOperator's for strimzi.io/restart-connector.
var restartFormat = regexp.MustCompile(`^([^:]+)(?::(includeTasks)?,?(onlyFailed)?)?$`)

// restart acts on the annotation and takes it away, or says why not.
func (o *Operator) restart(ctx context.Context) (warning string) {
	const name = "strimzi.io/restart-connector"
	value, asked := o.resource.Annotations[name]
	if !asked {
		return ""
	}
	parts := restartFormat.FindStringSubmatch(value)
	if parts == nil {
		return "Invalid annotation format"
	}
	options := connect.RestartOptions{IncludeTasks: parts[2] != "", OnlyFailed: parts[3] != ""}
	if err := o.worker.Restart(ctx, parts[1], options); err != nil {
		return err.Error()
	}
	delete(o.resource.Annotations, name)
	return ""
}
