package geored_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// The run's own budget stops it like an interruption: the next one goes on.
func TestTheBudgetOfTheWholeRun(t *testing.T) {
	var w geotest.World
	c := config(t)
	c.Budget, c.Journal, c.RunID = 10*time.Minute, &geored.MemoryJournal{}, "one"
	gate := w.Gate(step("gate", "dc1", "a"))
	gate.Timeout = time.Hour
	b := book(w.Task(step("a", "dc1")), gate, w.Task(step("b", "dc1", "gate")))
	result, err := b.Run(t.Context(), c)
	if !errors.Is(err, geored.ErrBudget) || !strings.Contains(err.Error(), "the run is not done after 10m0s") {
		t.Errorf("%v", err)
	}
	if got := statuses(result); got != "a=changed gate=interrupted b=pending" || result.Took < 10*time.Minute || result.Took > 11*time.Minute { // a look that has begun is ended
		t.Errorf("%s after %s", got, result.Took)
	}
	if detail := result.Outcomes[1].Detail; detail != "thing/gate is not there" {
		t.Errorf("what it waited for: %q", detail)
	}
	last, err := geored.LastRun(t.Context(), c.Journal)
	if err != nil || !last.Interrupted() {
		t.Errorf("%+v, %v", last, err)
	}
	w.Set("gate", true)
	if result, err := b.Run(t.Context(), c); err != nil || w.Applied("a") != 1 || result.Count(geored.Pending) != 0 {
		t.Errorf("%s, %v", statuses(result), err)
	}
}

// A step's own time is not the run's, and the other way round.
func TestTheBudgetOfOneStep(t *testing.T) {
	var w geotest.World
	c := config(t)
	c.Budget = time.Hour
	short := w.Gate(step("short", "dc1"))
	short.Timeout = time.Minute
	result, err := book(short, w.Task(step("b", "dc1"))).Run(t.Context(), c)
	if got := statuses(result); got != "short=failed b=changed" || !errors.Is(err, geored.ErrBudget) || result.Took != time.Minute {
		t.Errorf("%s after %s, %v", got, result.Took, err)
	}
}

