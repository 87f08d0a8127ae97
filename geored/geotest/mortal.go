package geotest

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/georedkit/georedkit/geored"
)

// mortal counts the points that a run passes, and kills it at one of them.
type mortal struct {
	point int // -1: it lives to its end
	kill  func()

	mu     sync.Mutex
	passed int
	dead   bool
	at     string // where it died
}

// pass is a point: an error when the run is dead.
func (m *mortal) pass(format string, args ...any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dead && m.passed == m.point {
		m.dead, m.at = true, fmt.Sprintf(format, args...)
		m.kill()
	}
	m.passed++
	if m.dead {
		return ErrKilled
	}
	return nil
}

// around calls f between two points.
func (m *mortal) around(f func() error, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if err := m.pass("before %s", what); err != nil {
		return err
	}
	err := f()
	if dead := m.pass("after %s", what); dead != nil {
		return dead
	}
	return err
}

type mortalKey struct{}

// Inside does one effect of a step that has several, between two points at which [KillAnywhere] kills the run: a fake, or
// what a test puts around one, calls it with the context that the step gave. In a run that is dead the effect does not
// happen, and [ErrKilled] is the answer. Elsewhere it only does the effect.
func Inside(ctx context.Context, what string, effect func() error) error {
	if m, ok := ctx.Value(mortalKey{}).(*mortal); ok {
		return m.around(effect, "%s", what)
	}
	return effect()
}

func (m *mortal) book(b geored.Runbook) geored.Runbook {
	stages := make([]geored.Stage, len(b.Stages))
	for i, stage := range b.Stages {
		stage.Bind = m.bind(stage.Bind, stage.Name)
		if stage.Back != nil {
			stage.Back = m.bind(stage.Back, stage.Name)
		}
		stages[i] = stage
	}
	return geored.Runbook{Name: b.Name, Stages: stages}
}

func (m *mortal) bind(bind func(context.Context) ([]geored.Task, error), stage string) func(context.Context) ([]geored.Task, error) {
	return func(ctx context.Context) (tasks []geored.Task, err error) {
		err = m.around(func() (err error) { tasks, err = bind(ctx); return err }, "stage %s is bound", stage)
		mortals := make([]geored.Task, len(tasks))
		for i, task := range tasks {
			mortals[i] = m.task(task)
		}
		return mortals, err
	}
}

func (m *mortal) task(t geored.Task) geored.Task {
	look := func(f func(context.Context) (geored.State, error), what string) func(context.Context) (geored.State, error) {
		if f == nil {
			return nil
		}
		return func(ctx context.Context) (state geored.State, err error) {
			err = m.around(func() (err error) { state, err = f(ctx); return err }, "%s is %s", t.ID, what)
			return state, err
		}
	}
	do := func(f func(context.Context) error, what string) func(context.Context) error {
		if f == nil {
			return nil
		}
		return func(ctx context.Context) error {
			return m.around(func() error { return f(ctx) }, "%s is %s", t.ID, what)
		}
	}
	t.Observe, t.Gone = look(t.Observe, "observed"), look(t.Gone, "observed to be gone")
	t.Apply, t.Undo = do(t.Apply, "applied"), do(t.Undo, "taken back")
	return t
}

type mortalJournal struct {
	geored.Journal
	m *mortal
}

func (j mortalJournal) Append(ctx context.Context, r geored.Record) error {
	return j.m.around(func() error { return j.Journal.Append(ctx, r) }, "record %s %s", r.Kind, r.Step)
}

func (j mortalJournal) Records(ctx context.Context) iter.Seq2[geored.Record, error] {
	return j.Journal.Records(ctx)
}

type mortalLock struct {
	geored.Lock
	m *mortal
}

func (l mortalLock) Acquire(ctx context.Context) error {
	return l.m.around(func() error { return l.Lock.Acquire(ctx) }, "the lock is taken")
}

func (l mortalLock) Check(ctx context.Context) error {
	return l.m.around(func() error { return l.Lock.Check(ctx) }, "the lock is checked")
}

func (l mortalLock) Release(ctx context.Context) error {
	return l.m.around(func() error { return l.Lock.Release(ctx) }, "the lock is given back")
}
