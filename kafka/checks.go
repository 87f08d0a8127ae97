package kafka

import (
	"context"
	"fmt"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

// The checks of this package. Their findings are one per mirror, the one of CheckResource per site.
const (
	CheckStatus   geored.CheckID = "kafka/status"
	CheckResource geored.CheckID = "kafka/resource"
	CheckPosition geored.CheckID = "kafka/position"
	CheckLoss     geored.CheckID = "kafka/loss"
)

// Keeper keeps the history between checks. [HistoryFile] is one.
type Keeper interface {
	Load() (History, error)
	Save(History) error
}

// Checks are the checks that change nothing: status, position, groups and loss. Loss adds what it sees to the history;
// without a keeper it can only say what it cannot exclude.
func (r *Replication) Checks(keep Keeper) []geored.Check {
	if keep == nil {
		keep = forgetful{}
	}
	checks := []geored.Check{
		{ID: CheckStatus, Title: "MirrorMaker's connectors and tasks run", Run: r.checkStatus},
		{ID: CheckPosition, Title: "every partition is copied up to its end", Run: func(ctx context.Context) []geored.Finding { return r.checkPosition(ctx, keep) }},
		{ID: CheckGroups, Title: "consumer groups are translated and not ahead", Run: r.checkGroups},
		{ID: CheckLoss, Title: "nothing was lost", Run: func(ctx context.Context) []geored.Finding { return r.checkLoss(ctx, keep) }},
	}
	for _, s := range r.sites {
		if s.Resource != nil {
			return append(checks, geored.Check{ID: CheckResource, Title: "Strimzi says what Connect says", Run: r.checkResource})
		}
	}
	return checks
}

type forgetful struct{}

func (forgetful) Load() (History, error) { return History{}, nil }
func (forgetful) Save(History) error     { return nil }

func (r *Replication) checkStatus(ctx context.Context) []geored.Finding {
	answers := askMirrors(ctx, r, func(ctx context.Context, m Mirror) ([]connect.Connector, error) {
		return r.sites[m.To].Worker.Connectors(ctx)
	})
	return answers.Each(func(t geored.Target, connectors []connect.Connector) geored.Finding {
		return r.withLoop(StatusFinding(r.mirror(t), connectors), r.mirror(t), connectors)
	})
}

// withLoop fails a mirror whose settings keep the names of topics on a circle of mirrors.
func (r *Replication) withLoop(f geored.Finding, m Mirror, connectors []connect.Connector) geored.Finding {
	for _, c := range connectors {
		if c.Name != m.Connector(SourceConnector) {
			continue
		}
		selection, err := m.selection(c.Settings)
		if err == nil {
			err = r.refuseLoop(m, selection)
		}
		if err != nil {
			f.Verdict, f.Message = geored.Fail, err.Error()
		}
	}
	return f
}

func (r *Replication) checkResource(ctx context.Context) []geored.Finding {
	var targets []geored.Target
	for _, name := range r.order {
		if r.sites[name].Resource != nil {
			targets = append(targets, geored.Target{Site: name})
		}
	}
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (geored.Finding, error) {
		s := r.sites[t.Site]
		resource, err := s.Resource.MirrorMaker(ctx)
		if err != nil {
			return geored.Finding{}, fmt.Errorf("site %s: KafkaMirrorMaker2: %w", t.Site, err)
		}
		if s.Worker == nil {
			return ResourceFinding(resource, nil), nil
		}
		connectors, err := s.Worker.Connectors(ctx)
		if err != nil {
			f := ResourceFinding(resource, nil)
			f.Unanswered = []geored.Silence{{Target: geored.Target{Site: t.Site, Name: "connect"}, Reason: err.Error()}}
			return f, nil
		}
		return ResourceFinding(resource, connectors), nil
	}, geored.AskBudget(r.budget), geored.AskClock(r.clock))
	return answers.Each(func(_ geored.Target, f geored.Finding) geored.Finding { return f })
}

func (r *Replication) checkPosition(ctx context.Context, keep Keeper) []geored.Finding {
	history, err := keep.Load()
	if err != nil {
		return []geored.Finding{{Verdict: geored.Unknown, Message: err.Error()}}
	}
	return askMirrors(ctx, r, r.Sample).Each(func(t geored.Target, s Sample) geored.Finding {
		return PositionFinding(s, history, r.limits)
	})
}

func (r *Replication) checkLoss(ctx context.Context, keep Keeper) []geored.Finding {
	before, err := keep.Load()
	if err != nil {
		return []geored.Finding{{Verdict: geored.Unknown, Message: err.Error()}}
	}
	history := before
	answers := askMirrors(ctx, r, r.Sample)
	for _, s := range answers.All() {
		history = history.With(s)
	}
	if err := keep.Save(history); err != nil {
		return []geored.Finding{{Verdict: geored.Unknown, Message: err.Error()}}
	}
	return answers.Each(func(t geored.Target, s Sample) geored.Finding {
		return LossFinding(s, before, history)
	})
}
