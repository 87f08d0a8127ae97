package geotest

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

// Rehearsal is a runbook over a world of its own, for [KillAnywhere].
type Rehearsal struct {
	// Runbook gives the runbook as a new process makes it; nothing that it remembers may outlive the call but what the
	// world and the journal hold. Required.
	Runbook func() geored.Runbook
	// Config is how it runs. Zero values: a journal in memory, a clock that jumps, no lock.
	Config geored.RunConfig
	// Undo kills [geored.Runbook.Undo], after a run that nothing disturbs.
	Undo bool
	// Effects counts the side effects so far, each by a name. Required.
	Effects func() map[string]int
	// State is what the world is like. Required.
	State func() string
}

// ErrKilled is what everything answers to a run that was killed.
var ErrKilled = errors.New("killed")

// KillAnywhere runs a rehearsal undisturbed, then again and again, each in a new world, killed at every point there is:
// before and after each record, look, effect, bind, and call of the lock, and around each effect inside a step that is
// done by [Inside]. Each time a second run goes on, as after kill -9 of a process, unless the journal says that the first
// one came to its end: what was under way ends, nothing else happens, and only the world, the journal and the lock's place
// are left. Then end state and number of side effects must be those of the undisturbed run. It gives the number
// of points. A lock that the dead run held is given back before the second one, as the operating system or the end of a
// lease does.
func KillAnywhere(t testing.TB, rehearsal func(t testing.TB) Rehearsal) int {
	t.Helper()
	wanted, points := play(t, rehearsal(t), -1)
	if wanted == nil {
		return points
	}
	for n := range points {
		if got, _ := play(t, rehearsal(t), n); got != nil {
			got.compare(t, wanted)
		}
	}
	return points
}

// ending is what a rehearsal left behind.
type ending struct {
	killed  string // the point; "" for the undisturbed one
	effects map[string]int
	state   string
}

func (e *ending) compare(t testing.TB, wanted *ending) {
	t.Helper()
	if !maps.Equal(e.effects, wanted.effects) {
		t.Errorf("killed %s: side effects %v, undisturbed %v", e.killed, e.effects, wanted.effects)
	}
	if e.state != wanted.state {
		t.Errorf("killed %s: it ends as %s, undisturbed as %s", e.killed, e.state, wanted.state)
	}
}

// play runs a rehearsal to its end, killed once at the given point; -1: never. nil: it did not come to its end, and t
// knows.
func play(t testing.TB, r Rehearsal, point int) (*ending, int) {
	t.Helper()
	if r.Config.Journal == nil {
		r.Config.Journal = &geored.MemoryJournal{}
	}
	if r.Config.Clock == nil {
		r.Config.Clock = NewClock(t, journalStart)
	}
	if r.Undo {
		c := r.Config
		c.RunID = "forward"
		if _, err := r.Runbook().Run(t.Context(), c); err != nil {
			t.Errorf("the run before the undo: %v", err)
			return nil, 0
		}
	}
	m := &mortal{point: point}
	err := r.live(t.Context(), m)
	if point < 0 {
		if err != nil {
			t.Errorf("undisturbed: %v", err)
			return nil, m.passed
		}
		return &ending{effects: r.Effects(), state: r.State()}, m.passed
	}
	if m.at == "" && err != nil { // it passed fewer points than the undisturbed one
		t.Errorf("killed nowhere: %v", err)
		return nil, m.passed
	}
	if r.Config.Lock != nil {
		if err := r.Config.Lock.Release(t.Context()); err != nil {
			t.Errorf("killed %s: %v", m.at, err)
		}
	}
	if last, err := geored.LastRun(t.Context(), r.Config.Journal); err != nil || last.Begun.IsZero() || last.Interrupted() || last.Undo != r.Undo {
		if err = errors.Join(err, r.live(t.Context(), &mortal{point: -1})); err != nil {
			t.Errorf("killed %s, the run that goes on: %v", m.at, err)
			return nil, m.passed
		}
	}
	if last, err := geored.LastRun(t.Context(), r.Config.Journal); err != nil || last.Interrupted() {
		t.Errorf("killed %s: the journal says that the run did not end, %v", m.at, err)
	}
	return &ending{killed: m.at, effects: r.Effects(), state: r.State()}, m.passed
}

// live is one process: it reads the journal, as programs do, and runs until its end or its death.
func (r Rehearsal) live(ctx context.Context, m *mortal) error {
	last, err := geored.LastRun(ctx, r.Config.Journal)
	if err != nil {
		return err
	}
	c := r.Config
	c.RunID = "first"
	if last.Interrupted() && last.Undo == r.Undo {
		c.RunID = last.Run
	} else if !last.Begun.IsZero() {
		c.RunID = "second"
	}
	ctx, kill := context.WithCancelCause(ctx)
	defer kill(nil)
	m.kill = func() { kill(ErrKilled) }
	ctx = context.WithValue(ctx, mortalKey{}, m)
	c.Journal = mortalJournal{c.Journal, m}
	if c.Lock != nil {
		c.Lock = mortalLock{c.Lock, m}
	}
	book := m.book(r.Runbook())
	if r.Undo {
		_, err = book.Undo(ctx, c)
	} else {
		_, err = book.Run(ctx, c)
	}
	return err
}
