package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Config is what is watched, and how.
type Config struct {
	// Checks gives those of a round, made anew, and what ends them when the round is over (nil: nothing). When they cannot be
	// had, all that was known is unknown, for the reason of the error. Required.
	Checks func(context.Context) (checks []geored.Check, end func(), err error)
	// Review looks at the report of a round before it counts. Zero: it counts as it is.
	Review func(geored.Report) geored.Report
	Every  time.Duration // between the beginnings of rounds; one that takes longer is followed at once. Zero: 30 seconds
	Limit  time.Duration // of a round: what has not answered by then is unknown. Zero: 5 minutes
	Budget time.Duration // for each check. Zero: that of geored.Prove
	Clock  geored.Clock  // zero: geored.SystemClock
	// Observer is told of the first state and of each change, one event at a time. Zero: nobody.
	Observer func(Event)
}

// EventKind is what an event tells.
type EventKind string

// The kinds of events.
const (
	First   EventKind = "first"   // what a place was found to be when it was asked for the first time
	Changed EventKind = "changed" // its verdict is another
	Gone    EventKind = "gone"    // it was not asked any more: its check has no such place now
)

// Event is one thing that a round found out.
type Event struct {
	Time  time.Time `json:"time"`
	Kind  EventKind `json:"kind"`
	Round int       `json:"round"` // from 1
	Told
	Was geored.Verdict `json:"was,omitempty"` // zero: it is the first
}

// Watch repeats checks. Make it with [New].
type Watch struct {
	config Config
	mu     sync.Mutex
	state  State
}

// New completes a configuration. It starts nothing.
func New(c Config) *Watch {
	if c.Every <= 0 {
		c.Every = 30 * time.Second
	}
	if c.Limit <= 0 {
		c.Limit = 5 * time.Minute
	}
	if c.Clock == nil {
		c.Clock = geored.SystemClock()
	}
	if c.Review == nil {
		c.Review = func(r geored.Report) geored.Report { return r }
	}
	if c.Observer == nil {
		c.Observer = func(Event) {}
	}
	return &Watch{config: c, state: State{Every: c.Every, Stale: 2*c.Every + c.Limit, Began: c.Clock.Now()}}
}

// State is what is known now. It may be asked for at any time.
func (w *Watch) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.state
	s.Told = slices.Clone(s.Told)
	return s
}

// Now is the time of the watch's clock, for [State.Age].
func (w *Watch) Now() time.Time { return w.config.Clock.Now() }

// Run goes round after round until the context ends, whose cause it returns. A round that is cut off by that does not count.
func (w *Watch) Run(ctx context.Context) error {
	for {
		began := w.Now()
		findings := w.round(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w.take(findings, w.Now(), began)
		if rest := w.config.Every - w.Now().Sub(began); rest > 0 {
			if err := w.config.Clock.Sleep(ctx, rest); err != nil {
				return err
			}
		}
	}
}

// errLimit is the cause by which a round ends that took too long.
var errLimit = errors.New("the round did not end in time")

// round asks everything once, and comes back in time whatever its checks do.
func (w *Watch) round(ctx context.Context) []geored.Finding {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil) // it ends the waiting below
	waiting, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	came, overdue := make(chan []geored.Finding, 1), make(chan struct{})
	go func() { came <- w.ask(ctx) }()
	go func() {
		_ = w.config.Clock.Sleep(ctx, w.config.Limit)
		cancel(errLimit)
		_ = w.config.Clock.Sleep(waiting, grace) // checks that heed their context say what they know
		close(overdue)
	}()
	select {
	case findings := <-came:
		return findings
	case <-overdue:
		return w.lost(errLimit)
	}
}

// grace is how long a round that is cut off may go on, to say so itself and to end what it opened.
const grace = time.Second

func (w *Watch) ask(ctx context.Context) []geored.Finding {
	checks, end, err := w.config.Checks(ctx)
	if err != nil {
		return w.lost(err)
	}
	if end != nil {
		defer end()
	}
	report, err := geored.Prove(ctx, geored.CheckConfig{Budget: w.config.Budget, Clock: w.config.Clock}, checks...)
	if err != nil {
		return w.lost(err)
	}
	return w.config.Review(report).Findings
}

// Round is the check of the place of what keeps a whole round from being asked.
const Round = "watch/round"

// lost is the finding of a round of which nothing came.
func (w *Watch) lost(cause error) []geored.Finding {
	findings := []geored.Finding{{Check: Round, Verdict: geored.Unknown, Message: "nothing was asked: " + cause.Error()}}
	for _, t := range w.State().Told {
		if t.Check != Round {
			findings = append(findings, geored.Finding{Check: t.Check, Site: t.Site, To: t.To, Verdict: geored.Unknown, Message: findings[0].Message})
		}
	}
	return findings
}

// take makes a round's findings the state, and tells what changed.
func (w *Watch) take(findings []geored.Finding, now, began time.Time) {
	told := worst(findings, now)
	w.mu.Lock()
	before := map[Place]Told{}
	for _, t := range w.state.Told {
		before[t.Place] = t
	}
	round := w.state.Rounds + 1
	told, gone := inherit(told, before)
	var events []Event
	for i := range told {
		t := &told[i]
		old, known := before[t.Place]
		t.Since = now
		switch {
		case !known:
			events = append(events, Event{Time: now, Kind: First, Round: round, Told: *t})
		case old.Verdict == t.Verdict:
			t.Since = old.Since
		default:
			events = append(events, Event{Time: now, Kind: Changed, Round: round, Told: *t, Was: old.Verdict})
		}
	}
	for _, t := range gone {
		events = append(events, Event{Time: now, Kind: Gone, Round: round, Told: t, Was: t.Verdict})
	}
	w.state.Told, w.state.Rounds, w.state.Round, w.state.Took = told, round, now, now.Sub(began)
	w.mu.Unlock()
	for _, e := range events {
		w.config.Observer(e)
	}
}

// inherit keeps the places of checks that this time spoke for all of them at once, because they could not ask: each has that
// verdict. Places of checks that asked and do not have them any more are gone.
func inherit(told []Told, before map[Place]Told) (all, gone []Told) {
	now, over := map[Place]bool{}, map[geored.CheckID]Told{}
	for _, t := range told {
		now[t.Place] = true
		if t.Site == "" && t.To == "" {
			over[t.Check] = t
		}
	}
	for place, old := range before {
		if now[place] {
			continue
		}
		if t, ok := over[place.Check]; ok && t.Verdict != geored.Pass {
			t.Place = place
			told = append(told, t)
			continue
		}
		gone = append(gone, Told{Place: place, Verdict: old.Verdict, Message: fmt.Sprintf("%s has no such place any more", place.Check), Since: old.Since, At: old.At})
	}
	order := func(a, b Told) int { return compare(a.Place, b.Place) }
	slices.SortFunc(told, order)
	slices.SortFunc(gone, order)
	return told, gone
}
