package geored

import (
	"context"
	"iter"
	"sync"
	"time"
)

// RecordKind is what a record of a journal says.
type RecordKind string

// The kinds of records.
const (
	RunBegun RecordKind = "run-begun" // a run began; Detail is the runbook's name
	Intent   RecordKind = "intent"    // the effect is about to be applied
	Evidence RecordKind = "evidence"  // the effect was observed
	Failure  RecordKind = "failure"   // the step ended without its effect
	RunEnded RecordKind = "run-ended" // the run came to its end; Detail says how
	RunNoted RecordKind = "run-noted" // something worth keeping that is not a step

	UndoBegun    RecordKind = "undo-begun"    // a run that takes effects back began; Detail is the runbook's name
	UndoIntent   RecordKind = "undo-intent"   // the effect is about to be taken back
	UndoEvidence RecordKind = "undo-evidence" // the effect was observed to be away
)

// Record is one line of a journal. It holds no secret.
type Record struct {
	Time   time.Time  `json:"time"`
	Run    string     `json:"run"`
	Kind   RecordKind `json:"kind"`
	Step   StepID     `json:"step,omitempty"`
	Site   SiteName   `json:"site,omitempty"`
	Plan   string     `json:"plan,omitempty"` // digest of the plan that a run carries out
	Detail string     `json:"detail,omitempty"`
}

// Journal keeps the evidence of runs. The state of the sites is the truth; the journal says who did what to them, and
// when.
type Journal interface {
	// Append returns when the record is as safe as the journal can make it. After an error the record may be there or
	// not.
	Append(ctx context.Context, r Record) error
	// Records gives the records in the order in which they were appended, and ends at the first error.
	Records(ctx context.Context) iter.Seq2[Record, error]
}

// MemoryJournal is a journal for tests and for runs that leave no evidence. The zero value is ready.
type MemoryJournal struct {
	mu      sync.Mutex
	records []Record
}

// Append never fails.
func (j *MemoryJournal) Append(_ context.Context, r Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, r)
	return nil
}

// Records gives what was appended before the call.
func (j *MemoryJournal) Records(context.Context) iter.Seq2[Record, error] {
	j.mu.Lock()
	records := j.records[:len(j.records):len(j.records)]
	j.mu.Unlock()
	return func(yield func(Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// RunSummary is what a journal says of one run.
type RunSummary struct {
	Run     string
	Runbook string
	Plan    string // digest of the plan it carries out; zero: none was made
	Undo    bool   // it takes effects back
	Begun   time.Time
	Ended   time.Time       // zero: it was interrupted, or is still going
	Applied map[StepID]bool // what was, or may have been, applied or taken back
	Proven  map[StepID]bool // what was observed to be there, or away
}

// Interrupted says that the run began and never came to its end.
func (s RunSummary) Interrupted() bool { return !s.Begun.IsZero() && s.Ended.IsZero() }

// LastRun reads the latest run of a journal; the zero summary when it holds none.
func LastRun(ctx context.Context, j Journal) (RunSummary, error) {
	var last RunSummary
	for r, err := range j.Records(ctx) {
		if err != nil {
			return last, err
		}
		switch r.Kind {
		case RunBegun, UndoBegun:
			undo := r.Kind == UndoBegun
			if r.Run != last.Run || undo != last.Undo || last.Applied == nil {
				last = RunSummary{Run: r.Run, Runbook: r.Detail, Plan: r.Plan, Undo: undo, Begun: r.Time, Applied: map[StepID]bool{}, Proven: map[StepID]bool{}}
			}
			last.Ended = time.Time{}
		case Intent, UndoIntent:
			last.note(last.Applied, r)
		case Evidence, UndoEvidence:
			last.note(last.Proven, r)
		case RunEnded:
			last.Ended = r.Time
		}
	}
	return last, nil
}

// note passes over records before the first run, which a journal that was tampered with may hold.
func (s RunSummary) note(steps map[StepID]bool, r Record) {
	if steps != nil && r.Run == s.Run {
		steps[r.Step] = true
	}
}
