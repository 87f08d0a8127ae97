package geored

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// maxBackoff is the longest pause between two tries of a retriable effect.
const maxBackoff = 10 * time.Second

// carryOut brings one task to its end.
func (r *run) carryOut(ctx context.Context, o Outcome, t Task) Outcome {
	o.Began = r.Clock.Now()
	r.tellStep(StepStarted, o)
	timeout := t.Timeout
	if timeout <= 0 {
		timeout = r.StepTimeout
	}
	limited, cancel := withBudget(ctx, r.Clock, timeout)
	defer cancel()
	o, err := r.pursue(limited, o, t)
	switch {
	case err == nil:
		err = r.record(ctx, Record{Kind: Evidence, Step: t.ID, Site: t.Site, Detail: string(o.Status) + ": " + o.Detail})
	case ctx.Err() != nil:
		o.Status = Interrupted
	default:
		if errors.Is(err, ErrBudget) {
			err = fmt.Errorf("not done after %s: %s: %w", timeout, o.Detail, ErrBudget)
		}
		err = errors.Join(err, r.record(ctx, Record{Kind: Failure, Step: t.ID, Site: t.Site, Detail: err.Error()}))
	}
	if err != nil && o.Status != Interrupted {
		o.Status, o.Err = Failed, &StepError{Step: t.Step, Err: err}
	}
	o.Took = r.Clock.Now().Sub(o.Began)
	r.tellStep(StepEnded, o)
	return o
}

// pursue observes, applies when the effect is missing, and waits until it is there. Nothing is applied while the state
// cannot be told: silence is no reason to act.
func (r *run) pursue(ctx context.Context, o Outcome, t Task) (Outcome, error) {
	applied, pause := false, r.Poll
	o.Status = Unchanged
	for {
		state, err := t.Observe(ctx)
		switch {
		case ctx.Err() != nil:
			return o, context.Cause(ctx)
		case err != nil:
			o = r.waiting(o, "cannot be observed: "+err.Error())
		case state.Done:
			o.Detail = state.Detail
			return o, nil
		case t.Apply == nil || applied:
			o = r.waiting(o, state.Detail)
		default:
			o.Attempts++
			o.Status = Changed
			if err := r.apply(ctx, o, t); err == nil {
				applied, pause = true, r.Poll
				continue // the effect is often there at once
			} else if ctx.Err() != nil {
				return o, context.Cause(ctx)
			} else if !IsRetriable(err) {
				return o, err
			} else {
				o, pause = r.waiting(o, "will be tried again: "+err.Error()), min(2*pause, maxBackoff)
			}
		}
		if err := r.Clock.Sleep(ctx, pause); err != nil {
			return o, err
		}
	}
}

// apply writes the intent down before the effect, so that a crash in between leaves a trace.
func (r *run) apply(ctx context.Context, o Outcome, t Task) error {
	if r.Lock != nil {
		if err := r.Lock.Check(ctx); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
	}
	if err := r.record(ctx, Record{Kind: Intent, Step: t.ID, Site: t.Site, Detail: t.Target}); err != nil {
		return err
	}
	r.tellStep(StepApplying, o)
	return t.Apply(ctx)
}

// waiting tells the observer why a task waits, once per reason.
func (r *run) waiting(o Outcome, reason string) Outcome {
	if reason != o.Detail {
		o.Detail = reason
		r.tellStep(StepWaiting, o)
	}
	return o
}
