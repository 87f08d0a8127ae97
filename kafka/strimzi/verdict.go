package strimzi

import (
	"fmt"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

// Ready says whether the operator holds the resource to be ready: of condition type Ready, for the generation that is
// wanted. It proves neither that tasks run nor that records arrive. It is unknown while the status is not about what is
// wanted, or not kept up.
func (m MirrorMaker) Ready() (geored.Verdict, string) {
	_, ready := m.Condition("Ready")
	notReady, isNotReady := m.Condition("NotReady")
	_, paused := m.Condition("ReconciliationPaused")
	switch {
	case isNotReady:
		return geored.Fail, fmt.Sprintf("NotReady: %s: %s", notReady.Reason, notReady.Message)
	case m.Paused || paused:
		return geored.Unknown, "its reconciliation is paused: the status is no longer kept up"
	case m.Observed < m.Generation:
		return geored.Unknown, fmt.Sprintf("the operator has seen generation %d of %d", m.Observed, m.Generation)
	case !ready:
		return geored.Unknown, "it has no condition Ready"
	case m.Replicas == 0:
		return geored.Fail, "Ready, with no workers: spec.replicas is 0"
	}
	if warning, ok := m.Condition("Warning"); ok {
		return geored.Warn, fmt.Sprintf("Warning: %s: %s", warning.Reason, warning.Message)
	}
	return geored.Pass, "Ready"
}

// Contradictions are the ways in which the resource says something else than Connect, and than itself: one line each. A
// resource alone is held against itself when asked is nil.
func (m MirrorMaker) Contradictions(asked []connect.Connector) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if verdict, said := m.Ready(); verdict == geored.Pass || verdict == geored.Warn {
		for _, c := range m.Connectors {
			for _, fault := range faults(c) {
				add("%s, and yet its status has %s", said, fault)
			}
		}
	}
	if asked == nil {
		return lines
	}
	known := map[string]connect.Connector{}
	for _, c := range m.Connectors {
		known[c.Name] = c
	}
	for _, now := range asked {
		then, ok := known[now.Name]
		switch {
		case !ok:
			add("connector %s: is in Connect and not in the status", now.Name)
		case summary(then) != summary(now):
			add("connector %s: the status says %s, Connect says %s", now.Name, summary(then), summary(now))
		}
		delete(known, now.Name)
	}
	for _, c := range m.Connectors {
		if _, gone := known[c.Name]; gone {
			add("connector %s: is in the status and not in Connect", c.Name)
		}
	}
	return lines
}

func faults(c connect.Connector) []string {
	var lines []string
	if c.State != connect.Running {
		lines = append(lines, fmt.Sprintf("connector %s %s", c.Name, c.State))
	}
	for _, t := range c.Tasks {
		if t.State != connect.Running {
			lines = append(lines, fmt.Sprintf("task %d of %s %s", t.ID, c.Name, t.State))
		}
	}
	return lines
}

func summary(c connect.Connector) string {
	text := fmt.Sprintf("%s, %d tasks", c.State, len(c.Tasks))
	for _, t := range c.Tasks {
		if t.State != connect.Running {
			text += fmt.Sprintf(", task %d %s", t.ID, t.State)
		}
	}
	return text
}
