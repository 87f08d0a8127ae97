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
	RunID       string        // stands in every record; give that of an interrupted run to go on with it. Zero: the time it begins
	Journal     Journal       // zero: a [MemoryJournal]
	Lock        Lock          // zero: none
	Clock       Clock         // zero: [SystemClock]
	Observer    func(Event)   // told of everything, one call at a time, from within the run: it must not block. Zero: nobody
	Logger      *slog.Logger  // zero: none
	Limit       int           // tasks at once; zero: 64
	Poll        time.Duration // pause between two observations of one task; zero: 200 ms
	StepTimeout time.Duration // for tasks without a timeout of their own; zero: 5 minutes
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
// of its stage goes on.
//
// The result is complete also when the error is not nil: one outcome per step, in the order of the plan. The error joins
// a [StepError] for each step that failed; [Faults] of the runbook; the context's cause when it was interrupted; or
// what the lock or the journal said.
func (r Runbook) Run(ctx context.Context, c RunConfig) (Result, error) {
	run := newRun(r, c.withDefaults())
	err := r.Validate()
	if err == nil {
		err = run.locked(ctx)
	}
	return run.end(err)
}

// run is the state of one Runbook.Run.
type run struct {
	RunConfig
	book   Runbook
	result Result
	offset map[string]int // index of the first outcome of each stage

	notify sync.Mutex
	ended  int // steps that came to their end; counted for the observer
}

func newRun(book Runbook, c RunConfig) *run {
	r := &run{RunConfig: c, book: book, offset: map[string]int{}}
	r.result = Result{Run: c.RunID, Runbook: book.Name, Began: c.Clock.Now()}
	for _, stage := range book.Stages {
		r.offset[stage.Name] = len(r.result.Outcomes)
		for _, step := range stage.Outline {
			r.result.Outcomes = append(r.result.Outcomes, Outcome{Step: step, Stage: stage.Name, Status: Pending})
		}
	}
	return r
}

func (r *run) locked(ctx context.Context) (err error) {
	if r.Lock != nil {
		if err := r.Lock.Acquire(ctx); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		defer func() { err = errors.Join(err, r.Lock.Release(context.WithoutCancel(ctx))) }()
	}
	if err := r.record(ctx, Record{Kind: RunBegun, Detail: r.book.Name}); err != nil {
		return err
	}
	r.tell(Event{Kind: RunStarted, Detail: r.book.Name})
	return r.stages(ctx)
}

func (r *run) stages(ctx context.Context) error {
	for _, stage := range r.book.Stages {
		r.tell(Event{Kind: StageStarted, Stage: stage.Name})
		err := r.stage(ctx, stage)
		r.tell(Event{Kind: StageEnded, Stage: stage.Name, Detail: errorText(err)})
		if ctx.Err() != nil {
			return context.Cause(ctx) // no RunEnded record: an interrupted run goes on later
		}
		if err != nil {
			return errors.Join(err, r.record(ctx, Record{Kind: RunEnded, Detail: "failed in stage " + stage.Name}))
		}
	}
	return r.record(ctx, Record{Kind: RunEnded, Detail: "done"})
}

// stage gives only errors that are no outcome's; those of the steps are joined at the end, in the order of the plan.
func (r *run) stage(ctx context.Context, stage Stage) error {
	tasks, err := bind(ctx, stage)
	if err != nil {
		return fmt.Errorf("stage %s: %w", stage.Name, err)
	}
	first := r.offset[stage.Name]
	outcomes := r.result.Outcomes[first : first+len(tasks)]
	schedule(stage.Outline, r.Limit, func(i int) bool {
		if ctx.Err() != nil {
			outcomes[i].Detail = "the run was stopped before it"
			return false
		}
		outcomes[i] = r.carryOut(ctx, outcomes[i], tasks[i])
		return outcomes[i].Status.IsDone()
	}, func(i, by int) {
		outcomes[i].Detail = fmt.Sprintf("needs %s, which is %s", outcomes[by].ID, outcomes[by].Status)
	})
	for _, o := range outcomes {
		if !o.Status.IsDone() {
			return errStageIncomplete
		}
	}
	return nil
}

var errStageIncomplete = errors.New("not all steps are done")

// bind makes a stage's tasks and holds them against its outline: what runs is what was planned.
func bind(ctx context.Context, stage Stage) ([]Task, error) {
	made, err := stage.Bind(ctx)
	if err != nil {
		return nil, err
	}
	byID := make(map[StepID]Task, len(made))
	for _, task := range made {
		byID[task.ID] = task
	}
	tasks := make([]Task, 0, len(stage.Outline))
	for _, step := range stage.Outline {
		task, ok := byID[step.ID]
		if !ok {
			return nil, fmt.Errorf("step %s of the outline has no task", step.ID)
		}
		if task.Observe == nil {
			return nil, fmt.Errorf("step %s cannot be observed: its task has no Observe", step.ID)
		}
		delete(byID, step.ID)
		tasks = append(tasks, task)
	}
	if len(made) != len(tasks) {
		return nil, fmt.Errorf("%d tasks for %d steps of the outline", len(made), len(tasks))
	}
	return tasks, nil
}

func (r *run) record(ctx context.Context, rec Record) error {
	rec.Time, rec.Run = r.Clock.Now(), r.RunID
	// An interrupted run still writes down what it saw.
	return r.Journal.Append(context.WithoutCancel(ctx), rec)
}

func (r *run) end(err error) (Result, error) {
	r.result.Took = r.Clock.Now().Sub(r.result.Began)
	errs := []error{err}
	if errors.Is(err, errStageIncomplete) {
		errs = nil // the outcomes say it better
	}
	for _, o := range r.result.Outcomes {
		if o.Err != nil {
			errs = append(errs, o.Err)
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