// A stage that waits for an answer before it knows its tasks is given the time of a step, in a run and in a plan; its context goes on
// behind it.
func TestTheBudgetOfABind(t *testing.T) {
	var w geotest.World
	c := config(t)
	c.StepTimeout = 50 * time.Millisecond
	b := book(w.Task(step("a", "dc1")))
	b.Stages[0].Bind = func(ctx context.Context) ([]geored.Task, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	result, err := b.Run(t.Context(), c)
	if got := statuses(result); got != "a=pending" || !errors.Is(err, geored.ErrBudget) || !strings.Contains(err.Error(), "not bound after 50ms") {
		t.Errorf("%s, %v", got, err)
	}
	plan, err := b.Plan(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	looked, err := b.Look(t.Context(), plan, geored.RunConfig{StepTimeout: 10 * time.Millisecond})
	if live := looked.Steps()[0].Live; err != nil || live.State != geored.LiveUnknown || !strings.Contains(live.Detail, "not bound after 120ms") {
		t.Errorf("%+v, %v", live, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := b.Run(ctx, c); errors.Is(err, geored.ErrBudget) {
		t.Errorf("a run that was stopped: %v", err)
	}
	var bound context.Context
	task := w.Task(step("a", "dc1"))
	apply := task.Apply
	task.Apply = func(ctx context.Context) error { return errors.Join(bound.Err(), apply(ctx)) }
	b.Stages[0].Bind = func(ctx context.Context) ([]geored.Task, error) {
		bound = ctx
		return []geored.Task{task}, nil
	}
	c.StepTimeout = time.Minute
	if result, err = b.Run(t.Context(), c); err != nil || w.Applied("a") != 1 {
		t.Errorf("%s, %v", statuses(result), err)
	}
}

// What an effect waited for in vain is told when its time is over.
func TestTheReasonOfAnEffectThatTookTooLong(t *testing.T) {
	var w geotest.World
	c := config(t)
	task := w.Task(step("a", "dc1"))
	task.Timeout = time.Minute
	task.Apply = func(ctx context.Context) error {
		return fmt.Errorf("wait for the new server: it streams: %w", c.Clock.Sleep(ctx, time.Hour))
	}
	_, err := book(task).Run(t.Context(), c)
	if !errors.Is(err, geored.ErrBudget) || !strings.Contains(err.Error(), "it streams") {
		t.Error(err)
	}
}

// A budget often ends in the middle of a look: that this one failed hides nothing of what was seen before.
func TestTheReasonIsKnownThoughTheLastLookFailed(t *testing.T) {
	var w geotest.World
	gate := w.Gate(step("gate", "dc1"))
	looks := 0
	observe := gate.Observe
	gate.Observe = func(ctx context.Context) (geored.State, error) {
		if looks++; looks > 2 {
			return geored.State{}, errors.New("no time left")
		}
		return observe(ctx)
	}
	_, err := book(gate).Run(t.Context(), config(t))
	if want := "not done after 1m0s: cannot be observed: no time left; seen before: thing/gate is not there"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// Retries are data: how often, why, and when last, also when the step is done in the end.
func TestRetriesAreToldWithTheirReasons(t *testing.T) {
	var w geotest.World
	task := w.Task(step("a", "dc1"))
	reasons := []string{"busy", "busy", "busy", "conflict"}
	apply := task.Apply
	task.Apply = func(ctx context.Context) error {
		if len(reasons) == 0 {
			return apply(ctx)
		}
		err := geored.Retriable(errors.New(reasons[0]))
		reasons = reasons[1:]
		return err
	}
	result, err := book(task).Run(t.Context(), config(t))
	o := result.Outcomes[0]
	if err != nil || o.Status != geored.Changed || o.Attempts != 5 || len(o.Retries) != 2 {
		t.Fatalf("%+v, %v", o, err)
	}
	if r := o.Retries[0]; r.Reason != "busy" || r.Times != 3 {
		t.Errorf("%+v", r)
	}
	if r := o.Retries[1]; r.Reason != "conflict" || r.Times != 1 || !r.Last.After(o.Retries[0].Last) || r.Last.After(result.Began.Add(result.Took)) {
		t.Errorf("%+v", r)
	}
}

// What caused a failure is found through every wrap.
func TestCausesAreFoundThroughEveryWrap(t *testing.T) {
	cause := errors.New("the cause")
	deep := fmt.Errorf("outer: %w", geored.Retriable(fmt.Errorf("inner: %w", cause)))
	if !errors.Is(deep, cause) || !geored.IsRetriable(deep) {
		t.Error(deep)
	}
	var w geotest.World
	failing := w.Task(step("a", "dc1"))
	failing.Apply = func(context.Context) error { return fmt.Errorf("apply: %w", cause) }
	unbound := geored.StageOf("second")
	unbound.Bind = func(context.Context) ([]geored.Task, error) { return nil, fmt.Errorf("bind: %w", cause) }
	var place geored.MemoryLocks
	taken := place.Lock("it", geored.Holder{Owner: "anna"})
	if err := taken.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	full := &geotest.Journal{}
	full.FailAfter(0)
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	for name, c := range map[string]struct {
		run  func() (geored.Result, error)
		want error
	}{
		"an effect": {func() (geored.Result, error) { return book(failing).Run(t.Context(), config(t)) }, cause},
		"an undo":   {func() (geored.Result, error) { return undoFailing(t, &w, cause) }, cause},
		"a stage": {func() (geored.Result, error) {
			return geored.Runbook{Stages: []geored.Stage{unbound}}.Run(t.Context(), config(t))
		}, cause},
		"a lock": {func() (geored.Result, error) {
			return book().Run(t.Context(), geored.RunConfig{Lock: geored.AllLocks(place.Lock("it", geored.Holder{}))})
		}, geored.ErrHeld},
		"a journal": {func() (geored.Result, error) { return book().Run(t.Context(), geored.RunConfig{Journal: full}) }, geotest.ErrJournalFull},
		"a context": {func() (geored.Result, error) { return book(w.Task(step("b", "dc1"))).Run(ended, config(t)) }, cause},
	} {
		if _, err := c.run(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	lost := &geored.StepError{Step: step("a", "dc1"), Err: &geored.HeldError{Where: "x"}}
	var held *geored.HeldError
	if !errors.Is(lost, geored.ErrHeld) || !errors.As(lost, &held) {
		t.Error(lost)
	}
}

func undoFailing(t *testing.T, w *geotest.World, cause error) (geored.Result, error) {
	task, c := w.Task(step("undone", "dc1")), config(t)
	c.Journal = &geored.MemoryJournal{}
	task.Undo = func(context.Context) error { return fmt.Errorf("undo: %w", cause) }
	if _, err := book(task).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return book(task).Undo(t.Context(), c)
}

// A clock that is set back in the midst of a run, and again before the next one.
func TestAClockThatIsSetBack(t *testing.T) {
	var w geotest.World
	clock := &backwards{Clock: geotest.NewClock(t, start)}
	c := config(t)
	c.Clock, c.Journal, c.RunID = clock, &geored.MemoryJournal{}, "one"
	kill := book(w.Task(step("a", "dc1")), w.Task(step("b", "dc1", "a")))
	ctx, cancel := context.WithCancel(t.Context())
	c.Observer = func(e geored.Event) {
		clock.back(time.Hour)
		if e.Kind == geored.StepEnded && e.Step == "a" {
			cancel()
		}
	}
	result, err := kill.Run(ctx, c)
	if err == nil || result.Took < 0 || result.Outcomes[0].Took < 0 {
		t.Errorf("%v, took %s and %s", err, result.Took, result.Outcomes[0].Took)
	}
	last, err := geored.LastRun(t.Context(), c.Journal)
	if err != nil || !last.Interrupted() || !last.Proven["a"] || last.Proven["b"] {
		t.Errorf("%+v, %v", last, err)
	}
	if _, err := kill.Run(t.Context(), c); err != nil || w.Applied("a") != 1 || w.Applied("b") != 1 {
		t.Errorf("%v", err)
	}
	if last, err = geored.LastRun(t.Context(), c.Journal); err != nil || last.Interrupted() {
		t.Errorf("%+v, %v", last, err)
	}
}

// backwards is a clock that somebody sets back.
type backwards struct {
	geored.Clock
	mu  sync.Mutex
	off time.Duration
}

func (b *backwards) back(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.off += d
}

func (b *backwards) Now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Clock.Now().Add(-b.off)
}

// What ran out of its time inside a step is told as it is: the step's own budget is not over.
func TestABudgetInsideAStepIsNotTheStepsOwn(t *testing.T) {
	var w geotest.World
	inner := w.Gate(step("inner", "dc2"))
	inner.Timeout = time.Minute
	outer := w.Task(step("outer", "dc1"))
	c := config(t)
	outer.Timeout, outer.Apply = 12*time.Hour, func(ctx context.Context) error {
		_, err := book(inner).Run(ctx, geored.RunConfig{Clock: c.Clock})
		return err
	}
	_, err := book(outer).Run(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "thing/inner is not there") || !strings.Contains(err.Error(), "not done after 1m0s") || strings.Contains(err.Error(), "12h") {
		t.Errorf("%v", err)
	}
}
