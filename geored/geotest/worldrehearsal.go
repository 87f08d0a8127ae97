package geotest

import (
	"context"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// Marked is a task whose effect cannot be observed but by the mark that it leaves (see geored.Marked).
func (w *World) Marked(step geored.Step) geored.Task {
	return geored.Marked(step,
		func(ctx context.Context) (string, error) {
			err := w.answer(ctx, step.Site)
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.effect(step.ID).mark, err
		},
		func(ctx context.Context, mark string) error {
			return w.change(ctx, step, func(e *effect) *int { return &e.applied }, func(e *effect) { e.there, e.mark = true, mark })
		})
}

// Effects counts what was applied ("apply ID") and taken back ("undo ID") so far, for a [Rehearsal].
func (w *World) Effects() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := map[string]int{}
	for id, e := range w.effects {
		if e.applied > 0 {
			counts["apply "+string(id)] = e.applied
		}
		if e.undone > 0 {
			counts["undo "+string(id)] = e.undone
		}
	}
	return counts
}

// State names the effects that are there, sorted, for a [Rehearsal].
func (w *World) State() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var there []string
	for id, e := range w.effects {
		if e.there {
			there = append(there, string(id))
		}
	}
	slices.Sort(there)
	return strings.Join(there, " ")
}

// Like gives a runbook of the same shape over this world: its stages, steps and needs, with effects that live here. Gates
// are through at once, and values that earlier stages would produce are not asked for. It is for rehearsing how a runbook
// is cut into steps, without its sites.
func (w *World) Like(book geored.Runbook) geored.Runbook {
	shape := geored.Runbook{Name: book.Name}
	for _, stage := range book.Stages {
		tasks := make([]geored.Task, len(stage.Outline))
		for i, step := range stage.Outline {
			step.Given, step.Wanted, step.Confirm = nil, "", ""
			tasks[i] = w.Task(step)
			if step.Action == geored.Await {
				tasks[i] = w.Gate(step)
				w.Set(step.ID, true)
			}
		}
		like := geored.StageOf(stage.Name, tasks...)
		like.After = stage.After
		shape.Stages = append(shape.Stages, like)
	}
	return shape
}
