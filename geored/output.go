package geored

import (
	"context"
	"fmt"
	"sync"
)

// Output hands a typed value from a stage that observes it to a later one, whose Bind asks for it. It lives in memory
// alone: a run that goes on after an interruption observes every step first, and so has it again.
type Output[T any] struct {
	mu    sync.Mutex
	value T
	known bool
}

// From makes the task yield the value each time it observes its effect: observe takes the place of the task's Observe.
func (o *Output[T]) From(task Task, observe func(context.Context) (T, State, error)) Task {
	task.Observe = func(ctx context.Context) (State, error) {
		value, state, err := observe(ctx)
		if err == nil && state.Done {
			o.set(value)
		}
		return state, err
	}
	return task
}

func (o *Output[T]) set(value T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.value, o.known = value, true
}

// Value gives what was observed last. Before the first time it is an error, which a plan shows as the reason why a later
// step cannot be told yet; name says in it what is missing.
func (o *Output[T]) Value(name string) (T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known {
		return o.value, fmt.Errorf("%s is not known yet", name)
	}
	return o.value, nil
}
