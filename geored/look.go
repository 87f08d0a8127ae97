package geored

import (
	"context"
	"errors"
	"time"
)

const (
	defaultLook = 10 * time.Second
	bindLooks   = 12 // times the time of a step: to bind a stage asks for all of its steps
)

// looker observes the steps of a plan.
type looker struct{ RunConfig }

func (l looker) look(ctx context.Context, stages []Stage, planned []PlanStage) error {
	var errs []error
	for i := range min(len(stages), len(planned)) {
		tasks, err := stages[i].bindWithin(ctx, bindLooks*l.StepTimeout)
		if errors.Is(err, ErrNotPlanned) {
			errs = append(errs, err)
		}
		if err == nil && len(tasks) == len(planned[i].Steps) {
			l.observe(ctx, tasks, planned[i].Steps)
			continue
		}
		for j := range planned[i].Steps {
			planned[i].Steps[j].Live = Live{LiveUnknown, "cannot be told yet: " + errorText(err)}
		}
	}
	return errors.Join(errs...)
}

func (l looker) observe(ctx context.Context, tasks []Task, steps []PlanStep) {
	all := make([]Step, len(tasks)) // without needs: looking has no order
	schedule(all, l.Limit, func(i int) bool {
		steps[i].Live = l.one(ctx, tasks[i])
		return true
	}, nil)
}

func (l looker) one(ctx context.Context, task Task) Live {
	target := []Target{{Site: task.Site}}
	answers := Ask(context.WithValue(ctx, stepKey{}, task.ID), target, func(ctx context.Context, _ Target) (State, error) { return task.Observe(ctx) },
		AskBudget(l.StepTimeout), AskClock(l.Clock))
	for _, silent := range answers.Unanswered() {
		return Live{LiveUnknown, silent.Reason}
	}
	for _, state := range answers.All() {
		if state.Done {
			return Live{LiveDone, state.Detail}
		}
		return Live{LiveMissing, state.Detail}
	}
	return Live{LiveUnknown, ""}
}
