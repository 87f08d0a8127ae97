package objectstore_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/objectstore"
)

// mortal is a target that a run can be killed on. It counts what is written.
type mortal struct {
	objectstore.Target
	mu      sync.Mutex
	effects map[string]int
}

func (m *mortal) count(ctx context.Context, what string, effect func() error) error {
	return geotest.Inside(ctx, what, func() error {
		m.mu.Lock()
		m.effects[what]++
		m.mu.Unlock()
		return effect()
	})
}

func (m *mortal) Put(ctx context.Context, ref objectstore.Ref, size int64, meta objectstore.Metadata, body io.Reader) error {
	return m.count(ctx, "put "+ref.String(), func() error { return m.Target.Put(ctx, ref, size, meta, body) })
}

func (m *mortal) Delete(ctx context.Context, ref objectstore.Ref) error {
	return m.count(ctx, "delete "+ref.String(), func() error { return m.Target.Delete(ctx, ref) })
}

// A plan that was interrupted is simply run again: what was copied is left alone.
func TestACatchUpIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	points := geotest.KillAnywhere(t, func(testing.TB) geotest.Rehearsal {
		_, sites, since := outage(t)
		rules := objectstore.CatchUpRules{From: "dc1", To: "dc2", Since: since, Conflicts: objectstore.SourceWins, Deletes: true}
		plan, err := objectstore.PlanCatchUp(differences(t, sites), rules)
		if err != nil || len(plan.Transfers) < 3 {
			t.Fatalf("%+v, %v", plan, err)
		}
		m := &mortal{Target: sites[1].Store.(objectstore.Target), effects: map[string]int{}}
		task := geored.Task{
			Step: geored.Step{ID: "catch-up", Site: "dc2", Target: "bucket files", Action: geored.Copy},
			Observe: func(context.Context) (geored.State, error) {
				left, err := objectstore.PlanCatchUp(differences(t, sites), rules)
				return geored.State{Done: len(left.Transfers) == 0, Detail: fmt.Sprintf("%d objects are to be copied or deleted", len(left.Transfers))}, err
			},
			Apply: func(ctx context.Context) error {
				_, err := plan.Run(ctx, objectstore.TransferConfig{Source: sites[0].Store, Target: m})
				return err
			},
		}
		return geotest.Rehearsal{
			Runbook: func() geored.Runbook {
				return geored.Runbook{Name: "catch-up", Stages: []geored.Stage{geored.StageOf("catch-up", task)}}
			},
			Config:  geored.RunConfig{Clock: geored.SystemClock(), Poll: time.Millisecond},
			Effects: func() map[string]int { return m.effects },
			State:   func() string { return fmt.Sprint(differences(t, sites)) },
		}
	})
	if points < 20 {
		t.Errorf("only %d points", points)
	}
	t.Logf("killed at %d points", points)
}
