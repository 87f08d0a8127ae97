package geored

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// bindWithin is bind for as long as the budget allows, by the machine's clock: a Bind that asks a silent site must not hold up a run
// for ever. Its context goes on when it has returned: tasks may hang on it.
func (s Stage) bindWithin(ctx context.Context, budget time.Duration) ([]Task, error) {
	limited, end := context.WithCancelCause(ctx)
	over := time.AfterFunc(budget, func() { end(ErrBudget) })
	tasks, err := s.bind(limited)
	if over.Stop() || ctx.Err() != nil {
		return tasks, err
	}
	if !errors.Is(err, ErrBudget) {
		err = errors.Join(ErrBudget, err)
	}
	return nil, fmt.Errorf("stage %s: not bound after %s: %w", s.Name, budget, err)
}

// bind makes a stage's tasks and holds them against its outline: what runs is what was planned.
func (s Stage) bind(ctx context.Context) ([]Task, error) {
	if s.Bind == nil {
		return nil, fmt.Errorf("stage %s: has no Bind", s.Name)
	}
	made, err := s.Bind(ctx)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", s.Name, err)
	}
	tasks, err := s.inOrder(made)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", s.Name, err)
	}
	for i := range tasks {
		if err := tasks[i].held(&s.Outline[i]); err != nil {
			return nil, fmt.Errorf("stage %s: step %s: %w", s.Name, tasks[i].ID, err)
		}
	}
	return tasks, nil
}

// inOrder puts tasks in the order of the outline; each step must have exactly one.
func (s Stage) inOrder(made []Task) ([]Task, error) {
	sorted := len(made) == len(s.Outline)
	for i := 0; sorted && i < len(made); i++ {
		sorted = made[i].ID == s.Outline[i].ID
	}
	if sorted {
		return made, nil
	}
	byID := make(map[StepID]Task, len(made))
	for _, task := range made {
		if _, twice := byID[task.ID]; twice {
			return nil, fmt.Errorf("step %s has two tasks: it %w", task.ID, ErrNotPlanned)
		}
		byID[task.ID] = task
	}
	tasks := make([]Task, 0, len(s.Outline))
	for _, step := range s.Outline {
		task, ok := byID[step.ID]
		if !ok {
			return nil, fmt.Errorf("step %s of the outline has no task: it %w", step.ID, ErrNotPlanned)
		}
		delete(byID, step.ID)
		tasks = append(tasks, task)
	}
	for _, task := range made {
		if _, left := byID[task.ID]; left {
			return nil, fmt.Errorf("task %s %s stands in no outline: it %w", task.ID, task.Target, ErrNotPlanned)
		}
	}
	return tasks, nil
}

// held says what of a task is not as its step was planned.
func (t *Task) held(step *Step) error {
	switch {
	case t.Observe == nil:
		return fmt.Errorf("cannot be observed: its task has no Observe")
	case t.Site != step.Site || t.Target != step.Target || t.Action != step.Action:
		return fmt.Errorf("%s %s at %q instead of %s %s at %q: it %w", t.Action, t.Target, t.Site, step.Action, step.Target, step.Site, ErrNotPlanned)
	case step.Wanted != "" && t.Wanted != step.Wanted:
		return fmt.Errorf("would apply %q instead of %q: it %w", t.Wanted, step.Wanted, ErrNotPlanned)
	}
	for _, given := range step.Given {
		if err := given.Check(t.Values[given.Name]); err != nil {
			return err
		}
	}
	if len(t.Values) > len(step.Given) {
		return fmt.Errorf("has %d values for %d constraints of the outline: it %w", len(t.Values), len(step.Given), ErrNotPlanned)
	}
	return nil
}
