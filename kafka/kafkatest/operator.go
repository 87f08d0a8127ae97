package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/strimzi"
)

// Operator stands in for Strimzi's operator at one site: the KafkaMirrorMaker2 resource in memory, with what Strimzi 1.2
// is documented to write into it, its blind spots included: it looks at connectors and not at their tasks, and what it
// says is as old as its last reconciliation. It is a kafka.ResourceReader and a
// kafka.Restarter.
type Operator struct {
	worker *connect.Client

	mu       sync.Mutex
	resource strimzi.MirrorMaker
	asked    string // value of strimzi.io/restart-connector; zero: it has none
}

// NewOperator makes the operator of a site and reconciles for the first time.
func NewOperator(t tester, d Deployment, site geored.SiteName) *Operator {
	t.Helper()
	worker, err := connect.New(connect.Config{URL: d.ConnectURL(site), Timeout: time.Second})
	if err != nil {
		t.Fatalf("%v", err)
	}
	o := &Operator{worker: worker, resource: strimzi.MirrorMaker{Namespace: "ice-kafka", Name: "mm-" + string(site), Version: "v1",
		Generation: 1, Replicas: 1, Target: string(site), URL: d.ConnectURL(site)}}
	o.Reconcile(t.Context())
	return o
}

// MirrorMaker is [kafka.ResourceReader]'s.
func (o *Operator) MirrorMaker(context.Context) (strimzi.MirrorMaker, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.resource, nil
}

// Restart is [kafka.Restarter]'s: it sets the annotation and waits until a reconciliation has taken it away, or refused it.
func (o *Operator) Restart(ctx context.Context, connector string, options connect.RestartOptions) error {
	o.set(strimzi.RestartConnector(connector, options).Value)
	for {
		if warning, asked := o.refusal(); warning != "" {
			return errors.New(warning)
		} else if !asked {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the operator has not accepted the annotation: %w", context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (o *Operator) set(value string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = value
}

func (o *Operator) refusal() (warning string, asked bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c, _ := o.resource.Condition("Warning")
	return c.Message, o.asked != ""
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
	if o.asked == "" {
		return ""
	}
	parts := restartFormat.FindStringSubmatch(o.asked)
	if parts == nil {
		return "Invalid annotation format"
	}
	options := connect.RestartOptions{IncludeTasks: parts[2] != "", OnlyFailed: parts[3] != ""}
	if err := o.worker.Restart(ctx, parts[1], options); err != nil {
		return err.Error()
	}
	o.asked = ""
	return ""
}
