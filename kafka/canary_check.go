package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/georedkit/georedkit/geored"
)

// CheckCanary writes: it sends a canary through every mirror.
const CheckCanary geored.CheckID = "kafka/canary"

// CanaryCheck is the check that a record written now arrives. It stands apart from [Replication.Checks] because it
// writes into the clusters. It takes up to the plan's Wait and Settle and two budgets of [Config] more, for
// making and dropping the topics: give [geored.CheckConfig] a budget above that, or it is cut off and unknown.
func (r *Replication) CanaryCheck(plan CanaryPlan) geored.Check {
	return geored.Check{ID: CheckCanary, Title: "a record that is written now arrives", Run: func(ctx context.Context) []geored.Finding {
		flights, left := r.canaries(ctx, plan)
		findings := make([]geored.Finding, len(flights))
		for i, f := range flights {
			findings[i] = f.finding()
		}
		if left != nil {
			findings = append(findings, geored.Finding{Verdict: geored.Warn, Message: left.Error(), Asked: []geored.Target{{Name: "canary"}}})
		}
		return findings
	}}
}

func (f Flight) finding() geored.Finding {
	way := geored.Target{Site: f.From, To: f.To}
	finding := geored.Finding{Site: f.From, To: f.To, Asked: []geored.Target{way}}
	switch {
	case f.Err == nil:
		finding.Verdict = geored.Pass
		finding.Message = fmt.Sprintf("a record arrived in %s after %s", f.Topic, geored.RoundDuration(f.Latency))
	case errors.Is(f.Err, ErrNotArrived):
		finding.Verdict, finding.Message = geored.Fail, f.Err.Error()
		finding.Remedy = "look at kafka/status and kafka/position; a topic that is new is found after refresh.topics.interval.seconds"
	default:
		finding.Verdict, finding.Message = geored.Unknown, f.Err.Error()
		finding.Unanswered = []geored.Silence{{Target: way, Reason: f.Err.Error()}}
	}
	return finding
}
