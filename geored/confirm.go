package geored

import "fmt"

// unconfirmed names every step that asks for a value and was not given it.
func (r Runbook) unconfirmed(given map[StepID]string) Faults {
	var faults Faults
	for _, stage := range r.Stages {
		for i := range stage.Outline {
			step := &stage.Outline[i]
			if step.Confirm == "" || given[step.ID] == step.Confirm {
				continue
			}
			faults = append(faults, Fault{Site: step.Site, Field: "confirm " + string(step.ID), Value: given[step.ID],
				Problem: fmt.Sprintf("%s %s must be confirmed", step.Action, step.Target), Remedy: fmt.Sprintf("confirm it as %s=%s", step.ID, step.Confirm)})
		}
	}
	return faults
}
