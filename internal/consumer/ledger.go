package georedundancy

import (
	"context"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Ledger is what must be asked of a site's Acme Ledger.
type Ledger interface {
	// Peers are the sites that it replicates to.
	Peers(ctx context.Context) ([]geored.SiteName, error)
	AddPeer(ctx context.Context, site geored.SiteName) error
	// Behind is how far it lags behind another site.
	Behind(ctx context.Context, site geored.SiteName) (time.Duration, error)
}

// Deployment is Acme Ledger at several sites.
type Deployment struct {
	Sites   []geored.SiteName
	Ledgers map[geored.SiteName]Ledger
}

func (d Deployment) pairs() []geored.Target {
	var pairs []geored.Target
	for _, from := range d.Sites {
		for _, to := range d.Sites {
			if from != to {
				pairs = append(pairs, geored.Target{Site: from, To: to})
			}
		}
	}
	return pairs
}

// Join is the vendor's guide: every ledger is told of every other, and is then waited for to catch up.
func (d Deployment) Join() geored.Runbook {
	var join, settle []geored.Task
	for _, pair := range d.pairs() {
		join = append(join, d.joinTask(pair))
		settle = append(settle, d.settleTask(pair))
	}
	return geored.Runbook{Name: "acme-join", Stages: []geored.Stage{geored.StageOf("join", join...), geored.StageOf("settle", settle...)}}
}

func (d Deployment) joinTask(pair geored.Target) geored.Task {
	ledger := d.Ledgers[pair.Site]
	return geored.Task{
		Step: geored.Step{ID: geored.StepID(fmt.Sprintf("join/%s/%s", pair.Site, pair.To)), Site: pair.Site, Action: geored.Apply,
			Target: "peer " + string(pair.To), Reason: "what is written in one site must reach the other",
			Manual: []string{fmt.Sprintf("ledgerctl --site %s peer add %s", pair.Site, pair.To)}},
		Observe: func(ctx context.Context) (geored.State, error) {
			peers, err := ledger.Peers(ctx)
			if err != nil {
				return geored.State{}, err
			}
			for _, peer := range peers {
				if peer == pair.To {
					return geored.State{Done: true, Detail: "is a peer"}, nil
				}
			}
			return geored.State{Detail: fmt.Sprintf("%s is not among its %d peers", pair.To, len(peers))}, nil
		},
		Apply: func(ctx context.Context) error { return ledger.AddPeer(ctx, pair.To) },
	}
}

func (d Deployment) settleTask(pair geored.Target) geored.Task {
	return geored.Task{
		Step: geored.Step{ID: geored.StepID(fmt.Sprintf("settle/%s/%s", pair.Site, pair.To)), Site: pair.Site, Action: geored.Await,
			Target: "lag behind " + string(pair.To), Reason: "a ledger that lags loses what it lacks"},
		Observe: func(ctx context.Context) (geored.State, error) {
			behind, err := d.Ledgers[pair.Site].Behind(ctx, pair.To)
			return geored.State{Done: behind < maxLag, Detail: fmt.Sprintf("%s behind", behind)}, err
		},
	}
}

// maxLag is what the vendor calls caught up.
const maxLag = 5 * time.Second

// CheckLag is the check of this package.
const CheckLag geored.CheckID = "acme/lag"

// Checks prove that every ledger keeps up with every other.
func (d Deployment) Checks() []geored.Check {
	return []geored.Check{{ID: CheckLag, Title: "every ledger keeps up with every other", DocURL: "https://acme.example.org/ledger/lag", Run: func(ctx context.Context) []geored.Finding {
		return geored.Ask(ctx, d.pairs(), func(ctx context.Context, t geored.Target) (time.Duration, error) {
			return d.Ledgers[t.Site].Behind(ctx, t.To)
		}).Each(func(t geored.Target, behind time.Duration) geored.Finding {
			f := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%s lags %s behind %s", t.Site, behind, t.To)}
			if behind >= maxLag {
				f.Verdict, f.Remedy = geored.Fail, "look at the link, then at the ledger's log"
			}
			return f
		})
	}}}
}
