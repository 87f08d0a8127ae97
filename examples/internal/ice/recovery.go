package ice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// The stores, in the order of the guide.
const (
	storeKafka     = "kafka"
	storeCassandra = "cassandra"
	storeSearch    = "search"
	storeObjects   = "objects"
)

// Gate is what must be proven before any store is touched.
type Gate struct {
	Name   string // "mesh"
	Reason string
	Manual []string
	Remedy string
	Checks func() []geored.Check
}

// Store is one store as a recovery sees it.
type Store struct {
	Name string
	// After names stores that must be proven before this one is touched: it is filled from them. Zero: none.
	After []string
	// Read looks at the store as it is now and changes nothing. decide is pure; an error of it refuses the recovery.
	Read func(ctx context.Context) (evidence []Evidence, decide decider)
	// Measure tells what each site lacks of each other.
	Measure func(ctx context.Context) []Missing
	// Tasks carry the decisions out, one after another; the last ones prove.
	Tasks func(decisions []Decision) ([]geored.Task, error)
	// Beside says of a part whether no other store is filled from it: those need not wait for it. Zero: of none.
	Beside func(part string) bool
	// Checks are the proof that the sites hold the same.
	Checks func() []geored.Check
}

// decider decides about a store for one outage, from what was read of it. It is pure.
type decider = func(Outage) ([]Decision, error)

// Recovery is the guide's chapter 5: what an outage asks of each store, done in order and proven.
type Recovery struct {
	Sites  []geored.SiteName
	Gates  []Gate
	Stores []Store
	// Proofs are further checks of the end.
	Proofs []geored.Check
	Notes  Notes
	Said   OutageSaid
	// ProveOnly decides nothing: only the checks are of use then.
	ProveOnly bool
	// Look gives further evidence of when the outage began. Zero: none.
	Look func(ctx context.Context) []Evidence
	// Apart asks every site, and from every site every other, and says who does not answer. Required.
	Apart func(ctx context.Context) []geored.Silence
	// Skewed refuses a machine by whose clock no outage can be measured. Zero: it is not asked.
	Skewed func(ctx context.Context) error
	// AskAgain is how long a store that gives no answer about its limits is asked again before it is decided without them, and
	// how long behind the sites' coming together one is measured still: what was just started comes up. Zero: it is not.
	AskAgain time.Duration
	// Lock gives what the run holds, nil when it holds nothing; it is asked before each change inside a step too. Zero: none.
	Lock  func() geored.Lock
	Clock geored.Clock // zero: the machine's
	Watch WatchConfig

	together atomic.Bool                                      // the first gate is through
	attended func(context.CancelCauseFunc) (stop func() bool) // tells of the end of the run that is attended; nil: none is
	decides  []decider                                        // of the stores, with what was read of them; nil: nothing was
	mu       sync.Mutex
	note     RecoveryNote
	loaded   noteVersion     // what [Recovery.Assess] decided from
	begun    bool            // the note was written since
	records  []geored.Record // of the run that just ended
}

func (r *Recovery) clock() geored.Clock {
	if r.Clock == nil {
		return geored.SystemClock()
	}
	return r.Clock
}

// Assess reads everything and decides. A recovery that is under way goes on with what it decided when it began: its own
// cures have changed the evidence since. One that waits still for the sites to be together has touched no store, and decides
// anew: the outage went on. It changes nothing.
func (r *Recovery) Assess(ctx context.Context) error {
	if r.Skewed != nil && !r.ProveOnly {
		if err := r.Skewed(ctx); err != nil {
			return err
		}
	}
	note, found, err := r.Notes.Load(ctx)
	if err != nil {
		return err
	}
	r.loaded = noteVersionOf(note, found)
	decide := func() error { return r.decide(ctx, note, found) }
	if found && note.Done.IsZero() {
		r.note = note
		if err := r.goesOn(note); err != nil || r.isFirm(note) {
			return err
		}
		decide = func() error { return r.decideAnew(ctx, note) }
	} else if err := r.carryHistory(note); err != nil {
		return err
	}
	for until := r.clock().Now().Add(r.AskAgain); ; {
		if err := decide(); err != nil {
			return err
		}
		if !r.unheard() || !r.clock().Now().Before(until) {
			r.lookApart(ctx)
			return nil
		}
		if err := r.clock().Sleep(ctx, provePause); err != nil {
			return err
		}
	}
}

// lookApart notes that the sites are apart when it is decided: the outage goes on then, also while a person is asked.
func (r *Recovery) lookApart(ctx context.Context) {
	if waits := r.note.Done.IsZero() && r.note.Joined.IsZero() && len(r.Gates) > 0 && !r.ProveOnly; waits && len(r.Apart(ctx)) > 0 {
		r.note.Apart = r.clock().Now()
	}
}

