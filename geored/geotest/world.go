package geotest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/georedkit/georedkit/geored"
)

// Fault is what can be wrong with a site of a [World].
type Fault string

// The faults.
const (
	Unreachable  Fault = "unreachable"   // neither observing nor applying gets an answer: both fail at once
	Hanging      Fault = "hanging"       // neither comes back before its context ends
	Denied       Fault = "denied"        // observing works, applying is refused
	LosesEffects Fault = "loses-effects" // applying succeeds, and nothing happens
	LosesReplies Fault = "loses-replies" // applying takes effect, and fails all the same
)

// Errors of a faulty site.
var (
	ErrUnreachable = errors.New("connection refused")
	ErrDenied      = errors.New("permission denied")
	ErrNoReply     = errors.New("connection reset")
)

// World is effects at sites. The zero value is ready.
type World struct {
	mu      sync.Mutex
	effects map[geored.StepID]*effect
	faults  map[geored.SiteName]Fault
}

type effect struct {
	there   bool
	after   int // observations until it is seen
	applied int
	undone  int
	mark    string
}

// Task is a task whose effect lives in the world. It is done once it was applied, or [World.Set]; it can be undone.
func (w *World) Task(step geored.Step) geored.Task {
	return geored.Task{
		Step:    step,
		Observe: func(ctx context.Context) (geored.State, error) { return w.observe(ctx, step) },
		Apply:   func(ctx context.Context) error { return w.apply(ctx, step) },
		Undo:    func(ctx context.Context) error { return w.undo(ctx, step) },
		Gone: func(ctx context.Context) (geored.State, error) { // none is ever half there
			state, err := w.observe(ctx, step)
			state.Done = !state.Done
			return state, err
		},
	}
}

// Gate is a task that applies nothing and waits until somebody sets its effect.
func (w *World) Gate(step geored.Step) geored.Task {
	task := w.Task(step)
	task.Apply, task.Undo, task.Gone = nil, nil, nil
	return task
}

// Break puts a fault on a site; Mend takes it away.
func (w *World) Break(site geored.SiteName, fault Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.faults == nil {
		w.faults = map[geored.SiteName]Fault{}
	}
	w.faults[site] = fault
}

// Mend takes the fault of a site away.
func (w *World) Mend(site geored.SiteName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.faults, site)
}

// Set makes an effect be there or not, as if somebody else had done it.
func (w *World) Set(id geored.StepID, there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.effect(id).there = there
}

// Delay makes an effect be seen only at the n-th observation after it is there.
func (w *World) Delay(id geored.StepID, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.effect(id).after = n
}

// There says whether an effect is there, whatever the observer sees.
func (w *World) There(id geored.StepID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.effect(id).there
}

// Applied counts how often an effect was applied.
func (w *World) Applied(id geored.StepID) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.effect(id).applied
}

// Undone counts how often an effect was taken back.
func (w *World) Undone(id geored.StepID) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.effect(id).undone
}

func (w *World) effect(id geored.StepID) *effect {
	if w.effects == nil {
		w.effects = map[geored.StepID]*effect{}
	}
	if w.effects[id] == nil {
		w.effects[id] = &effect{}
	}
	return w.effects[id]
}

func (w *World) observe(ctx context.Context, step geored.Step) (geored.State, error) {
	if err := w.answer(ctx, step.Site); err != nil {
		return geored.State{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.effect(step.ID)
	if !e.there {
		return geored.State{Detail: fmt.Sprintf("%s is not there", step.Target)}, nil
	}
	if e.after > 0 {
		e.after--
		return geored.State{Detail: fmt.Sprintf("%s is not ready", step.Target)}, nil
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("%s is there", step.Target)}, nil
}

func (w *World) apply(ctx context.Context, step geored.Step) error {
	return w.change(ctx, step, func(e *effect) *int { return &e.applied }, func(e *effect) { e.there = true })
}

func (w *World) undo(ctx context.Context, step geored.Step) error {
	return w.change(ctx, step, func(e *effect) *int { return &e.undone }, func(e *effect) { e.there = false })
}

// change makes an effect be there or not, as far as the site's fault lets it, and counts it.
func (w *World) change(ctx context.Context, step geored.Step, count func(*effect) *int, become func(*effect)) error {
	if err := w.answer(ctx, step.Site); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.effect(step.ID)
	fault := w.faults[step.Site]
	if fault == Denied {
		return ErrDenied
	}
	*count(e)++
	if fault == LosesEffects {
		return nil
	}
	become(e)
	if fault == LosesReplies {
		return geored.Retriable(ErrNoReply)
	}
	return nil
}

// answer is how the site takes a call.
func (w *World) answer(ctx context.Context, site geored.SiteName) error {
	w.mu.Lock()
	fault := w.faults[site]
	w.mu.Unlock()
	switch fault {
	case Unreachable:
		return geored.Retriable(ErrUnreachable)
	case Hanging:
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return ctx.Err()
}
