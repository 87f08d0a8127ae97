package geored

import "context"

// PlanVersion is the version of the plan files that this package writes and reads.
const PlanVersion = 1

// Plan is what a runbook will do, as plain data for a file: every step of every stage, done or not. Its digest covers
// what is wanted and where (inputs, steps, constraints, cluster identities), never progress or time.
type Plan struct {
	Version  int         `json:"version"`
	Runbook  string      `json:"runbook"`
	Digest   string      `json:"digest"`
	Inputs   []Input     `json:"inputs,omitempty"`
	Clusters []Cluster   `json:"clusters,omitempty"`
	Stages   []PlanStage `json:"stages"`
}

// Input is something that a plan was made from: a topology, a values file, an image.
type Input struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// Cluster is the identity of a site's cluster. For Kubernetes it is the UID of the namespace kube-system: nothing but a
// new cluster changes it.
type Cluster struct {
	Site SiteName `json:"site"`
	UID  string   `json:"uid"`
}

// PlanStage is a stage's outline.
type PlanStage struct {
	Name  string     `json:"name"`
	After []string   `json:"after"` // stages that must be done before it begins
	Steps []PlanStep `json:"steps"`
}

// PlanStep is a step with how it stood when the plan was made.
type PlanStep struct {
	Step
	Live Live `json:"live,omitzero"`
}

// Live is how far a step's effect was there when somebody looked. It is no part of the digest.
type Live struct {
	State  LiveState `json:"state,omitempty"` // zero: nobody looked
	Detail string    `json:"detail,omitempty"`
}

// LiveState is whether an effect is there.
type LiveState string

// The states.
const (
	LiveDone    LiveState = "done"
	LiveMissing LiveState = "missing"
	LiveUnknown LiveState = "unknown" // it could not be observed, or not yet
)

// Plan writes the runbook down. It looks at nothing; [Runbook.Look] adds how the steps stand. The error is [Faults] of
// the runbook.
func (r Runbook) Plan(inputs []Input, clusters []Cluster) (Plan, error) {
	if err := r.Validate(); err != nil {
		return Plan{}, err
	}
	p := Plan{Version: PlanVersion, Runbook: r.Name, Inputs: inputs, Clusters: clusters}
	for _, stage := range r.ordered() {
		planned := PlanStage{Name: stage.Name, After: stage.After, Steps: make([]PlanStep, len(stage.Outline))}
		for i, step := range stage.Outline {
			planned.Steps[i].Step = step
		}
		p.Stages = append(p.Stages, planned)
	}
	var err error
	p.Digest, err = p.digest()
	return p, err
}

// digest is over everything but the digest itself and how the steps stand.
func (p Plan) digest() (string, error) {
	p.Digest = ""
	stages := make([]PlanStage, len(p.Stages))
	for i, stage := range p.Stages {
		stages[i] = PlanStage{Name: stage.Name, After: stage.After, Steps: make([]PlanStep, len(stage.Steps))}
		for j, step := range stage.Steps {
			stages[i].Steps[j].Step = step.Step
		}
	}
	p.Stages = stages
	return DigestOf(p)
}

// Steps are the steps of all stages, in their order.
func (p Plan) Steps() []PlanStep {
	var steps []PlanStep
	for _, stage := range p.Stages {
		steps = append(steps, stage.Steps...)
	}
	return steps
}

// Look gives the plan with how each of its steps stands now. It changes nothing. What cannot be observed yet, because an
// earlier stage must run first, or because nobody answers, is unknown, with the reason. The error wraps [ErrNotPlanned]
// when a stage that can be bound already is not as its outline: then nothing should be run. Of c it uses Clock, Limit
// and StepTimeout, the time each step has to answer (here 10 seconds when it is zero); a stage's Bind has twelve times that.
func (r Runbook) Look(ctx context.Context, p Plan, c RunConfig) (Plan, error) {
	if c.StepTimeout <= 0 {
		c.StepTimeout = defaultLook
	}
	l := looker{RunConfig: c.withDefaults()}
	looked := p
	looked.Stages = make([]PlanStage, len(p.Stages))
	for i, stage := range p.Stages {
		looked.Stages[i] = stage
		looked.Stages[i].Steps = append([]PlanStep(nil), stage.Steps...)
	}
	err := l.look(context.WithValue(ctx, runKey{}, c.RunID), r.Stages, looked.Stages)
	return looked, err
}
