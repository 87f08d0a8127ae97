package geored

import (
	"errors"
	"time"
)

// EventKind is what an event tells.
type EventKind string

// The kinds of events.
const (
	LockAwaited  EventKind = "lock-awaited" // before run-started: somebody else holds the lock, and may be dead; see Holder and Until
	RunStarted   EventKind = "run-started"
	StageStarted EventKind = "stage-started"
	StepStarted  EventKind = "step-started"
	StepApplying EventKind = "step-applying" // its effect is about to be applied
	StepWaiting  EventKind = "step-waiting"  // Detail says for what; told once per reason
	StepEnded    EventKind = "step-ended"    // Detail of one that failed is why
	StageEnded   EventKind = "stage-ended"
	RunFinished  EventKind = "run-finished"
)

// Event is something that happened in a run, for those who watch it.
type Event struct {
	Time   time.Time     `json:"time"`
	Run    string        `json:"run"`
	Kind   EventKind     `json:"kind"`
	Stage  string        `json:"stage,omitempty"`
	Step   StepID        `json:"step,omitempty"`
	Site   SiteName      `json:"site,omitempty"`
	Target string        `json:"target,omitempty"`
	Status Status        `json:"status,omitempty"`
	Detail string        `json:"detail,omitempty"`
	Took   time.Duration `json:"tookNs,omitempty"`
	Ended  int           `json:"ended"`            // steps of the run that came to their end so far
	Steps  int           `json:"steps"`            // steps of the run
	Holder *Holder       `json:"holder,omitempty"` // of a lock that is awaited
	Until  time.Time     `json:"until,omitzero"`   // when it is free at the latest, unless the holder lives: then the run is refused
}

func (r *run) tell(e Event) {
	if r.Observer == nil {
		return
	}
	r.notify.Lock()
	defer r.notify.Unlock()
	if e.Kind == StepEnded {
		r.ended++
	}
	e.Time, e.Run, e.Ended, e.Steps = r.Clock.Now(), r.RunID, r.ended, len(r.result.Outcomes)
	r.Observer(e)
}

func (r *run) tellStep(kind EventKind, o *Outcome) {
	if r.Observer == nil {
		return
	}
	detail := o.Detail
	if failed := new(StepError); errors.As(o.Err, &failed) {
		detail = failed.Err.Error()
	}
	r.tell(Event{Kind: kind, Stage: o.Stage, Step: o.ID, Site: o.Site, Target: o.Target, Status: o.Status, Detail: detail, Took: o.Took})
}
