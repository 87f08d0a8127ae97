package geored

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Status is how far a step came.
type Status string

// The statuses.
const (
	Pending     Status = "pending"     // not begun; the detail says why
	Unchanged   Status = "unchanged"   // its effect was there without a change
	Changed     Status = "changed"     // its effect was applied and observed
	Failed      Status = "failed"      // its effect was not observed
	Interrupted Status = "interrupted" // the run was stopped while it was under way
	Undone      Status = "undone"      // its effect was taken back, and observed to be away
	Kept        Status = "kept"        // its effect cannot be taken back; the detail says why and what a person may do
)

// IsDone says whether the step holds up nothing: its effect was observed, or on the way back it is away or must stay.
func (s Status) IsDone() bool { return s == Unchanged || s == Changed || s == Undone || s == Kept }

// Retry is a try that failed and may be repeated, with how often it failed in this way in a row.
type Retry struct {
	Reason string    `json:"reason"`
	Times  int       `json:"times"`
	Last   time.Time `json:"last"`
}

// Outcome is what became of one step.
type Outcome struct {
	Step
	Stage    string
	Status   Status
	Detail   string  // what was observed last, or why it waits
	Err      error   // a *StepError when Status is [Failed]
	Attempts int     // how often its effect was applied
	Retries  []Retry // tries that failed and were repeated, the last one last
	Began    time.Time
	Took     time.Duration
	// Late is how much later than its effect the step ended, at most: the time since the last look that did not see it
	// began, or since it was applied. Zero: it was seen at the first look, or it is not done.
	Late time.Duration
}

// Result is what became of a run: one outcome per step, in the order of the plan.
type Result struct {
	Run      string
	Runbook  string
	Plan     string // digest of the plan; zero: none was made
	Began    time.Time
	Took     time.Duration
	Outcomes []Outcome
}

// Late is how much later than their effects this part of the steps that waited for one ended, at most: 0.95 for all but
// a twentieth of them. Zero: none waited.
func (r Result) Late(part float64) time.Duration {
	var all []time.Duration
	for _, o := range r.Outcomes {
		if o.Late > 0 {
			all = append(all, o.Late)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(max(int(math.Ceil(part*float64(len(all))))-1, 0), len(all)-1)]
}

// Count says how many steps have one of the given statuses.
func (r Result) Count(statuses ...Status) int {
	n := 0
	for _, o := range r.Outcomes {
		for _, s := range statuses {
			if o.Status == s {
				n++
			}
		}
	}
	return n
}

// StepError says which step failed: "site dc2: apply peer/dc1-1: permission denied".
type StepError struct {
	Step Step
	Err  error
}

func (e *StepError) Error() string {
	text := fmt.Sprintf("%s %s: %v", e.Step.Action, e.Step.Target, e.Err)
	if e.Step.Site == "" {
		return text
	}
	return fmt.Sprintf("site %s: %s", e.Step.Site, text)
}

// Unwrap gives the cause.
func (e *StepError) Unwrap() error { return e.Err }

func (o *Outcome) retried(at time.Time, err error) {
	if n := len(o.Retries); n > 0 && o.Retries[n-1].Reason == err.Error() {
		o.Retries[n-1].Times++
		o.Retries[n-1].Last = at
		return
	}
	o.Retries = append(o.Retries, Retry{Reason: err.Error(), Times: 1, Last: at})
}
