package geored

import (
	"context"
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

// Step is one change to one target, as plain data: what is reviewed, digested, journalled and reported. It holds no
// secret.
type Step struct {
	ID     StepID   `json:"id"`
	Site   SiteName `json:"site,omitempty"` // zero: it belongs to all of them
	Target string   `json:"target"`         // what is changed, as "daemonset kube-system/gateway"
	Action Action   `json:"action"`
	Reason string   `json:"reason,omitempty"` // why, in one sentence
	Needs  []StepID `json:"needs,omitempty"`  // steps of this or an earlier stage that must be done first
	// Wanted is the digest of what the task would apply (see [DigestOf]). Zero: it is not known before earlier stages
	// ran, and Given says what it may be; or there is nothing to apply.
	Wanted string `json:"wanted,omitempty"`
	// Given holds what the values that only earlier stages can produce must be like.
	Given []Constraint `json:"given,omitempty"`
	// Confirm is the value that a person must give before a destructive step is carried out. Zero: none is asked for.
	Confirm    string   `json:"confirm,omitempty"`
	Manual     []string `json:"manual,omitempty"`     // the commands that an operator would type for it
	ManualUndo []string `json:"manualUndo,omitempty"` // those that take it back
	Permanent  string   `json:"permanent,omitempty"`  // why it cannot be taken back; zero: it can, or nobody said why
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
	// Apply brings the effect about. It must be safe to repeat; see [Marked] for what is not. An error ends the task
	// unless it is [Retriable]. nil: a gate, which only waits and proves.
	Apply func(context.Context) error
	// Undo takes the effect away. It must be safe to repeat. nil: it cannot be taken back; the step's Permanent says why.
	Undo func(context.Context) error
	// Gone says whether the effect is away, for [Runbook.Undo]. nil: it is when Undo has come to its end and Observe says that it
	// is not done, which alone may mean half done.
	Gone func(context.Context) (State, error)
	// Values are what earlier stages produced for the step's Given, by the constraints' names. No secrets.
	Values map[string]string
	// Timeout is the time the task may take in all. Zero: that of the run.
	Timeout time.Duration

	kept bool // on the way back: it cannot be taken back
}
