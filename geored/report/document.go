package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Document is all that a report says. The zero value is a report in which nothing was proven: unknown.
type Document struct {
	Title      string         // zero: that of the report, or the name of the runbook
	Report     geored.Report  // what was proven; zero: nothing
	Run        geored.Result  // what was done; zero: nothing, it was only proven
	Problem    string         // why the document is incomplete, as "interrupted"; zero: it is whole
	Departures []Departure    // where the procedure does not follow the guide
	Operator   string         // who ran it; zero: not told
	Inputs     []geored.Input // what it was made from
	Versions   []Version      // of the programs and stores that took part
	Started    time.Time      // zero: when the run began, or else the proof
	Took       time.Duration  // zero: from Started to the end of the run and the proof
	Client     Usage          // what the program itself took of its machine. Zero: not measured
}

// Usage is what a program took of the machine that it runs on.
type Usage struct {
	User       time.Duration `json:"userCPUNs"`       // processor time in the program
	System     time.Duration `json:"systemCPUNs"`     // and in the system for it
	PeakMemory int64         `json:"peakMemoryBytes"` // resident at most. Zero: not known
}

func (u Usage) text() string {
	if u == (Usage{}) {
		return ""
	}
	text := fmt.Sprintf("%.1f s of processor time (%.1f s of it in the system)", (u.User + u.System).Seconds(), u.System.Seconds())
	if u.PeakMemory > 0 {
		text += fmt.Sprintf(", %d MiB of memory at most", (u.PeakMemory+1<<20-1)>>20)
	}
	return text
}

// Departure is one place where a procedure does something else than its guide says.
type Departure struct {
	ID      string `json:"id"`
	Section string `json:"section"` // of the guide: "4.2.4"
	Guide   string `json:"guide"`   // what the guide says
	Instead string `json:"instead"` // what is done
	Why     string `json:"why"`
}

// Version is the version of something that took part.
type Version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Verdict is the report's, held against the run: a step that failed is a fail; one that did not come to its end, or a
// problem, leaves at best unknown. Nothing proven is unknown.
func (d Document) Verdict() geored.Verdict {
	parts := []geored.Verdict{d.Report.Verdict()}
	if d.Run.Count(geored.Failed) > 0 {
		parts = append(parts, geored.Fail)
	}
	if d.Problem != "" || !d.runDone() {
		parts = append(parts, geored.Unknown)
	}
	return geored.Join(parts...)
}

// hasRun says whether anything was to be done.
func (d Document) hasRun() bool { return d.Run.Run != "" || len(d.Run.Outcomes) > 0 }

// runDone says whether every step of the run is done; that of no run is.
func (d Document) runDone() bool {
	return !slices.ContainsFunc(d.Run.Outcomes, func(o geored.Outcome) bool { return !o.Status.IsDone() })
}

// Whole fills in the title and the times that follow from the rest. All writers do so by themselves.
func (d Document) Whole() Document {
	if d.Title == "" {
		d.Title = d.Report.Title
	}
	if d.Title == "" {
		d.Title = d.Run.Runbook
	}
	if d.Started.IsZero() {
		d.Started = d.Run.Began
	}
	if d.Started.IsZero() {
		d.Started = d.Report.Started
	}
	if d.Took == 0 {
		d.Took = d.end().Sub(d.Started)
	}
	return d
}

// end is when the last part of the document ended.
func (d Document) end() time.Time {
	end := d.Started
	for _, part := range []time.Time{d.Run.Began.Add(d.Run.Took), d.Report.Started.Add(d.Report.Took)} {
		if part.After(end) {
			end = part
		}
	}
	return end
}

// fact is one line of who, what and when.
type fact struct{ name, value string }

// lateText tells how soon the steps saw what they waited for.
func lateText(r geored.Result) string {
	late := r.Late(0.95)
	if late == 0 {
		return ""
	}
	return "95 of 100 of those that waited ended at most " + durationText(late) + " after what they waited for"
}

// facts are those that are known, in the order in which they are shown.
func (d Document) facts() []fact {
	all := []fact{
		{"Operator", d.Operator},
		{"Started", timeText(d.Started)},
		{"Took", durationText(d.Took)},
		{"Run", d.Run.Run},
		{"Plan", d.Run.Plan},
		{"Client", d.Client.text()},
		{"Steps", lateText(d.Run)},
	}
	return slices.DeleteFunc(all, func(f fact) bool { return f.value == "" })
}
