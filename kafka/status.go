package kafka

import (
	"context"
	"fmt"
	"strings"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/strimzi"
)

// ResourceReader reads the KafkaMirrorMaker2 resource of a site.
type ResourceReader interface {
	MirrorMaker(ctx context.Context) (strimzi.MirrorMaker, error)
}

// StatusFinding says what a worker believes of a mirror: its connectors and their tasks. A pass proves that nothing is
// known to be broken, and nothing of replication.
func StatusFinding(m Mirror, connectors []connect.Connector) geored.Finding {
	byName := map[string]connect.Connector{}
	for _, c := range connectors {
		byName[c.Name] = c
	}
	f := geored.Finding{Verdict: geored.Pass}
	tasks := 0
	for _, class := range []string{SourceConnector, CheckpointConnector, HeartbeatConnector} {
		c, ok := byName[m.Connector(class)]
		switch {
		case ok:
			verdict, lines := connectorFaults(c, class == SourceConnector)
			f.Verdict, f.Evidence = worse(f.Verdict, verdict), append(f.Evidence, lines...)
			tasks += len(c.Tasks)
		case class == SourceConnector:
			f.Verdict, f.Evidence = geored.Fail, append(f.Evidence, m.Connector(class)+": there is none")
			f.Remedy = "compare the aliases of the mirror with the worker's connectors"
		case class == CheckpointConnector:
			f.Verdict, f.Evidence = worse(f.Verdict, geored.Warn), append(f.Evidence, m.Connector(class)+": there is none: no group is translated")
		}
	}
	f.Message = fmt.Sprintf("connectors and %d tasks RUNNING, which does not prove that records arrive", tasks)
	if f.Verdict != geored.Pass {
		f.Message = strings.Join(f.Evidence, "; ")
	}
	if f.Verdict == geored.Fail && f.Remedy == "" {
		f.Remedy = "mend the cause, then restart what failed: POST /connectors/NAME/restart?includeTasks=true&onlyFailed=true, without onlyFailed where that restarts nothing"
	}
	return f
}

func connectorFaults(c connect.Connector, needsTasks bool) (geored.Verdict, []string) {
	verdict, lines := stateVerdict(c.State), []string(nil)
	if c.State != connect.Running {
		lines = append(lines, stateLine("connector "+c.Name, c.State, c.Trace))
	} else if needsTasks && len(c.Tasks) == 0 {
		verdict, lines = geored.Fail, append(lines, "connector "+c.Name+" RUNNING without tasks: it found no topic to copy, or its source refuses it")
	}
	for _, t := range c.Tasks {
		if t.State != connect.Running {
			verdict = worse(verdict, stateVerdict(t.State))
			lines = append(lines, stateLine(fmt.Sprintf("task %d of %s", t.ID, c.Name), t.State, t.Trace))
		}
	}
	return verdict, lines
}

func stateVerdict(s connect.State) geored.Verdict {
	switch s {
	case connect.Running:
		return geored.Pass
	case connect.Failed, connect.Paused, connect.Stopped:
		return geored.Fail
	}
	return geored.Unknown // on its way: UNASSIGNED, RESTARTING
}

func stateLine(what string, s connect.State, trace string) string {
	line := what + " " + string(s)
	if cause := connect.Cause(trace); cause != "" {
		line += ": " + cause
	}
	return line
}

// worse joins two verdicts.
func worse(a, b geored.Verdict) geored.Verdict { return geored.Join(a, b) }

// ResourceFinding says what the KafkaMirrorMaker2 resource of a site says, and where it contradicts Connect; asked is nil
// when Connect was not asked.
func ResourceFinding(m strimzi.MirrorMaker, asked []connect.Connector) geored.Finding {
	verdict, said := m.Ready()
	f := geored.Finding{Verdict: verdict, Message: m.String() + ": " + said, Evidence: m.Contradictions(asked)}
	if len(f.Evidence) > 0 {
		f.Verdict = worse(f.Verdict, geored.Fail)
		f.Message += ", which is contradicted"
		f.Remedy = "believe Connect; the status is renewed by the next reconciliation, up to two minutes later"
	}
	return f
}
