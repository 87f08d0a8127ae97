package geored

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

var errStageIncomplete = errors.New("not all steps are done")

// carry runs every stage when those it comes after are done.
func (r *run) carry(ctx context.Context) error {
	index := make(map[string]int, len(r.stages))
	ended := make([]chan struct{}, len(r.stages))
	errs := make([]error, len(r.stages))
	for i, stage := range r.stages {
		index[stage.Name], ended[i] = i, make(chan struct{})
	}
	var running sync.WaitGroup
	for i, stage := range r.stages {
		running.Add(1)
		go func() {
			defer running.Done()
			defer close(ended[i])
			for _, name := range stage.After {
				before := index[name]
				if <-ended[before]; errs[before] != nil {
					errs[i] = errStageIncomplete
					r.hold(i, fmt.Sprintf("comes after stage %s, which is not done", name))
					return
				}
			}
			errs[i] = r.stage(ctx, i)
		}()
	}
	running.Wait()
	return r.conclude(ctx, errs)
}

// conclude writes down how the run ended. One that was interrupted did not: it goes on later.
func (r *run) conclude(ctx context.Context, errs []error) error {
	var failed []string
	var told []error
	for i, err := range errs {
		if err != nil {
			failed = append(failed, r.stages[i].Name)
		}
		if err != nil && !errors.Is(err, errStageIncomplete) {
			told = append(told, err)
		}
	}
	if len(failed) == 0 {
		return r.record(Record{Kind: RunEnded, Detail: "done"})
	}
	if cause := context.Cause(ctx); cause != nil {
		told = slices.DeleteFunc(told, func(err error) bool { return errors.Is(err, cause) || errors.Is(err, ctx.Err()) })
		return errors.Join(append([]error{cause}, told...)...)
	}
	// Of the steps themselves the outcomes tell.
	return errors.Join(append(told, r.record(Record{Kind: RunEnded, Detail: "failed in stage " + strings.Join(failed, ", ")}))...)
}

// stage gives only errors that are no outcome's; those of the steps are joined at the end, in the order of the plan.
func (r *run) stage(ctx context.Context, i int) error {
	stage := r.stages[i]
	r.tell(Event{Kind: StageStarted, Stage: stage.Name})
	err := r.tasks(ctx, i)
	r.tell(Event{Kind: StageEnded, Stage: stage.Name, Detail: errorText(err)})
	return err
}

func (r *run) tasks(ctx context.Context, i int) error {
	stage := r.stages[i]
	if ctx.Err() != nil {
		r.hold(i, "the run was stopped before it")
		return errStageIncomplete
	}
	tasks, err := stage.bindWithin(ctx, r.StepTimeout)
	if err != nil {
		r.hold(i, "its stage could not be bound")
		return err
	}
	outcomes := r.outcomes(i)
	schedule(stage.Outline, r.Limit, func(i int) bool {
		if r.slots != nil {
			r.slots <- struct{}{}
			defer func() { <-r.slots }()
		}
		if ctx.Err() != nil {
			outcomes[i].Detail = "the run was stopped before it"
			return false
		}
		r.carryOut(ctx, &outcomes[i], &tasks[i])
		return outcomes[i].Status.IsDone()
	}, func(i, by int) {
		outcomes[i].Detail = fmt.Sprintf("needs %s, which is %s", outcomes[by].ID, outcomes[by].Status)
	})
	for i := range outcomes {
		if !outcomes[i].Status.IsDone() {
			return errStageIncomplete
		}
	}
	return nil
}

func (r *run) outcomes(stage int) []Outcome {
	first := r.offset[stage]
	return r.result.Outcomes[first : first+len(r.stages[stage].Outline)]
}

// hold says why no step of a stage began.
func (r *run) hold(stage int, why string) {
	outcomes := r.outcomes(stage)
	for i := range outcomes {
		outcomes[i].Detail = why
	}
}
