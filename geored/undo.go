package geored

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
)

// Applied reads from a journal which steps of a runbook were applied, or may have been, and not taken back since.
func Applied(ctx context.Context, j Journal, runbook string) (map[StepID]bool, error) {
	read, err := readEffects(ctx, j, runbook)
	if err != nil {
		return nil, err
	}
	return read.applied(), nil
}

// effects are what a runbook has applied, or may have, and not taken back since.
type effects struct {
	steps map[StepID]effect
	last  map[SiteName]string // the clusters of the last run that applied anything
}

type effect struct {
	site SiteName            // "": it belongs to all of them
	on   map[SiteName]string // the UIDs of the clusters at that time
}

// clusterNote begins the records that say which cluster a run worked on.
const clusterNote = "cluster "

func readEffects(ctx context.Context, j Journal, runbook string) (effects, error) {
	read := effects{map[StepID]effect{}, map[SiteName]string{}}
	began := map[SiteName]string{}
	runs := map[string]bool{} // those of the runbook
	for r, err := range j.Records(ctx) {
		if err != nil {
			return effects{}, err
		}
		switch uid, isCluster := strings.CutPrefix(r.Detail, clusterNote); {
		case r.Kind == RunBegun || r.Kind == UndoBegun:
			runs[r.Run] = r.Detail == runbook
		case !runs[r.Run]:
		case r.Kind == RunNoted && isCluster:
			began[r.Site] = uid
		case r.Kind == Intent:
			maps.Copy(read.last, began)
			read.steps[r.Step] = effect{r.Site, maps.Clone(began)}
		case r.Kind == UndoEvidence:
			delete(read.steps, r.Step)
		}
	}
	return read, nil
}

func (e effects) applied() map[StepID]bool {
	applied := make(map[StepID]bool, len(e.steps))
	for id := range e.steps {
		applied[id] = true
	}
	return applied
}

// Undo takes back what the journal says was applied, and no more: the last step first, each observed to be away
// afterwards. What cannot be taken back is listed as [Kept] with its reason and what a person may do, and holds up
// nothing else; so are, behind the others, steps that were applied and that the runbook has no more. Killed at any point it
// can be started again. Result and error are like those of [Runbook.Run]: steps with nothing to take back are [Unchanged].
func (r Runbook) Undo(ctx context.Context, c RunConfig) (Result, error) {
	c = c.withDefaults()
	whole := newRun(r, c, backward)
	if err := r.Validate(); err != nil {
		return whole.end(err)
	}
	var back *Result
	var done effects
	err := whole.within(ctx, func(ctx context.Context) error { // who held the lock until now may have applied more
		var err error
		if done, err = readEffects(ctx, c.Journal, r.Name); err == nil {
			err = done.strange(c.Clusters)
		}
		if err != nil {
			return fmt.Errorf("undo: %w", err)
		}
		under := c
		under.Budget = 0 // it is the context's
		if c.Lock != nil {
			under.Lock = HeldLock(c.Lock)
		}
		result, err := r.reversed(done.applied()).run(ctx, under, backward)
		back = &result
		return err
	})
	if back == nil {
		return whole.end(err)
	}
	back.Outcomes = append(r.inPlanOrder(back.Outcomes), done.left(r)...)
	return *back, err
}

// strange names the sites whose cluster is not the one that the journal is about: what was done to that one cannot be taken
// back on another, and must not be forgotten. A run that applied nothing is about no cluster.
func (e effects) strange(clusters []Cluster) error {
	var faults Faults
	for _, cluster := range clusters {
		about := map[string]bool{}
		if len(e.steps) > 0 {
			about[e.last[cluster.Site]] = true
		}
		for _, effect := range e.steps {
			if effect.site == "" || effect.site == cluster.Site {
				about[effect.on[cluster.Site]] = true
			}
		}
		for _, uid := range slices.Sorted(maps.Keys(about)) {
			if uid != "" && uid != cluster.UID {
				faults = append(faults, Fault{Site: cluster.Site, Field: "cluster", Value: cluster.UID, Problem: "is not the one that the journal is about, " + uid,
					Remedy: "undo with the topology that the run had"})
			}
		}
	}
	return faults.Err()
}

// left are the effects of steps that the runbook has no more, because a site, a node or a stage went from it.
func (e effects) left(r Runbook) []Outcome {
	gone := maps.Clone(e.steps)
	for _, step := range r.Steps() {
		delete(gone, step.ID)
	}
	var outcomes []Outcome
	for _, id := range slices.Sorted(maps.Keys(gone)) {
		outcomes = append(outcomes, Outcome{Step: Step{ID: id, Site: gone[id].site}, Status: Kept,
			Detail: "was applied, and the runbook has it no more; to take it back, undo with the topology and the version that the run had"})
	}
	return outcomes
}