// unheard says that somebody was asked for a limit and gave no answer.
func (r *Recovery) unheard() bool {
	silent := func(d Decision) bool { return len(d.Silent) > 0 }
	return !r.ProveOnly && r.note.Done.IsZero() && slices.ContainsFunc(r.note.Decisions, silent)
}

// decide looks at everything as it is now. found says that there was a recovery before, of which the note is.
func (r *Recovery) decide(ctx context.Context, note RecoveryNote, found bool) error {
	evidence, decides := r.read(ctx)
	if found {
		evidence = append(evidence, Evidence{Source: "the last recovery", Joined: note.Done, Says: "all stores of all sites were proven then"})
	}
	now := r.clock().Now()
	outage, err := FindOutage(r.Said, evidence, now)
	outage.Proven, outage.Unproven = note.Done, note.left()
	if found && err == nil && !r.ProveOnly && r.recovered(ctx, note, outage, evidence) {
		r.note = note
		return nil
	}
	if r.ProveOnly {
		outage, err = Outage{Known: "(none is recovered from)", Asked: now, Began: now}, nil
	}
	if err != nil {
		return err
	}
	return r.decideFor(outage, note.Number, evidence, decides)
}

// isFirm says that what a recovery decided stands: the sites were together, or nobody waits for that.
func (r *Recovery) isFirm(note RecoveryNote) bool {
	return !note.Joined.IsZero() || len(r.Gates) == 0 || r.ProveOnly
}

// decideAnew decides about an outage that went on since it was decided about. What was missing before the sites were together
// was measured then, or never.
func (r *Recovery) decideAnew(ctx context.Context, note RecoveryNote) error {
	_, decides := r.read(ctx)
	now := r.clock().Now()
	outage := note.Outage.until(now)
	if note.Halted.After(outage.Began) {
		outage.Began = note.Halted
	}
	err := r.decideFor(outage, note.Number, note.Evidence, decides)
	r.note.Missing, r.note.Apart, r.note.Halted, r.note.Before = note.Missing, note.Apart, note.Halted, note.Before
	if !note.Halted.IsZero() && err == nil {
		r.note.Missing = nil // what the second cut left is measured too
		r.note.Kept, err = r.afterCut(note, now)
	}
	return err
}

// decideFor begins a recovery with what an outage asks of every store.
func (r *Recovery) decideFor(outage Outage, number int, evidence []Evidence, decides []decider) error {
	r.decides = decides
	r.note = RecoveryNote{ID: r.clock().Now().UTC().Format("20060102T150405.000"), Number: number, Outage: outage, Evidence: evidence, Kept: r.note.Kept}
	var faults geored.Faults
	for i, decide := range decides {
		decisions, err := decide(outage)
		if err != nil {
			faults = append(faults, geored.Fault{Field: r.Stores[i].Name, Problem: err.Error()})
		}
		for _, d := range decisions {
			if r.ProveOnly && d.Cure != LeaveCure {
				d.Cure, d.Because, d.Confirm = ProveCure, []string{"nothing is to be changed"}, ""
			}
			if outage.Longer >= time.Minute { // not in the reason, which stands in plans
				d.Seen = append(d.Seen, fmt.Sprintf("the outage went on for %s after its length was told", geored.RoundDuration(outage.Longer)))
			}
			r.note.Decisions = append(r.note.Decisions, d)
		}
	}
	return faults.Err()
}

// recovered says that the outage which somebody names is the one that the last recovery has brought to its end: it is named
// in the same words, it began before that end, and nothing shows the sites apart since. So a recovery that was killed behind
// its last step is not begun again.
func (r *Recovery) recovered(ctx context.Context, note RecoveryNote, said Outage, evidence []Evidence) bool {
	later := slices.ContainsFunc(evidence, func(e Evidence) bool { return e.Apart.After(note.Done) })
	return r.Said != OutageSaid{} && said.Known == note.Outage.Known && said.Began.Before(note.Done) && !later && len(r.Apart(ctx)) == 0
}

// goesOn refuses another outage than the one that is being recovered from.
func (r *Recovery) goesOn(note RecoveryNote) error {
	said := r.Said != OutageSaid{}
	if now, err := FindOutage(r.Said, nil, note.Outage.Asked); said && (err != nil || now.Known != note.Outage.Known) {
		return geored.Faults{{Field: "outage", Value: now.Known, Problem: "is not the one that is being recovered from: " + note.Outage.Known,
			Remedy: "say the same, or nothing, to go on with it; to begin anew, " + forgetNote}}
	}
	return nil
}

