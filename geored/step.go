package geored

import (
	"context"
	"fmt"
	"time"
)

// StepID names a step within its runbook, with slashes between its parts: "mesh/dc1/gateway".
type StepID string

// Action is what a step does to its target. The zero value is invalid.
type Action string

// The actions.
const (
	Apply   Action = "apply"   // make the target as it is wanted
	Install Action = "install" // install or upgrade a release
	Restart Action = "restart" // restart what reads its settings once
	Copy    Action = "copy"    // copy data or a credential to another site
	Delete  Action = "delete"  // remove the target
	Execute Action = "execute" // run something that leaves a mark
	Await   Action = "await"   // change nothing: wait until it is so
)

// IsValid says whether a is one of the actions above.
func (a Action) IsValid() bool {
	switch a {
	case Apply, Install, Restart, Copy, Delete, Execute, Await:
		return true
	}
	return false
}

// Step is one change to one target, as plain data: what is reviewed, journalled and reported. It holds no secret.
type Step struct {
	ID     StepID   `json:"id"`
	Site   SiteName `json:"site,omitempty"` // zero: it belongs to all of them
	Target string   `json:"target"`         // what is changed, as "daemonset kube-system/gateway"
	Action Action   `json:"action"`
	Reason string   `json:"reason"`           // why, in one sentence
	Needs  []StepID `json:"needs,omitempty"`  // steps of this or an earlier stage that must be done first
	Manual []string `json:"manual,omitempty"` // the commands that an operator would type for it
}

// State is what was observed of a step's effect.
type State struct {
	Done   bool
	Detail string // what is there; when not done: what is missing, in words
}

// Task is a step with what carries it out.
type Task struct {
	Step
	// Observe says whether the effect is there. An error means that this cannot be told; it is asked again until the
	// task's time is used up, and nothing is applied meanwhile. Required.
	Observe func(context.Context) (State, error)
	// Apply brings the effect about. It must be safe to repeat. An error ends the task unless it is [Retriable]. nil: a
	// gate, which only waits and proves.
	Apply func(context.Context) error
	// Timeout is the time the task may take in all. Zero: that of the run.
	Timeout time.Duration
}

// Stage is a part of a runbook whose tasks may depend on what earlier stages brought about.
type Stage struct {
	Name string
	// Outline is the steps of the stage, known before anything runs.
	Outline []Step
	// Bind makes the tasks from what is observed when the stage begins: exactly one for each step of the outline.
	Bind func(context.Context) ([]Task, error)
}

// StageOf makes a stage of tasks that need nothing from earlier stages.
func StageOf(name string, tasks ...Task) Stage {
	outline := make([]Step, len(tasks))
	for i, t := range tasks {
		outline[i] = t.Step
	}
	return Stage{Name: name, Outline: outline, Bind: func(context.Context) ([]Task, error) { return tasks, nil }}
}

// Runbook is a procedure over several sites: its stages run one after another, the steps of a stage side by side where
// their needs allow.
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

// Validate reports every fault of the runbook at once, as [Faults]: steps without ID, target or action, doubled IDs,
// needs that no earlier or same stage has, and circles among them.
func (r Runbook) Validate() error {
	var faults Faults
	seen, stages := map[StepID]bool{}, map[string]bool{}
	for _, stage := range r.Stages {
		if stages[stage.Name] || stage.Name == "" {
			faults = append(faults, Fault{Field: "stage", Value: stage.Name, Problem: "has no name of its own"})
		}
		stages[stage.Name] = true
		for _, step := range stage.Outline {
			faults = append(faults, step.faults()...)
			if seen[step.ID] {
				faults = append(faults, step.fault("stands twice in the runbook"))
			}
			seen[step.ID] = true
		}
		for _, step := range stage.Outline {
			for _, need := range step.Needs {
				if !seen[need] {
					faults = append(faults, step.fault(fmt.Sprintf("needs %s, which neither this stage nor an earlier one has", need)))
				}
			}
		}
		faults = append(faults, circleFaults(stage.Outline)...)
	}
	return faults.Err()
}

func (s Step) faults() Faults {
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
	return faults
}

func (s Step) fault(problem string) Fault {
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
	for i, step := range steps {
		if open.waiting[i] > 0 {
			faults = append(faults, step.fault("waits for itself through its needs"))
		}
	}
	return faults
}

// graph counts for each step how many of its needs, within the same stage, are still open.
type graph struct {
	waiting    []int
	dependents [][]int
}

func newGraph(steps []Step) *graph {
	index := make(map[StepID]int, len(steps))
	for i, step := range steps {
		index[step.ID] = i
	}
	g := &graph{waiting: make([]int, len(steps)), dependents: make([][]int, len(steps))}
	for i, step := range steps {
		for _, need := range step.Needs {
			if j, ok := index[need]; ok {
				g.waiting[i]++
				g.dependents[j] = append(g.dependents[j], i)
			}
		}
	}
	return g
}

// roots are the steps that wait for nothing.
func (g *graph) roots() []int {
	var roots []int
	for i, n := range g.waiting {
		if n == 0 {
			roots = append(roots, i)
		}
	}
	return roots
}

// done marks a step as done and gives those that waited for it alone.
func (g *graph) done(step int) []int {
	var ready []int
	for _, i := range g.dependents[step] {
		if g.waiting[i]--; g.waiting[i] == 0 {
			ready = append(ready, i)
		}
	}
	return ready
}
