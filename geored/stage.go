package geored

import "context"

// Stage is a part of a runbook whose tasks may depend on what earlier stages brought about.
type Stage struct {
	Name string
	// After names the stages that must be done before this one begins. nil: the one before it in the runbook; empty but
	// not nil: none. [Sequence] and [Parallel] fill it in.
	After []string
	// Outline is the steps of the stage, known before anything runs.
	Outline []Step
	// Bind makes the tasks from what is observed when the stage begins: exactly one for each step of the outline. It
	// changes nothing, because a plan binds too. Its context goes on when it has returned: tasks may hang on it.
	Bind func(context.Context) ([]Task, error)
	// Back makes the tasks with which the stage is taken back, of which only Undo, Gone and Observe count. nil: those of
	// Bind. It is for stages that cannot be bound any more once part of them is taken back, because they are bound to
	// what they brought about.
	Back func(context.Context) ([]Task, error)
}

// StageOf makes a stage of tasks that need nothing from earlier stages.
func StageOf(name string, tasks ...Task) Stage {
	outline := make([]Step, len(tasks))
	for i := range tasks {
		outline[i] = tasks[i].Step
	}
	return Stage{Name: name, Outline: outline, Bind: func(context.Context) ([]Task, error) { return tasks, nil }}
}

// Runbook is a procedure over several sites: its stages run one after another unless they say otherwise, the steps of a
// stage side by side where their needs allow.
type Runbook struct {
	Name   string
	Stages []Stage
}

// Steps are the steps of all stages in the order of the plan.
func (r Runbook) Steps() []Step {
	var steps []Step
	for _, stage := range r.Stages {
		steps = append(steps, stage.Outline...)
	}
	return steps
}

// ordered gives the stages with their After written out.
func (r Runbook) ordered() []Stage {
	stages := make([]Stage, len(r.Stages))
	for i, stage := range r.Stages {
		if stage.After == nil {
			stage.After = []string{}
			if i > 0 {
				stage.After = []string{r.Stages[i-1].Name}
			}
		}
		stages[i] = stage
	}
	return stages
}
