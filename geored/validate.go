package geored

import (
	"fmt"
	"slices"
)

// Validate reports every fault of the runbook at once, as [Faults]: steps without ID, target or action, doubled IDs,
// needs that no earlier or same stage has, constraints that hold nothing, and circles among steps or stages.
func (r Runbook) Validate() error {
	stages := r.ordered()
	faults := stageFaults(stages)
	steps, needs := 0, false
	for _, stage := range stages {
		steps += len(stage.Outline)
	}
	home := make(map[StepID]int, steps) // the stage of each step
	for s, stage := range stages {
		for i := range stage.Outline {
			step := &stage.Outline[i]
			faults = append(faults, step.faults()...)
			if _, twice := home[step.ID]; twice {
				faults = append(faults, step.fault("stands twice in the runbook"))
			}
			home[step.ID] = s
			needs = needs || len(step.Needs) > 0
		}
	}
	if !needs {
		return faults.Err()
	}
	earlier := earlierStages(stages)
	for s, stage := range stages {
		for i := range stage.Outline {
			for _, need := range stage.Outline[i].Needs {
				if at, ok := home[need]; !ok || at != s && !earlier[s][at] {
					faults = append(faults, stage.Outline[i].fault(fmt.Sprintf("needs %s, which neither this stage nor an earlier one has", need)))
				}
			}
		}
		faults = append(faults, circleFaults(stage.Outline)...)
	}
	return faults.Err()
}

func stageFaults(stages []Stage) Faults {
	var faults Faults
	steps := make([]Step, len(stages)) // stages wait for one another as steps do
	for i, stage := range stages {
		twice := slices.ContainsFunc(stages[:i], func(other Stage) bool { return other.Name == stage.Name })
		if twice || stage.Name == "" {
			faults = append(faults, Fault{Field: "stage", Value: stage.Name, Problem: "has no name of its own"})
		}
		steps[i].ID = StepID(stage.Name)
		for _, name := range stage.After {
			steps[i].Needs = append(steps[i].Needs, StepID(name))
			if !slices.ContainsFunc(stages, func(other Stage) bool { return other.Name == name }) {
				faults = append(faults, Fault{Field: "stage", Value: stage.Name, Problem: fmt.Sprintf("is to run after %s, which is no stage", name)})
			}
		}
	}
	for _, f := range circleFaults(steps) {
		faults = append(faults, Fault{Field: "stage", Value: f.Field[len("step "):], Problem: "waits for itself"})
	}
	return faults
}

// earlierStages says for each stage which others are done before it begins.
func earlierStages(stages []Stage) []map[int]bool {
	index := make(map[string]int, len(stages))
	for i, stage := range stages {
		index[stage.Name] = i
	}
	earlier := make([]map[int]bool, len(stages))
	var visit func(i int) map[int]bool
	visit = func(i int) map[int]bool {
		if earlier[i] != nil {
			return earlier[i]
		}
		earlier[i] = map[int]bool{} // also ends the walk around a circle
		for _, name := range stages[i].After {
			if j, ok := index[name]; ok {
				earlier[i][j] = true
				for k := range visit(j) {
					earlier[i][k] = true
				}
			}
		}
		return earlier[i]
	}
	for i := range stages {
		visit(i)
	}
	return earlier
}

func (s *Step) faults() Faults {
	var faults Faults
	if s.ID == "" {
		faults = append(faults, s.fault("has no ID"))
	}
	if s.Target == "" {
		faults = append(faults, s.fault("has no target"))
	}
	if !s.Action.IsValid() {
		faults = append(faults, s.fault(fmt.Sprintf("has no valid action: %q", s.Action)))
	}
	for _, given := range s.Given {
		if err := given.validate(); err != nil {
			faults = append(faults, s.fault(err.Error()))
		}
	}
	return faults
}

func (s *Step) fault(problem string) Fault {
	return Fault{Site: s.Site, Field: "step " + string(s.ID), Problem: problem}
}

// circleFaults names the steps that wait for one another: those left when no step without open needs remains.
func circleFaults(steps []Step) Faults {
	open := newGraph(steps)
	for ready := open.roots(); len(ready) > 0; {
		step := ready[0]
		ready = append(ready[1:], open.done(step)...)
	}
	var faults Faults
	for i := range steps {
		if open.waiting[i] > 0 {
			faults = append(faults, steps[i].fault("waits for itself through its needs"))
		}
	}
	return faults
}
