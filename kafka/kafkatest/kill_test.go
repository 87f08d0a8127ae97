package kafkatest

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
)

// mortal is a way to change a deployment that a run can be killed on. It counts what changes something.
type mortal struct {
	kafka.Control
	*Pods
	worker kafka.Worker

	mu      sync.Mutex
	effects map[string]int
}

func (m *mortal) count(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.effects[what]++
}

// restarter is a site's Control.
type restarter struct{ *mortal }

// Restart counts what had failed: the rest is left alone.
func (r restarter) Restart(ctx context.Context, connector string, o connect.RestartOptions) error {
	return geotest.Inside(ctx, "restart of "+connector, func() error {
		connectors, err := r.worker.Connectors(ctx)
		for _, c := range connectors {
			if c.Name == connector && c.State == connect.Failed {
				r.count(connector)
			}
		}
		if err != nil {
			return err
		}
		return r.Control.Restart(ctx, connector, o)
	})
}

func (r restarter) Stop(ctx context.Context, connector string) error {
	return geotest.Inside(ctx, "stop", func() error { return r.Control.Stop(ctx, connector) })
}

func (r restarter) ForgetOffsets(ctx context.Context, connector string, partitions []connect.Offset) error {
	return geotest.Inside(ctx, "forget", func() error { return r.Control.ForgetOffsets(ctx, connector, partitions) })
}

func (r restarter) Resume(ctx context.Context, connector string) error {
	return geotest.Inside(ctx, "resume", func() error { return r.Control.Resume(ctx, connector) })
}

// workers is a site's Pods.
type workers struct{ *mortal }

func (w workers) Restart(ctx context.Context, site geored.SiteName, mark string) error {
	return geotest.Inside(ctx, "new worker", func() error {
		if state, err := w.Running(ctx, site, mark); err == nil && !state.Done {
			w.count("worker of " + string(site))
		}
		return w.Pods.Restart(ctx, site, mark)
	})
}

// killed kills what is made of a replication everywhere. The world is one for all: each rehearsal begins with spoil.
func killed(t *testing.T, least int, spoil func(w *World), tasks func(r *kafka.Replication, mark string) ([]geored.Task, error)) {
	t.Helper()
	w := New(t)
	c := configure(t, w, kafka.Limits{}, 5*time.Second)
	m := &mortal{Control: c.Sites[1].Control, Pods: &Pods{Deployment: w}, worker: c.Sites[1].Worker, effects: map[string]int{}}
	for i := range c.Sites {
		c.Sites[i].Control, c.Sites[i].Pods = restarter{m}, workers{m}
	}
	plays := 0
	points := geotest.KillAnywhere(t, func(t testing.TB) geotest.Rehearsal {
		spoil(w)
		plays++
		mark, before := fmt.Sprint("play-", plays), maps.Clone(m.effects)
		return geotest.Rehearsal{
			Runbook: func() geored.Runbook {
				made, err := tasks(replication(t, c), mark)
				if err != nil {
					t.Fatal(err)
				}
				return geored.Runbook{Name: "restart", Stages: []geored.Stage{geored.StageOf("restart", made...)}}
			},
			Config: geored.RunConfig{Clock: geored.SystemClock(), Poll: time.Millisecond},
			Effects: func() map[string]int {
				now := maps.Clone(m.effects)
				for what, n := range before {
					if now[what] -= n; now[what] == 0 {
						delete(now, what)
					}
				}
				return now
			},
			State: func() string {
				connectors, err := m.worker.Connectors(t.Context())
				text := fmt.Sprint(err)
				for _, c := range connectors {
					text += fmt.Sprint(" ", c.Name, " ", c.State)
				}
				return text
			},
		}
	})
	if points < least {
		t.Errorf("only %d points", points)
	}
	t.Logf("killed at %d points", points)
}

// fail is what a lost connection makes of the mirror into dc2.
func fail(w *World) {
	w.sites["dc2"].worker.set(func(s *workerState) {
		for _, c := range s.connectors {
			if c.class() != kafka.HeartbeatConnector {
				c.changed++
				c.state, c.tasks = connect.Failed, []connect.Task{{State: connect.Failed}}
			}
		}
	})
}

func TestARestartIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	killed(t, 20, fail, func(r *kafka.Replication, _ string) ([]geored.Task, error) { return r.RestartTasks("dc2") })
}

func TestARestartOfWorkersIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	killed(t, 25, func(*World) {}, func(r *kafka.Replication, mark string) ([]geored.Task, error) {
		return r.RestartWorkers(mark, "dc2", "dc1")
	})
}

// Mirroring again leaves no mark but what its caller keeps. Killed anywhere, a connector that was stopped runs again once
// the same plan is carried out again.
func TestMirroringAgainIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	var done bool
	topic, topics := "orders", 0
	spoil := func(w *World) {
		topics++
		done, topic = false, fmt.Sprint("orders-", topics)
		source := Seed(t.Context(), t, w.Access("dc1"))
		source.Create(topic, 1)
		source.Produce(topic, 1, 0, 3)
	}
	var plan *kafka.Remirroring
	killed(t, 15, spoil, func(r *kafka.Replication, _ string) ([]geored.Task, error) {
		task := geored.Task{
			Step:    geored.Step{ID: "remirror", Site: "dc2", Target: "mirror", Action: geored.Copy},
			Observe: func(context.Context) (geored.State, error) { return geored.State{Done: done}, nil },
			Apply: func(ctx context.Context) error {
				err := r.Remirror(ctx, *plan, plan.Duplicates)
				done = done || err == nil
				return err
			},
		}
		if !done && (plan == nil || plan.Topics[0] != topic) { // made once, by the first process
			var err error
			if plan, err = planned(t.Context(), r, topic); err != nil {
				return nil, err
			}
		}
		return []geored.Task{task}, nil
	})
}

// planned waits until a topic is copied and plans to copy it again.
func planned(ctx context.Context, r *kafka.Replication, topic string) (*kafka.Remirroring, error) {
	way := kafka.Mirror{From: "dc1", To: "dc2"}
	for {
		sample, err := r.Sample(ctx, way)
		if err == nil {
			var plan kafka.Remirroring
			if plan, err = kafka.PlanRemirror(way, sample, topic); err == nil && plan.Duplicates == 3 {
				return &plan, nil
			}
		}
		if stop := geored.SystemClock().Sleep(ctx, 10*time.Millisecond); stop != nil {
			return nil, fmt.Errorf("not copied: %w: %w", stop, err)
		}
	}
}

// As Connect has it, settings and restarts do not wake what was paused or stopped.
func TestWhatWasStoppedStaysStopped(t *testing.T) {
	for _, state := range []connect.State{connect.Paused, connect.Stopped} {
		c := &connector{state: state}
		if (&worker{}).startUnlessHeld(c); c.state != state || c.changed != 0 {
			t.Errorf("%s became %s", state, c.state)
		}
	}
}

// lose is what a worker makes of a mirror that failed to start and of which nobody tells: it does not run, and is said to wait for a
// worker.
func lose(w *World) {
	w.sites["dc2"].worker.set(func(s *workerState) {
		for _, c := range s.connectors {
			if c.class() != kafka.HeartbeatConnector {
				c.changed++
				c.state, c.tasks = connect.Unassigned, []connect.Task{{State: connect.Unassigned}}
			}
		}
	})
}

func TestARestartOfWhatIsUnassignedIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	killed(t, 20, lose, func(r *kafka.Replication, _ string) ([]geored.Task, error) { return r.RestartTasks("dc2") })
}
