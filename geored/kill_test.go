package geored_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// rehearse is a runbook over a new world each time, under a lock.
func rehearse(undo bool, book func(w *geotest.World) geored.Runbook) func(testing.TB) geotest.Rehearsal {
	return func(testing.TB) geotest.Rehearsal {
		var w geotest.World
		var locks geored.MemoryLocks
		return geotest.Rehearsal{
			Runbook: func() geored.Runbook { return book(&w) },
			Config:  geored.RunConfig{Lock: locks.Lock("it", geored.Holder{}), Limit: 4},
			Undo:    undo, Effects: w.Effects, State: w.State,
		}
	}
}

// wholeBook has all there is: needs, stages side by side, an effect that is seen late, one that was there, marks, and a
// value that a later stage needs.
func wholeBook(w *geotest.World) geored.Runbook {
	w.Set("there", true)
	var output geored.Output[string]
	key := output.From(w.Task(step("key", "dc1")), func(ctx context.Context) (string, geored.State, error) {
		return "ABC", geored.State{Done: w.There("key")}, nil
	})
	peer := step("peer", "dc2")
	peer.Given = []geored.Constraint{{Name: "key", Matches: "ABC"}}
	join := geored.StageOf("join", w.Task(peer))
	join.Bind = func(context.Context) ([]geored.Task, error) {
		value, err := output.Value("key")
		task := w.Task(peer)
		task.Values = map[string]string{"key": value}
		return []geored.Task{task}, err
	}
	first := geored.Runbook{Stages: []geored.Stage{geored.StageOf("keys", key, w.Task(step("there", "dc1"))), join}}
	second := geored.Runbook{Stages: []geored.Stage{
		geored.StageOf("restarts", w.Marked(step("restart", "dc1")), w.Task(step("after", "dc1", "restart"))),
		geored.StageOf("repair", w.Marked(step("repair", "dc2", "after"))),
	}}
	return geored.Sequence("whole", geored.Parallel("", first, second), geored.Prefix("last", book(w.Task(step("done", "dc1")))))
}

func TestKilledAnywhereTheNextRunFinishes(t *testing.T) {
	points := geotest.KillAnywhere(t, rehearse(false, wholeBook))
	if points < 80 {
		t.Errorf("only %d points", points)
	}
	t.Logf("killed at %d points", points)
}

func TestKilledAnywhereInAnUndo(t *testing.T) {
	points := geotest.KillAnywhere(t, rehearse(true, func(w *geotest.World) geored.Runbook {
		return geored.Runbook{Name: "undo", Stages: []geored.Stage{
			geored.StageOf("one", w.Task(step("a", "dc1")), w.Task(step("b", "dc1", "a")), w.Marked(step("kept", "dc1"))),
			geored.StageOf("two", w.Task(step("c", "dc2"))),
		}}
	}))
	if points < 40 {
		t.Errorf("only %d points", points)
	}
}

// witness is a test that may fail.
type witness struct {
	testing.TB
	failures []string
}

func (w *witness) Helper() {}
func (w *witness) Errorf(format string, args ...any) {
	w.failures = append(w.failures, format)
}

// The harness finds what it is for.
func TestKillAnywhereFindsWhatIsDoneTwice(t *testing.T) {
	for name, c := range map[string]struct {
		book func(w *geotest.World) geored.Runbook
		want string
	}{
		"an effect that leaves no mark": {func(w *geotest.World) geored.Runbook {
			task, done := w.Task(step("a", "dc1")), false // done dies with the process
			apply := task.Apply
			task.Apply = func(ctx context.Context) error { done = true; return apply(ctx) }
			task.Observe = func(context.Context) (geored.State, error) { return geored.State{Done: done}, nil }
			return book(task)
		}, "side effects"},
		"an effect that depends on the last one's": {func(w *geotest.World) geored.Runbook {
			task, done := w.Task(step("a", "dc1")), false
			apply := task.Apply
			task.Apply = func(ctx context.Context) error {
				w.Set("twice", w.There("a"))
				done = true
				return apply(ctx)
			}
			task.Observe = func(context.Context) (geored.State, error) { return geored.State{Done: done}, nil }
			return book(task)
		}, "it ends as"},
		"an effect in two calls that is seen in the first": {func(w *geotest.World) geored.Runbook {
			task := w.Task(step("a", "dc1"))
			apply := task.Apply
			task.Apply = func(ctx context.Context) error {
				return errors.Join(geotest.Inside(ctx, "first", func() error { return apply(ctx) }),
					geotest.Inside(ctx, "second", func() error { w.Set("rest", true); return nil }))
			}
			return book(task)
		}, "it ends as"},
		"a stage that can be bound once": {func(w *geotest.World) geored.Runbook {
			b := book(w.Task(step("a", "dc1")))
			bind := b.Stages[0].Bind
			b.Stages[0].Bind = func(ctx context.Context) ([]geored.Task, error) {
				if w.There("a") {
					return nil, errors.New("a is there already")
				}
				return bind(ctx)
			}
			return b
		}, "the run that goes on"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &witness{TB: t}
			geotest.KillAnywhere(w, rehearse(false, c.book))
			if !strings.Contains(strings.Join(w.failures, "\n"), c.want) {
				t.Errorf("%q", w.failures)
			}
		})
	}
}

func TestMarks(t *testing.T) {
	seen := map[string]bool{}
	for _, run := range []string{"", "20260102T030405.000Z", "20260102T030405.001Z", "a run / of: mine", strings.Repeat("x", 80)} {
		for _, id := range []geored.StepID{"a", "b"} {
			mark := geored.MarkOf(run, id)
			if seen[mark] || !geored.SiteName(mark).IsValid() || mark != geored.MarkOf(run, id) {
				t.Errorf("%q of %q, %q", mark, run, id)
			}
			seen[mark] = true
		}
	}
	var w geotest.World
	for i := range 2 { // each run restarts it once
		c := config(t)
		c.RunID = string(rune('a' + i))
		for range 2 {
			if _, err := book(w.Marked(step("restart", "dc1"))).Run(t.Context(), c); err != nil || w.Applied("restart") != i+1 {
				t.Errorf("applied %d times in %d runs, %v", w.Applied("restart"), i+1, err)
			}
		}
	}
	w.Break("dc1", geotest.LosesEffects)
	c := config(t)
	c.RunID, c.StepTimeout = "of-a-lost-restart", 10*time.Millisecond
	if _, err := book(w.Marked(step("restart", "dc1"))).Run(t.Context(), c); err == nil {
		t.Error("what was lost passes for the restart of the run before")
	}
	if geored.RunOf(t.Context()) != "" {
		t.Error("there is no run")
	}
}
