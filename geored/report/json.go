package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// WriteJSON writes the document as docs/report.schema.json describes it.
func WriteJSON(w io.Writer, d Document) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return wrapped("JSON", encoder.Encode(d.Whole().inJSON()))
}

func wrapped(format string, err error) error {
	if err != nil {
		return fmt.Errorf("report as %s: %w", format, err)
	}
	return nil
}

// inJSON is the published shape of a document. Fields are added to it, never renamed.
type inJSON struct {
	Verdict    geored.Verdict         `json:"verdict"`
	Title      string                 `json:"title"`
	Problem    string                 `json:"problem,omitempty"`
	Operator   string                 `json:"operator,omitempty"`
	Started    time.Time              `json:"started"`
	Took       time.Duration          `json:"tookNs"`
	Count      map[geored.Verdict]int `json:"count"`
	Findings   []geored.Finding       `json:"findings"`
	Run        *runInJSON             `json:"run,omitempty"`
	Departures []Departure            `json:"departures,omitempty"`
	Inputs     []geored.Input         `json:"inputs,omitempty"`
	Versions   []Version              `json:"versions,omitempty"`
	Client     *Usage                 `json:"client,omitempty"`
}

type runInJSON struct {
	ID      string        `json:"id"`
	Runbook string        `json:"runbook"`
	Plan    string        `json:"plan,omitempty"` // its digest
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"tookNs"`
	Steps   []stepInJSON  `json:"steps"`
}

type stepInJSON struct {
	geored.Step
	Stage    string         `json:"stage"`
	Status   geored.Status  `json:"status"`
	Detail   string         `json:"detail,omitempty"`
	Error    string         `json:"error,omitempty"`
	Attempts int            `json:"attempts"`
	Retries  []geored.Retry `json:"retries,omitempty"`
	Started  *time.Time     `json:"started,omitempty"` // nil: it did not begin
	Took     time.Duration  `json:"tookNs"`
	Late     time.Duration  `json:"lateNs,omitempty"` // see geored.Outcome
}

func (d Document) inJSON() inJSON {
	j := inJSON{Verdict: d.Verdict(), Title: d.Title, Problem: d.Problem, Operator: d.Operator,
		Started: d.Started, Took: d.Took, Count: map[geored.Verdict]int{}, Findings: []geored.Finding{},
		Departures: d.Departures, Inputs: d.Inputs, Versions: d.Versions}
	if d.Client != (Usage{}) {
		j.Client = &d.Client
	}
	for _, v := range verdicts {
		j.Count[v] = 0
	}
	for _, f := range d.Report.Findings {
		f.Verdict = known(f.Verdict)
		j.Count[f.Verdict]++
		j.Findings = append(j.Findings, f)
	}
	if d.hasRun() {
		j.Run = &runInJSON{ID: d.Run.Run, Runbook: d.Run.Runbook, Plan: d.Run.Plan, Started: d.Run.Began, Took: d.Run.Took, Steps: stepsInJSON(d.Run)}
	}
	return j
}

func stepsInJSON(r geored.Result) []stepInJSON {
	steps := make([]stepInJSON, len(r.Outcomes))
	for i, o := range r.Outcomes {
		steps[i] = stepInJSON{Step: o.Step, Stage: o.Stage, Status: o.Status, Detail: o.Detail, Error: errorText(o), Attempts: o.Attempts, Retries: o.Retries, Took: o.Took, Late: o.Late}
		if !o.Began.IsZero() {
			steps[i].Started = &o.Began
		}
	}
	return steps
}