// read looks at all stores at once.
func (r *Recovery) read(ctx context.Context) ([]Evidence, []decider) {
	found := make([][]Evidence, len(r.Stores)+1)
	decides := make([]decider, len(r.Stores))
	var wg sync.WaitGroup
	look := func(i int, f func()) {
		wg.Add(1)
		go func() { defer wg.Done(); f() }()
	}
	if r.Look != nil {
		look(0, func() { found[0] = r.Look(ctx) })
	}
	for i, store := range r.Stores {
		look(i, func() { found[i+1], decides[i] = store.Read(ctx) })
	}
	wg.Wait()
	var evidence []Evidence
	for _, e := range found {
		evidence = append(evidence, e...)
	}
	return evidence, decides
}

// Note is what is remembered, as it is now.
func (r *Recovery) Note() RecoveryNote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.note
}

// change writes a changed note into every site.
func (r *Recovery) change(ctx context.Context, change func(*RecoveryNote)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.note
	next.Kept = map[string]json.RawMessage{}
	for name, value := range r.note.Kept {
		next.Kept[name] = value
	}
	change(&next)
	next.Number++
	if err := r.Notes.Save(ctx, next); err != nil {
		return err
	}
	r.note = next
	return nil
}

// keep remembers a value for a step that may be taken up again.
func (r *Recovery) keep(ctx context.Context, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return r.change(ctx, func(n *RecoveryNote) { n.Kept[name] = text })
}

// kept gives what was remembered.
func (r *Recovery) kept(name string, value any) bool {
	text, ok := r.Note().Kept[name]
	return ok && json.Unmarshal(text, value) == nil
}

// mark is what a step leaves behind in a site: the same however often the recovery is interrupted and goes on.
func (r *Recovery) mark(step geored.StepID) string { return geored.MarkOf(r.Note().ID, step) }

// decided are the decisions about one store.
func (r *Recovery) decided(store string) []Decision {
	var own []Decision
	for _, d := range r.Note().Decisions {
		if d.Store == store {
			own = append(own, d)
		}
	}
	return own
}

// pause between two looks at what is dear to look at.
const provePause = time.Second

// paced waits a moment after each look that does not end the waiting.
func (r *Recovery) paced(observe func(context.Context) (geored.State, error)) func(context.Context) (geored.State, error) {
	return func(ctx context.Context) (geored.State, error) {
		state, err := observe(ctx)
		if err != nil || !state.Done {
			if stop := r.clock().Sleep(ctx, provePause); stop != nil && err == nil {
				err = stop
			}
		}
		return state, err
	}
}

// unhurried looks at all data of a store: a look that began within the step's budget is heard to its end, however long it takes.
func (r *Recovery) unhurried(observe func(context.Context) (geored.State, error)) func(context.Context) (geored.State, error) {
	return r.paced(func(ctx context.Context) (geored.State, error) {
		look, stop := context.WithCancelCause(context.WithoutCancel(ctx))
		defer stop(nil)
		if r.attended != nil { // it may be ended when the budget is over too
			defer r.attended(stop)()
		}
		defer context.AfterFunc(ctx, func() {
			if cause := context.Cause(ctx); !errors.Is(cause, geored.ErrBudget) {
				stop(cause)
			}
		})()
		return observe(look)
	})
}

// once is a task that is carried out once in a recovery; that it was is remembered in the sites.
func (r *Recovery) once(step geored.Step, timeout time.Duration, apply func(context.Context) error) geored.Task {
	name := "done/" + string(step.ID)
	return geored.Task{Step: step, Timeout: timeout,
		Observe: func(context.Context) (geored.State, error) {
			var when time.Time
			if r.kept(name, &when) {
				return geored.State{Done: true, Detail: "done on " + clockText(when)}, nil
			}
			return geored.State{Detail: "not done by this recovery"}, nil
		},
		Apply: func(ctx context.Context) error {
			if err := apply(ctx); err != nil {
				return err
			}
			return r.keep(ctx, name, r.clock().Now())
		}}
}

// nest runs the stage of a package inside a step, under the lock of the run around it.
func (r *Recovery) nest(ctx context.Context, stages ...geored.Stage) error {
	config := geored.RunConfig{Clock: r.clock(), StepTimeout: dataTimeout}
	if r.Lock != nil {
		if lock := r.Lock(); lock != nil {
			config.Lock = geored.HeldLock(lock)
		}
	}
	_, err := geored.Runbook{Name: "nested", Stages: stages}.Run(ctx, config)
	return err
}

// dataTimeout is for steps that go through all data of a store.
const dataTimeout = 12 * time.Hour
