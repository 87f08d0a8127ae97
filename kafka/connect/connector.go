package connect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// State is what Connect believes of a connector or a task.
type State string

// The states (org.apache.kafka.connect.runtime.AbstractStatus.State).
const (
	Unassigned State = "UNASSIGNED"
	Running    State = "RUNNING"
	Paused     State = "PAUSED"
	Stopped    State = "STOPPED" // connectors only; it has no tasks then
	Failed     State = "FAILED"
	Restarting State = "RESTARTING"
)

// Connector is one connector with its tasks, as /connectors?expand=status&expand=info gives it.
type Connector struct {
	Name     string
	Type     string // "source" or "sink"
	State    State
	Worker   string // host:port of the worker that runs it
	Trace    string // why it failed: a Java stack trace; zero: it did not
	Tasks    []Task // by ID; none is possible under RUNNING
	Settings Settings
}

// Task is one task of a connector.
type Task struct {
	ID     int
	State  State
	Worker string
	Trace  string
}

// Cause is the first line of a trace.
func (t Task) Cause() string { return Cause(t.Trace) }

// Cause is what a Java stack trace says in one line: the innermost cause, which names the reason.
func Cause(trace string) string {
	cause := firstLine(trace)
	for line := range strings.SplitSeq(trace, "\n") {
		if inner, ok := strings.CutPrefix(strings.TrimSpace(line), "Caused by: "); ok {
			cause = inner
		}
	}
	return cause
}

// StatusFile is the wire form of a connector's status: what /connectors/{name}/status answers, and what Strimzi copies
// into a resource's status.connectors.
type StatusFile struct {
	Name      string `json:"name" yaml:"name"`
	Type      string `json:"type" yaml:"type"`
	Connector struct {
		State  State  `json:"state" yaml:"state"`
		Worker string `json:"worker_id" yaml:"worker_id"`
		Trace  string `json:"trace" yaml:"trace"`
	} `json:"connector" yaml:"connector"`
	Tasks []struct {
		ID     int    `json:"id" yaml:"id"`
		State  State  `json:"state" yaml:"state"`
		Worker string `json:"worker_id" yaml:"worker_id"`
		Trace  string `json:"trace" yaml:"trace"`
	} `json:"tasks" yaml:"tasks"`
}

// Status reads the wire form; the settings stay zero.
func (f StatusFile) Status() Connector {
	c := Connector{Name: f.Name, Type: f.Type, State: f.Connector.State, Worker: f.Connector.Worker, Trace: f.Connector.Trace}
	for _, t := range f.Tasks {
		c.Tasks = append(c.Tasks, Task{t.ID, t.State, t.Worker, t.Trace})
	}
	slices.SortFunc(c.Tasks, func(a, b Task) int { return cmp.Compare(a.ID, b.ID) })
	return c
}

// Connectors gives all connectors with status and configuration, sorted by name.
func (c *Client) Connectors(ctx context.Context) ([]Connector, error) {
	var answer map[string]struct {
		Status *StatusFile `json:"status"`
		Info   struct {
			Config Settings `json:"config"`
		} `json:"info"`
	}
	if err := c.get(ctx, "connectors?expand=status&expand=info", &answer); err != nil {
		return nil, err
	}
	connectors := make([]Connector, 0, len(answer))
	for name, entry := range answer {
		if entry.Status == nil {
			return nil, fmt.Errorf("connect %s: connector %s: its status is missing in the answer", c.base.Host, name)
		}
		connector := entry.Status.Status()
		connector.Name, connector.Settings = name, entry.Info.Config
		connectors = append(connectors, connector)
	}
	slices.SortFunc(connectors, func(a, b Connector) int { return cmp.Compare(a.Name, b.Name) })
	return connectors, nil
}

// Connector gives the status of one connector; its settings stay zero. [ErrNotFound] when there is none.
func (c *Client) Connector(ctx context.Context, name string) (Connector, error) {
	var answer StatusFile
	err := c.get(ctx, path("connectors", name, "status"), &answer)
	return answer.Status(), err
}

// Task gives the status of one task. [ErrNotFound] when there is none.
func (c *Client) Task(ctx context.Context, connector string, id int) (Task, error) {
	var answer struct {
		ID     int    `json:"id"`
		State  State  `json:"state"`
		Worker string `json:"worker_id"`
		Trace  string `json:"trace"`
	}
	err := c.get(ctx, path("connectors", connector, "tasks", strconv.Itoa(id), "status"), &answer)
	return Task(answer), err
}
