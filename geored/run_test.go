package geored_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func step(id string, site geored.SiteName, needs ...geored.StepID) geored.Step {
	return geored.Step{ID: geored.StepID(id), Site: site, Target: "thing/" + id, Action: geored.Apply, Reason: "a test wants it", Needs: needs}
}

func book(tasks ...geored.Task) geored.Runbook {
	return geored.Runbook{Name: "test", Stages: []geored.Stage{geored.StageOf("only", tasks...)}}
}

func statuses(r geored.Result) string {
	var b strings.Builder
	for _, o := range r.Outcomes {
		fmt.Fprintf(&b, "%s=%s ", o.ID, o.Status)
	}
	return strings.TrimSpace(b.String())
}

func config(t *testing.T) geored.RunConfig {
	return geored.RunConfig{Clock: geotest.NewClock(t, start), StepTimeout: time.Minute, Poll: 5 * time.Second}
}

func TestRunAppliesWhatIsMissingAndNothingElse(t *testing.T) {
	var w geotest.World
	w.Set("a", true)
	w.Delay("b", 3)
	result, err := book(w.Task(step("a", "dc1")), w.Task(step("b", "dc2", "a"))).Run(t.Context(), config(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := statuses(result), "a=unchanged b=changed"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if w.Applied("a") != 0 || w.Applied("b") != 1 {
		t.Errorf("applied %d and %d times, want 0 and 1", w.Applied("a"), w.Applied("b"))
	}
}

func TestAppliedIsNotDone(t *testing.T) {
	var w geotest.World
	w.Break("dc1", geotest.LosesEffects)
	result, err := book(w.Task(step("a", "dc1"))).Run(t.Context(), config(t))
	if result.Outcomes[0].Status != geored.Failed || !errors.Is(err, geored.ErrBudget) {
		t.Errorf("%s, %v", statuses(result), err)
	}
	if want := "site dc1: apply thing/a: not done after 1m0s: thing/a is not there"; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %q, want %q", err, want)
	}
	if w.Applied("a") != 1 {
		t.Errorf("applied %d times, want once", w.Applied("a"))
	}
}

func TestNothingIsAppliedWhileTheStateCannotBeTold(t *testing.T) {
	for _, fault := range []geotest.Fault{geotest.Unreachable, geotest.Hanging} {
		t.Run(string(fault), func(t *testing.T) {
			var w geotest.World
			w.Break("dc1", fault)
			_, err := book(w.Task(step("a", "dc1"))).Run(t.Context(), config(t))
			if !errors.Is(err, geored.ErrBudget) {
				t.Errorf("error %v", err)
			}
			if w.Applied("a") != 0 {
				t.Error("an effect was applied to a site that did not answer")
			}
		})
	}
}

func TestAFailureStopsWhatNeedsItAndNothingElse(t *testing.T) {
	var w geotest.World
	w.Break("dc2", geotest.Denied)
	stages := []geored.Stage{
		geored.StageOf("one", w.Task(step("a", "dc1")), w.Task(step("b", "dc2")), w.Task(step("c", "dc1", "b")), w.Task(step("d", "dc1", "c", "a")), w.Task(step("e", "dc1", "a"))),
		geored.StageOf("two", w.Task(step("f", "dc1"))),
	}
	result, err := geored.Runbook{Name: "test", Stages: stages}.Run(t.Context(), config(t))
	if got, want := statuses(result), "a=changed b=failed c=pending d=pending e=changed f=pending"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var failed *geored.StepError
	if !errors.As(err, &failed) || failed.Step.ID != "b" || !errors.Is(err, geotest.ErrDenied) {
		t.Errorf("error %v", err)
	}
	if got, want := result.Outcomes[2].Detail, "needs b, which is failed"; got != want {
		t.Errorf("detail %q, want %q", got, want)
	}
	if w.There("f") {
		t.Error("a later stage ran after a failure")
	}
}

func TestRetriableErrorsAreTriedAgainAfterLooking(t *testing.T) {
	var w geotest.World
	w.Break("dc1", geotest.LosesReplies)
	result, err := book(w.Task(step("a", "dc1"))).Run(t.Context(), config(t))
	if err != nil || w.Applied("a") != 1 {
		t.Errorf("%s, %v, applied %d times: the effect was there, it must not be applied again", statuses(result), err, w.Applied("a"))
	}
}

func TestAGateWaitsAndSaysForWhat(t *testing.T) {
	var w geotest.World
	c := config(t)
	var waited []string
	c.Observer = func(e geored.Event) {
		if e.Kind == geored.StepWaiting {
			waited = append(waited, e.Detail)
			w.Set("gate", true)
		}
	}
	result, err := book(w.Gate(step("gate", "dc1"))).Run(t.Context(), c)
	if err != nil || result.Outcomes[0].Status != geored.Unchanged {
		t.Errorf("%s, %v", statuses(result), err)
	}
	if len(waited) != 1 || waited[0] != "thing/gate is not there" {
		t.Errorf("told %q", waited)
	}
}

func TestThreeHoursPassInMilliseconds(t *testing.T) {
	var w geotest.World
	c := config(t)
	clock := c.Clock
	task := w.Gate(step("site-is-back", "dc2"))
	task.Timeout = 4 * time.Hour
	observe := task.Observe
	task.Observe = func(ctx context.Context) (geored.State, error) {
		w.Set("site-is-back", clock.Now().After(start.Add(3*time.Hour)))
		return observe(ctx)
	}
	c.Poll = 10 * time.Minute
	result, err := book(task).Run(t.Context(), c)
	if err != nil || result.Took < 3*time.Hour {
		t.Errorf("took %s, %v", result.Took, err)
	}
	if late := result.Outcomes[0].Late; late < result.Took-3*time.Hour || late > c.Poll+time.Minute {
		t.Errorf("ended %s late, at most; it looks every %s", late, c.Poll)
	}
}

// TestHowLateStepsEnd: a step that looks slowly is told as late as it may be, and one that had not to wait is not counted.
func TestHowLateStepsEnd(t *testing.T) {
	var w geotest.World
	c := config(t)
	slow := w.Task(step("slow", "dc1"))
	observe := slow.Observe
	slow.Observe = func(ctx context.Context) (geored.State, error) {
		if err := c.Clock.Sleep(ctx, 3*time.Second); err != nil {
			return geored.State{}, err
		}
		return observe(ctx)
	}
	w.Set("there", true)
	result, err := book(slow, w.Task(step("there", "dc1"))).Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if slow, there := result.Outcomes[0].Late, result.Outcomes[1].Late; slow < 3*time.Second || slow > 4*time.Second || there != 0 {
		t.Errorf("%s and %s", slow, there)
	}
	for part, want := range map[float64]time.Duration{0: 1, 0.5: 10, 0.95: 19, 1: 20} {
		var r geored.Result
		for i := range 30 {
			r.Outcomes = append(r.Outcomes, geored.Outcome{Late: time.Duration(max(20-i, 0))})
		}
		if got := r.Late(part); got != want {
			t.Errorf("%v of them: %d, want %d", part, got, want)
		}
	}
	if late := (geored.Result{Outcomes: []geored.Outcome{{}}}).Late(0.95); late != 0 {
		t.Errorf("none waited: %s", late)
	}
}

func TestAnInterruptedRunGoesOn(t *testing.T) {
	var w geotest.World
	journal := &geotest.Journal{}
	runbook := book(w.Task(step("a", "dc1")), w.Task(step("b", "dc1", "a")), w.Task(step("c", "dc2", "b")))
	ctx, kill := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped by hand")
	journal.Before(func(r geored.Record) {
		if r.Step == "b" && r.Kind == geored.Intent {
			kill(stopped)
		}
	})
	c := config(t)
	c.Journal, c.RunID = journal, "run-1"
	result, err := runbook.Run(ctx, c)
	if !errors.Is(err, stopped) || result.Outcomes[1].Status != geored.Interrupted || result.Outcomes[2].Status != geored.Pending {
		t.Errorf("%s, %v", statuses(result), err)
	}
	last, err := geored.LastRun(t.Context(), journal)
	if err != nil || !last.Interrupted() || last.Run != "run-1" || !last.Proven["a"] || !last.Applied["b"] || last.Proven["b"] {
		t.Errorf("the journal says %+v, %v", last, err)
	}
	journal.Before(nil)
	result, err = runbook.Run(t.Context(), c)
	if err != nil || result.Count(geored.Changed, geored.Unchanged) != 3 {
		t.Errorf("%s, %v", statuses(result), err)
	}
	for _, id := range []geored.StepID{"a", "b", "c"} {
		if w.Applied(id) != 1 {
			t.Errorf("%s was applied %d times", id, w.Applied(id))
		}
	}
	if last, err = geored.LastRun(t.Context(), journal); err != nil || last.Interrupted() {
		t.Errorf("the journal says %+v, %v", last, err)
	}
}

// Whatever record is the last one before the process dies, the next run reaches the same end and applies nothing twice.
func TestKilledAtAnyRecordTheNextRunFinishes(t *testing.T) {
	for n := range 20 {
		var w geotest.World
		runbook := book(w.Task(step("a", "dc1")), w.Task(step("b", "dc1", "a")), w.Task(step("c", "dc2", "b")))
		journal := &geotest.Journal{}
		journal.FailAfter(n)
		c := config(t)
		c.Journal = journal
		_, err := runbook.Run(t.Context(), c)
		if n < 8 && !errors.Is(err, geotest.ErrJournalFull) {
			t.Errorf("with room for %d records: %v", n, err)
		}
		c.Journal = nil
		if _, err := runbook.Run(t.Context(), c); err != nil {
			t.Errorf("after %d records: %v", n, err)
		}
		for _, id := range []geored.StepID{"a", "b", "c"} {
			if w.Applied(id) != 1 {
				t.Errorf("after %d records %s was applied %d times", n, id, w.Applied(id))
			}
		}
	}
}

func TestNoEffectWithoutItsIntent(t *testing.T) {
	var w geotest.World
	journal := &geotest.Journal{}
	journal.FailAfter(1) // the beginning of the run, and no more
	c := config(t)
	c.Journal = journal
	_, err := book(w.Task(step("a", "dc1"))).Run(t.Context(), c)
	if !errors.Is(err, geotest.ErrJournalFull) || w.Applied("a") != 0 {
		t.Errorf("%v, applied %d times", err, w.Applied("a"))
	}
}

type lock struct {
	acquire, check error
	held, released atomic.Int32
}

func (l *lock) Acquire(context.Context) error { l.held.Add(1); return l.acquire }
func (l *lock) Check(context.Context) error   { return l.check }
func (l *lock) Release(context.Context) error { l.released.Add(1); return nil }

func TestALostLockStopsTheNextEffect(t *testing.T) {
	var w geotest.World
	lost := errors.New("lock is held by bob since 10:00")
	c := config(t)
	held := &lock{check: lost}
	c.Lock = held
	if _, err := book(w.Task(step("a", "dc1"))).Run(t.Context(), c); !errors.Is(err, lost) || w.Applied("a") != 0 || held.released.Load() != 1 {
		t.Errorf("%v, applied %d times, released %d times", err, w.Applied("a"), held.released.Load())
	}
	refused := &lock{acquire: lost}
	c.Lock = refused
	if _, err := book(w.Task(step("a", "dc1"))).Run(t.Context(), c); !errors.Is(err, lost) || refused.released.Load() != 0 {
		t.Errorf("%v, released %d times", err, refused.released.Load())
	}
}

func TestBindIsHeldAgainstTheOutline(t *testing.T) {
	var w geotest.World
	planned := []geored.Step{step("a", "dc1"), step("b", "dc1")}
	unobservable := w.Task(planned[1])
	unobservable.Observe = nil
	cases := map[string]struct {
		tasks []geored.Task
		want  string
	}{
		"missing":      {[]geored.Task{w.Task(planned[0])}, "step b of the outline has no task"},
		"not planned":  {[]geored.Task{w.Task(planned[0]), w.Task(planned[1]), w.Task(step("c", "dc1"))}, "task c thing/c stands in no outline"},
		"unobservable": {[]geored.Task{w.Task(planned[0]), unobservable}, "has no Observe"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bind := func(context.Context) ([]geored.Task, error) { return c.tasks, nil }
			runbook := geored.Runbook{Name: "test", Stages: []geored.Stage{{Name: "only", Outline: planned, Bind: bind}}}
			result, err := runbook.Run(t.Context(), config(t))
			if err == nil || !strings.Contains(err.Error(), c.want) || len(result.Outcomes) != 2 {
				t.Errorf("%s: %v, want %q", statuses(result), err, c.want)
			}
		})
	}
	if w.Applied("a")+w.Applied("b")+w.Applied("c") != 0 {
		t.Error("something was applied")
	}
}

