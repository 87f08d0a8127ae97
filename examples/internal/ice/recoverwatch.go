package ice

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

// WatchConfig is how patient a recovery is with sites that do not answer.
type WatchConfig struct {
	Every time.Duration // between two looks; zero: 3 seconds
	Looks int           // in a row that must find them apart; zero: 3
}

func (c WatchConfig) withDefaults() WatchConfig {
	if c.Every <= 0 {
		c.Every = 3 * time.Second
	}
	if c.Looks <= 0 {
		c.Looks = 3
	}
	return c
}

// ApartError says that a recovery was halted because sites went apart again.
type ApartError struct {
	Silent []geored.Silence
	// Left is what must not be left so, in words. Zero: nothing.
	Left []string
}

func (e *ApartError) Error() string {
	text := "the recovery was halted, because the sites are apart again:"
	for _, s := range e.Silent {
		text += fmt.Sprintf(" %s: %s;", s.Target, s.Reason)
	}
	for _, line := range e.Left {
		text += " " + line + ";"
	}
	return text + " what was done stays done, and nothing more was begun. When they answer, start the program again as before: it decides about the whole time, and does again what the sites missed since"
}

// Attend watches over a run: once the sites were seen together, also by a run that was killed, it ends the run when they are apart
// again. stop ends the watch and reads what the run wrote into its journal.
func (r *Recovery) Attend(ctx context.Context, journal geored.Journal) (watched context.Context, stop func()) {
	watched, halt := context.WithCancelCause(ctx)
	r.attended = func(tell context.CancelCauseFunc) func() bool {
		return context.AfterFunc(watched, func() { tell(context.Cause(watched)) })
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.watch(watched, halt)
	}()
	return watched, func() {
		halt(nil)
		<-ended
		r.records = nil
		for record, err := range journal.Records(context.WithoutCancel(ctx)) {
			if err != nil {
				return // what cannot be read is missing in the measured times, which say so
			}
			r.records = append(r.records, record)
		}
	}
}

// halted writes down that the sites went apart again: what was decided and proven holds for the time before it alone. Sites
// that are away do not get it, and one is enough: the note with the highest number counts.
func (r *Recovery) halted(ctx context.Context, since time.Time) {
	r.mu.Lock()
	r.note = r.note.halted(since, r.clock().Now()) // in memory too: a step that is ending may write it once more
	note := r.note
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, haltBudget)
	defer cancel()
	_ = r.Notes.Save(ctx, note) // the run ends for that anyway
}

// haltBudget is for the sites that are left to hear of it.
const haltBudget = 5 * time.Second

// afterCut drops what steps keep that the time since a recovery was halted has undone: mirrors are deaf again, an index is old
// again, and what was repaired lacks what hints do not bring. A rebuild that is under way goes on, so that its site serves again,
// and is no end any more.
func (r *Recovery) afterCut(note RecoveryNote, now time.Time) (map[string]json.RawMessage, error) {
	cut := Outage{Most: now.Sub(note.Halted), Began: note.Halted, Asked: now, Known: "the sites were apart again since " + clockText(note.Halted)}
	hinted := true
	for _, decide := range r.decides {
		decisions, err := decide(cut)
		for _, d := range decisions {
			hinted = hinted && (d.Store != storeCassandra || d.Cure == AwaitCure || d.Cure == LeaveCure)
		}
		hinted = hinted && err == nil
	}
	kept := map[string]json.RawMessage{}
	for name, value := range note.Kept {
		switch done := strings.HasPrefix(name, "done/"); {
		case !hinted && done && strings.HasSuffix(name, "/"+string(RebuildCure)):
			return nil, fmt.Errorf("%s, longer than hints are kept, after rows had been given up (%s): %s and begin anew with -since %s",
				cut, strings.TrimPrefix(name, "done/"), forgetNote, clockText(note.Halted))
		case done && !(hinted && strings.HasPrefix(name, "done/cassandra/")), !hinted && strings.HasPrefix(name, "repair/"):
		default:
			kept[name] = value
		}
		var plan cassandra.RebuildPlan
		if keyspace, is := strings.CutPrefix(name, keptRebuild); is && !hinted && note.Kept[keptTorn+keyspace] == nil && json.Unmarshal(value, &plan) == nil && plan.GivenUp {
			kept[keptTorn+keyspace], _ = json.Marshal(note.Halted) // a time can be marshalled
		}
	}
	return kept, nil
}

func (r *Recovery) watch(ctx context.Context, halt context.CancelCauseFunc) {
	config := r.Watch.withDefaults()
	var since time.Time
	for apart := 0; ; {
		if r.clock().Sleep(ctx, config.Every) != nil {
			return
		}
		joined := r.Note().Joined
		if !r.together.Load() && joined.IsZero() {
			continue // it still waits for them
		}
		silent := r.Apart(ctx)
		if ctx.Err() != nil {
			return
		}
		if len(silent) == 0 {
			apart, since = 0, time.Time{}
			continue
		}
		if apart++; since.IsZero() {
			since = r.clock().Now()
		}
		if apart >= config.Looks {
			halt(&ApartError{silent, unfinishedRebuilds(r.Note())})
			since = since.Add(-config.Every - apartBudget) // they were together at the look before
			if !r.together.Load() {
				since = joined // nobody watched them since
			}
			r.halted(context.WithoutCancel(ctx), since)
			return
		}
	}
}
