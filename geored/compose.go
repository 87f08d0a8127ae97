package geored

import (
	"context"
	"slices"
)

// Sequence makes one runbook of several that run one after another: each begins when all of the one before it is done.
// Stages and steps keep their names, so use [Prefix] where they would clash.
func Sequence(name string, books ...Runbook) Runbook {
	whole := Runbook{Name: name}
	var last []string // stages after which nothing comes so far
	for _, book := range books {
		stages := book.ordered()
		for i := range stages {
			if len(stages[i].After) == 0 {
				stages[i].After = slices.Clone(last)
			}
		}
		whole.Stages = append(whole.Stages, stages...)
		if len(stages) > 0 {
			last = ends(stages)
		}
	}
	return notNil(whole)
}

// Parallel makes one runbook of several that run side by side: a stage of one waits for no stage of another.
func Parallel(name string, books ...Runbook) Runbook {
	whole := Runbook{Name: name}
	for _, book := range books {
		whole.Stages = append(whole.Stages, book.ordered()...)
	}
	return notNil(whole)
}

// Prefix puts a prefix and a slash before the names of a runbook's stages and steps, so that one runbook can stand in
// another twice.
func Prefix(prefix string, book Runbook) Runbook {
	stages := book.ordered()
	for i := range stages {
		stage := &stages[i]
		stage.Name = prefix + "/" + stage.Name
		stage.After = prefixed(prefix, stage.After)
		stage.Outline = slices.Clone(stage.Outline)
		for j := range stage.Outline {
			stage.Outline[j] = stage.Outline[j].prefixed(prefix)
		}
		stage.Bind, stage.Back = prefixedTasks(prefix, stage.Bind), prefixedTasks(prefix, stage.Back)
	}
	return Runbook{Name: book.Name, Stages: stages}
}

func prefixedTasks(prefix string, bind func(context.Context) ([]Task, error)) func(context.Context) ([]Task, error) {
	if bind == nil {
		return nil
	}
	return func(ctx context.Context) ([]Task, error) {
		tasks, err := bind(ctx)
		tasks = slices.Clone(tasks)
		for j := range tasks {
			tasks[j].Step = tasks[j].Step.prefixed(prefix)
		}
		return tasks, err
	}
}

func (s Step) prefixed(prefix string) Step {
	s.ID = StepID(prefix) + "/" + s.ID
	s.Needs = prefixed(prefix, s.Needs)
	return s
}

func prefixed[T ~string](prefix string, names []T) []T {
	if names == nil {
		return nil
	}
	longer := make([]T, len(names))
	for i, name := range names {
		longer[i] = T(prefix) + "/" + name
	}
	return longer
}

// ends are the stages that no other one waits for.
func ends(stages []Stage) []string {
	awaited := map[string]bool{}
	for _, stage := range stages {
		for _, name := range stage.After {
			awaited[name] = true
		}
	}
	var names []string
	for _, stage := range stages {
		if !awaited[stage.Name] {
			names = append(names, stage.Name)
		}
	}
	return names
}

// notNil: a nil After would mean the stage before it.
func notNil(r Runbook) Runbook {
	for i := range r.Stages {
		if r.Stages[i].After == nil {
			r.Stages[i].After = []string{}
		}
	}
	return r
}
