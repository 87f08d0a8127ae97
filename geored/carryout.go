package geored

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// maxBackoff is the longest pause between two tries of a retriable effect.
const maxBackoff = 10 * time.Second

// carryOut brings one task to its end.
func (r *run) carryOut(ctx context.Context, o *Outcome, t *Task) {
	o.Began = r.Clock.Now()
	r.tellStep(StepStarted, o)
	timeout := t.Timeout
	if timeout <= 0 {
		timeout = r.StepTimeout
	}
	limited := budgetContext{Context: context.WithValue(ctx, stepKey{}, t.ID), clock: r.Clock, end: o.Began.Add(timeout), cause: ErrBudget}
	err := r.pursue(&limited, o, t)
	over := limited.Err() != nil // else it is the budget of something inside, which names itself
	limited.stop()
	now := r.Clock.Now()
	o.Took = max(now.Sub(o.Began), 0)
	switch {
	case err == nil && o.Status == Kept: // no evidence: it is still there
	case err == nil:
		err = r.write(Record{Time: now, Kind: r.evidence, Step: t.ID, Site: t.Site, Detail: string(o.Status) + ": " + o.Detail})
	case ctx.Err() != nil:
		o.Status = Interrupted
	default:
		if over && errors.Is(err, ErrBudget) {
			err = fmt.Errorf("not done after %s: %s: %w", timeout, o.Detail, ErrBudget)
		}
		err = errors.Join(err, r.write(Record{Time: now, Kind: Failure, Step: t.ID, Site: t.Site, Detail: err.Error()}))
	}
	if err != nil && o.Status != Interrupted {
		o.Status, o.Err = Failed, &StepError{Step: o.Step, Err: err}
	}
	r.tellStep(StepEnded, o)
}

// pursue observes, applies when the effect is missing, and waits until it is there. Nothing is applied while the state
// cannot be told: silence is no reason to act.
func (r *run) pursue(ctx context.Context, o *Outcome, t *Task) error {
	applied, pause := false, r.Poll
	o.Status = Unchanged
	var missing time.Time // it was not there then
	seen := ""            // by the last look that did not fail
	for {
		looked := r.Clock.Now()
		state, err := t.Observe(ctx)
		switch {
		case err == nil && state.Done:
			o.Detail = state.Detail
			if !missing.IsZero() {
				o.Late = max(r.Clock.Now().Sub(missing), 0)
			}
			if t.kept {
				o.Status = Kept
			}
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			r.waiting(o, unseen(err, seen))
		case t.Apply == nil || applied:
			missing, seen = looked, state.Detail
			r.waiting(o, seen)
		default:
			o.Attempts++
			o.Status = r.changed
			switch err := r.apply(ctx, o, t); {
			case err == nil:
				applied, pause, missing = true, r.Poll, r.Clock.Now()
				continue // the effect is often there at once
			case ctx.Err() != nil:
				o.Detail = cmp.Or(o.Detail, err.Error()) // what it waited for in vain
				return context.Cause(ctx)
			case !IsRetriable(err):
				return err
			default:
				o.retried(r.Clock.Now(), err)
				r.waiting(o, "will be tried again: "+err.Error())
				pause = min(2*pause, maxBackoff)
			}
		}
		if err := r.Clock.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// unseen is why a look failed, and what was seen before it: a budget that ends in the middle of a look ends on what the
// step waited for, not on that look.
func unseen(err error, seen string) string {
	if seen == "" {
		return "cannot be observed: " + err.Error()
	}
	return "cannot be observed: " + err.Error() + "; seen before: " + seen
}

// apply writes the intent down before the effect, so that a crash in between leaves a trace.
func (r *run) apply(ctx context.Context, o *Outcome, t *Task) error {
	if r.Lock != nil {
		if err := r.Lock.Check(ctx); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
	}
	if err := r.record(Record{Kind: r.intent, Step: t.ID, Site: t.Site, Detail: t.Target}); err != nil {
		return err
	}
	r.tellStep(StepApplying, o)
	return t.Apply(ctx)
}

// waiting tells the observer why a task waits, once per reason.
func (r *run) waiting(o *Outcome, reason string) {
	if reason != o.Detail {
		o.Detail = reason
		r.tellStep(StepWaiting, o)
	}
}