func TestValidateNamesEveryFaultOfARunbook(t *testing.T) {
	var w geotest.World
	runbook := geored.Runbook{Stages: []geored.Stage{
		geored.StageOf("one", w.Task(step("a", "dc1", "b")), w.Task(step("b", "dc1", "a")), w.Task(step("c", "dc1", "later", "nowhere"))),
		geored.StageOf("one", w.Task(step("later", "dc1")), w.Task(step("later", "dc1")), w.Task(geored.Step{Site: "dc2"})),
	}}
	err := runbook.Validate()
	for _, want := range []string{
		"step a: waits for itself", "step b: waits for itself", "step c: needs later, which neither", "step c: needs nowhere",
		"step later: stands twice", "stage one: has no name of its own", "site dc2: step : has no ID", "has no target", "has no valid action",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault with %q in:\n%v", want, err)
		}
	}
	result, err := runbook.Run(t.Context(), config(t))
	if _, ok := geored.AsFaults(err); !ok || result.Count(geored.Pending) != len(result.Outcomes) || w.Applied("later") != 0 {
		t.Errorf("a faulty runbook ran: %s, %v", statuses(result), err)
	}
}

func TestEventsTellTheWholeStory(t *testing.T) {
	var w geotest.World
	c := config(t)
	var kinds []string
	c.Observer = func(e geored.Event) { kinds = append(kinds, string(e.Kind)) }
	if _, err := book(w.Task(step("a", "dc1"))).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(kinds, " "), "run-started stage-started step-started step-applying step-ended stage-ended run-finished"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestTheEndOfAFailedStepSaysWhy(t *testing.T) {
	c := config(t)
	var told string
	c.Observer = func(e geored.Event) {
		if e.Kind == geored.StepEnded {
			told = e.Detail
		}
	}
	refused := geored.Task{Step: step("a", "dc1"), Observe: func(context.Context) (geored.State, error) { return geored.State{}, nil },
		Apply: func(context.Context) error { return errors.New("permission denied") }}
	if _, err := book(refused).Run(t.Context(), c); err == nil || told != "permission denied" {
		t.Errorf("told %q, %v", told, err)
	}
}

// tornJournal takes every record but the one that a run ended.
type tornJournal struct{ geored.MemoryJournal }

func (j *tornJournal) Append(ctx context.Context, r geored.Record) error {
	if r.Kind == geored.RunEnded {
		return syscall.ENOSPC
	}
	return j.MemoryJournal.Append(ctx, r)
}

// tornLock cannot be given back.
type tornLock struct{ geored.Lock }

func (l tornLock) Release(ctx context.Context) error {
	return errors.Join(l.Lock.Release(ctx), errors.New("the lock cannot be given back"))
}

// What the journal and the lock say stands beside what a step says.
func TestAFailedStepHidesNothing(t *testing.T) {
	var w geotest.World
	w.Break("dc1", geotest.Denied)
	c := config(t)
	var place geored.MemoryLocks
	c.Journal, c.Lock = &tornJournal{}, tornLock{place.Lock("it", geored.Holder{})}
	_, err := book(w.Task(step("a", "dc1"))).Run(t.Context(), c)
	var failed *geored.StepError
	if !errors.As(err, &failed) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "cannot be given back") {
		t.Error(err)
	}
}

// Ctrl-C in one stage does not swallow why another could not even begin.
func TestAnInterruptedRunTellsWhatBindSaid(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	lacks := errors.New("it lacks a right")
	unbound := geored.Stage{Name: "unbound", After: []string{}, Outline: []geored.Step{step("a", "dc1")},
		Bind: func(context.Context) ([]geored.Task, error) { return nil, lacks }}
	long := geored.StageOf("long", geored.Task{Step: step("b", "dc2"),
		Observe: func(ctx context.Context) (geored.State, error) {
			stop()
			<-ctx.Done()
			return geored.State{}, ctx.Err()
		},
		Apply: func(context.Context) error { return nil }})
	long.After = []string{}
	b := geored.Runbook{Name: "test", Stages: []geored.Stage{unbound, long}}
	c := config(t)
	var told sync.WaitGroup
	told.Add(1)
	c.Observer = func(e geored.Event) {
		if e.Kind == geored.StageEnded && e.Stage == "unbound" {
			told.Done()
		}
	}
	observe := long.Bind
	b.Stages[1].Bind = func(ctx context.Context) ([]geored.Task, error) {
		told.Wait()
		return observe(ctx)
	}
	if _, err := b.Run(ctx, c); !errors.Is(err, lacks) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
