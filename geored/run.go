package geored

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// RunConfig is what a run needs besides its runbook. The zero value runs without a lock, keeps its journal in memory
// and tells nobody.
type RunConfig struct {
	RunID       string            // stands in every record; give that of an interrupted run to go on with it. Zero: the time it begins
	Plan        string            // digest of the plan that is carried out, for the journal; zero: none was made
	Clusters    []Cluster         // which clusters it works on, for the journal: an undo of others is refused. Zero: not told
	Confirmed   map[StepID]string // what a person confirmed, for steps that ask for it
	Journal     Journal           // zero: a [MemoryJournal]
	Lock        Lock              // zero: none
	Clock       Clock             // zero: [SystemClock]
	Observer    func(Event)       // told of everything, one call at a time, from within the run: it must not block. Zero: nobody
	Logger      *slog.Logger      // zero: none
	Limit       int               // tasks at once; zero: 64
	Poll        time.Duration     // pause between two observations of one task; zero: 200 ms
	StepTimeout time.Duration     // for tasks without a timeout of their own, and for the Bind of a stage; zero: 5 minutes
	Budget      time.Duration     // for the whole run; what is not done by then stays for the next one. Zero: as long as it takes
}

func (c RunConfig) withDefaults() RunConfig {
	if c.Journal == nil {
		c.Journal = &MemoryJournal{}
	}
	if c.Clock == nil {
		c.Clock = SystemClock()
	}
	if c.RunID == "" {
		c.RunID = c.Clock.Now().UTC().Format("20060102T150405.000Z")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Limit <= 0 {
		c.Limit = 64
	}
	if c.Poll <= 0 {
		c.Poll = 200 * time.Millisecond
	}
	if c.StepTimeout <= 0 {
		c.StepTimeout = 5 * time.Minute
	}
	return c
}

// Run carries the runbook out. Every task is observed first and changed only when its effect is missing, so a run that
// was killed at any point can be started again. A step that fails stops what needs it and every later stage; the rest
// of its stage, and stages beside it, go on.
//
// The result is complete also when the error is not nil: one outcome per step, in the order of the plan. The error joins
// a [StepError] for each step that failed; [Faults] of the runbook or of what was not confirmed; the context's cause
// when it was interrupted, which wraps [ErrBudget] when the run's own budget is used up; what a stage's Bind said, which
// wraps [ErrNotPlanned] when it is not the outline's; or what the lock or the journal said.
func (r Runbook) Run(ctx context.Context, c RunConfig) (Result, error) {
	return r.run(ctx, c, forward)
}

func (r Runbook) run(ctx context.Context, c RunConfig, way way) (Result, error) {
	run := newRun(r, c.withDefaults(), way)
	err := r.Validate()
	if err == nil {
		err = r.unconfirmed(run.Confirmed).Err()
	}
	if err == nil {
		err = run.within(ctx, run.begin)
	}
	return run.end(err)
}

// way is whether a runbook's effects are brought about or taken back.
type way struct {
	begun, intent, evidence RecordKind
	changed                 Status
}

var (
	forward  = way{RunBegun, Intent, Evidence, Changed}
	backward = way{UndoBegun, UndoIntent, UndoEvidence, Undone}
)

// run is the state of one Runbook.Run.
type run struct {
	RunConfig
	way
	name   string
	stages []Stage
	result Result
	offset []int           // index of the first outcome of each stage
	slots  chan struct{}   // shared by stages that run side by side; nil: one after another
	keep   context.Context // for the journal: an interrupted run still writes down what it saw

	notify sync.Mutex
	ended  int // steps that came to their end; counted for the observer
}

func newRun(book Runbook, c RunConfig, way way) *run {
	r := &run{RunConfig: c, way: way, name: book.Name, stages: book.ordered()}
	r.result = Result{Run: c.RunID, Runbook: book.Name, Plan: c.Plan, Began: c.Clock.Now()}
	steps := 0
	for i, stage := range r.stages {
		r.offset = append(r.offset, steps)
		steps += len(stage.Outline)
		if len(stage.After) != 1 && i > 0 || len(stage.After) == 1 && stage.After[0] != r.stages[max(i-1, 0)].Name {
			r.slots = make(chan struct{}, c.Limit)
		}
	}
	r.result.Outcomes = make([]Outcome, steps)
	for i, stage := range r.stages {
		for j := range stage.Outline {
			o := &r.result.Outcomes[r.offset[i]+j]
			o.Step, o.Stage, o.Status = stage.Outline[j], stage.Name, Pending
		}
	}
	return r
}

// within gives the run its budget and its name, and does the rest under its lock.
func (r *run) within(ctx context.Context, rest func(context.Context) error) error {
	ctx = context.WithValue(ctx, runKey{}, r.RunID)
	r.keep = context.WithoutCancel(ctx)
	if r.Budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = withBudget(ctx, r.Clock, r.Budget, fmt.Errorf("the run is not done after %s: %w", r.Budget, ErrBudget))
		defer cancel()
	}
	return r.locked(ctx, rest)
}

func (r *run) locked(ctx context.Context, rest func(context.Context) error) (err error) {
	if r.Lock != nil {
		awaiting := WatchLock(ctx, func(held *HeldError, until time.Time) {
			r.tell(Event{Kind: LockAwaited, Detail: held.Error(), Holder: &held.Holder, Until: until})
		})
		if err := r.Lock.Acquire(awaiting); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		defer func() { err = errors.Join(err, r.Lock.Release(r.keep)) }()
	}
	return rest(ctx)
}

// begin writes down what begins, and carries it out.
func (r *run) begin(ctx context.Context) error {
	if err := r.record(Record{Kind: r.begun, Detail: r.name, Plan: r.Plan}); err != nil {
		return err
	}
	for _, cluster := range r.Clusters {
		if err := r.record(Record{Kind: RunNoted, Site: cluster.Site, Detail: clusterNote + cluster.UID}); err != nil {
			return err
		}
	}
	r.tell(Event{Kind: RunStarted, Detail: r.name})
	return r.carry(ctx)
}

func (r *run) record(rec Record) error {
	rec.Time = r.Clock.Now()
	return r.write(rec)
}

func (r *run) write(rec Record) error {
	rec.Run = r.RunID
	return r.Journal.Append(r.keep, rec)
}

func (r *run) end(err error) (Result, error) {
	r.result.Took = max(r.Clock.Now().Sub(r.result.Began), 0) // a clock may be set back
	errs := []error{err}
	for i := range r.result.Outcomes {
		if err := r.result.Outcomes[i].Err; err != nil {
			errs = append(errs, err)
		}
	}
	joined := errors.Join(errs...)
	r.tell(Event{Kind: RunFinished, Detail: errorText(joined)})
	return r.result, joined
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