// inPlanOrder gives one outcome per step of the runbook, the way forward.
func (r Runbook) inPlanOrder(undone []Outcome) []Outcome {
	byID := make(map[StepID]Outcome, len(undone))
	for _, o := range undone {
		byID[o.ID] = o
	}
	var outcomes []Outcome
	for _, stage := range r.Stages {
		for _, step := range stage.Outline {
			o, ok := byID[step.ID]
			if !ok {
				o = Outcome{Stage: stage.Name, Status: Unchanged, Detail: "nothing to take back: the journal does not say that it was applied"}
			}
			o.Step = step
			outcomes = append(outcomes, o)
		}
	}
	return outcomes
}

// reversed is the runbook that takes the applied steps back: stages and needs the other way round.
func (r Runbook) reversed(applied map[StepID]bool) Runbook {
	back := Runbook{Name: r.Name}
	stages := r.ordered()
	for i := len(stages) - 1; i >= 0; i-- {
		stage := stages[i]
		reverse := Stage{Name: stage.Name, After: []string{}, Outline: reversedSteps(stage.Outline, applied)}
		for _, other := range stages {
			if slices.Contains(other.After, stage.Name) {
				reverse.After = append(reverse.After, other.Name)
			}
		}
		reverse.Bind = func(ctx context.Context) ([]Task, error) {
			if len(reverse.Outline) == 0 {
				return nil, nil // it may well be that it cannot be bound
			}
			return stage.bindBack(ctx, reverse.Outline)
		}
		back.Stages = append(back.Stages, reverse)
	}
	return back
}

// reversedSteps are the applied ones, the last one first, each needing those that needed it.
func reversedSteps(steps []Step, applied map[StepID]bool) []Step {
	var back []Step
	for i := len(steps) - 1; i >= 0; i-- {
		if !applied[steps[i].ID] {
			continue
		}
		step := steps[i]
		step.Confirm, step.Given, step.Wanted = "", nil, "" // what was confirmed was the way forward
		step.Needs = neededBy(steps, applied, step.ID)
		back = append(back, step)
	}
	return back
}

// neededBy are the applied steps that needed one, also by way of steps that were not applied: of a gate between two
// changes nothing is taken back, and their order stays.
func neededBy(steps []Step, applied map[StepID]bool, id StepID) []StepID {
	var by []StepID
	for _, other := range steps {
		switch {
		case !slices.Contains(other.Needs, id):
		case applied[other.ID]:
			by = append(by, other.ID)
		default:
			by = append(by, neededBy(steps, applied, other.ID)...)
		}
	}
	slices.Sort(by)
	return slices.Compact(by)
}

// bindBack makes the tasks that take a stage's steps back.
func (s Stage) bindBack(ctx context.Context, outline []Step) ([]Task, error) {
	tasks, err := s.tasksBack(ctx)
	if err != nil {
		return nil, err
	}
	byID := make(map[StepID]Task, len(tasks))
	for _, task := range tasks {
		byID[task.ID] = task
	}
	back := make([]Task, len(outline))
	for i, step := range outline {
		task := byID[step.ID]
		task.Step, task.Values = step, nil // the outline's, which says why a step stays
		if task.Undo == nil {
			task.kept, task.Observe, task.Apply = true, task.stays(), nil
		} else {
			task.Observe, task.Apply = task.back()
		}
		back[i] = task
	}
	return back, nil
}

// tasksBack are held against the outline only where they are those that were applied.
func (s Stage) tasksBack(ctx context.Context) ([]Task, error) {
	if s.Back == nil {
		return s.bind(ctx)
	}
	tasks, err := s.Back(ctx)
	if err == nil {
		tasks, err = s.inOrder(tasks)
	}
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", s.Name, err)
	}
	return tasks, nil
}

// back observes that the effect is away, and takes it away. What is not done may be half done: without a Gone of its own an
// effect is not away before its Undo has come to its end.
func (t Task) back() (observe func(context.Context) (State, error), undo func(context.Context) error) {
	if t.Gone != nil {
		return t.Gone, t.Undo
	}
	var undone atomic.Bool
	observe = func(ctx context.Context) (State, error) {
		state, err := t.Observe(ctx)
		state.Done = !state.Done && undone.Load()
		return state, err
	}
	undo = func(ctx context.Context) error {
		err := t.Undo(ctx)
		if err == nil {
			undone.Store(true)
		}
		return err
	}
	return observe, undo
}

// stays says why the effect cannot be taken back, and what a person may do.
func (t Task) stays() func(context.Context) (State, error) {
	reason := t.Permanent
	if reason == "" {
		reason = "its task cannot take it back"
	}
	if len(t.ManualUndo) > 0 {
		reason += "; by hand: " + strings.Join(t.ManualUndo, "; ")
	}
	return func(context.Context) (State, error) { return State{Done: true, Detail: reason}, nil }
}
