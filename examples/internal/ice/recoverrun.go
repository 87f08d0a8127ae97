package ice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Runbook is what the decisions ask for: the note, the gates beside the measurement, then the stores, each when those are proven
// that it is filled from.
func (r *Recovery) Runbook() (geored.Runbook, error) {
	book := geored.Runbook{Name: "ice-recover", Stages: []geored.Stage{geored.StageOf("begin", r.begin())}}
	var ready []string // what stores wait for
	for i, gate := range r.Gates {
		tasks := []geored.Task{r.gate(gate, i == 0)}
		if i == 0 {
			tasks = append(tasks, r.stillDecided(gate))
		}
		stage := geored.StageOf(gate.Name, tasks...)
		if i > 0 { // the first holds up all others; these do not ask for one another
			stage.After = []string{r.Gates[0].Name}
		}
		book.Stages, ready = append(book.Stages, stage), append(ready, stage.Name)
	}
	// It only looks, and waits for nobody: mirrors and hints begin to carry over as soon as the link is back.
	measure := geored.StageOf("measure", r.measure())
	measure.After, ready = []string{"begin"}, append(ready, measure.Name)
	book.Stages = append(book.Stages, measure)
	if len(r.Gates) > 0 {
		again := geored.StageOf("measure-again", r.measureAgain())
		again.After, ready = []string{r.Gates[0].Name, measure.Name}, append(ready, again.Name)
		book.Stages = append(book.Stages, again)
	}
	var errs []error
	var begun []string
	for _, store := range r.Stores {
		tasks, err := store.Tasks(r.decided(store.Name))
		errs = append(errs, err)
		after := slices.Concat(ready, store.waitsFor(begun))
		for _, part := range store.parts(tasks) {
			stage := geored.StageOf(part.name, r.sequence(part.tasks)...)
			stage.After, after = after, append(slices.Clone(after), part.name)
			book.Stages, begun = append(book.Stages, stage), append(begun, part.name)
		}
	}
	end := geored.StageOf("end", r.end())
	end.After = slices.Concat(ready, begun)
	book.Stages = append(book.Stages, end)
	return book, errors.Join(errs...)
}

// waitsFor are those of the stages that the store is filled from.
func (s Store) waitsFor(stages []string) []string {
	return slices.DeleteFunc(slices.Clone(stages), func(name string) bool { return !slices.Contains(s.After, name) })
}

// storePart is what is done of a store in a stage of its own.
type storePart struct {
	name  string
	tasks []geored.Task
}

// parts are what other stores may be filled from, and what is done behind it, beside those.
func (s Store) parts(tasks []geored.Task) []storePart {
	feeds := func(t geored.Task) bool { return s.Beside == nil || !s.Beside(t.Target) }
	first, rest := slices.Clone(tasks), slices.Clone(tasks)
	parts := []storePart{{s.Name, slices.DeleteFunc(first, func(t geored.Task) bool { return !feeds(t) })}, {s.Name + "-beside", slices.DeleteFunc(rest, feeds)}}
	return slices.DeleteFunc(parts, func(p storePart) bool { return len(p.tasks) == 0 })
}

// sequence lets each task wait for the one before it, unless it says what it waits for; empty and not nil: for nothing.
func (r *Recovery) sequence(tasks []geored.Task) []geored.Task {
	tasks = slices.Clone(tasks)
	for i := range tasks {
		if i > 0 && tasks[i].Needs == nil {
			tasks[i].Needs = []geored.StepID{tasks[i-1].ID}
		}
		tasks[i].Apply = r.unlessApart(tasks[i].Apply)
	}
	return tasks
}

// unlessApart lets a step be tried again that failed because the sites are apart: that is not its fault. Whether they stay
// apart is for the watch to say, which ends the run.
func (r *Recovery) unlessApart(apply func(context.Context) error) func(context.Context) error {
	if apply == nil {
		return nil
	}
	return func(ctx context.Context) error {
		err := apply(ctx)
		if err == nil || ctx.Err() != nil || geored.IsRetriable(err) {
			return err
		}
		if silent := r.Apart(ctx); len(silent) > 0 {
			return geored.Retriable(fmt.Errorf("the sites are apart: %w: %w", &silent[0], err))
		}
		return err
	}
}

func (r *Recovery) begin() geored.Task {
	step := geored.Step{ID: "begin/note", Target: everyNote, Action: geored.Apply,
		Reason:    "outage " + r.note.Outage.String() + ": what was decided is written down before anything is changed, so that a recovery that is interrupted goes on with it",
		Permanent: "it is the record of what was done"}
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			note, found, err := r.Notes.Load(ctx)
			if err != nil || !found || note.ID != r.Note().ID || r.overtaken(note, found) {
				return geored.State{Detail: "not written down"}, err
			}
			return geored.State{Done: true, Detail: "recovery " + note.ID}, nil
		},
		Apply: func(ctx context.Context) error {
			note, found, err := r.Notes.Load(ctx)
			if err != nil {
				return geored.Retriable(err)
			}
			if r.overtaken(note, found) {
				return fmt.Errorf("another recovery went on after this one had looked: %s is not what was decided from; start again: it is decided anew", everyNote)
			}
			r.begun = true // a note that only some sites have is this recovery's own
			return r.change(ctx, func(*RecoveryNote) {})
		}}
}

// overtaken says that the note is not the one that was decided from: who held the lock meanwhile wrote it.
func (r *Recovery) overtaken(note RecoveryNote, found bool) bool {
	return !r.begun && noteVersionOf(note, found) != r.loaded
}

// gate waits until a proof passes. The first one is also how it is known when the sites came together again.
func (r *Recovery) gate(g Gate, first bool) geored.Task {
	step := geored.Step{ID: geored.StepID(g.Name + "/proof"), Target: g.Name + " between all sites", Action: geored.Await, Reason: g.Reason, Manual: g.Manual}
	return geored.Task{Step: step, Observe: r.paced(func(ctx context.Context) (geored.State, error) {
		if !first {
			return proves(ctx, r.clock(), g.Checks(), g.Remedy)
		}
		return r.firstGate(ctx, g)
	})}
}

// stillDecided wants what was decided to hold for the outage as it was in the end: it may have gone on for long while the
// sites were waited for.
func (r *Recovery) stillDecided(first Gate) geored.Task {
	step := geored.Step{ID: geored.StepID(first.Name + "/outage"), Target: "what was decided", Action: geored.Execute, Needs: []geored.StepID{geored.StepID(first.Name + "/proof")},
		Reason: "an outage that went on while the sites were waited for may ask for other cures than were decided", Permanent: "it only looks"}
	return r.once(step, dataTimeout, func(ctx context.Context) error {
		if err := r.secondCutEnded(ctx); err != nil {
			return err
		}
		note := r.Note()
		if note.Apart.IsZero() {
			return nil // it was over when it was decided about
		}
		changed, err := r.decidesOtherwise(ctx, note)
		if err != nil || changed == "" {
			return err
		}
		more := geored.RoundDuration(note.Outage.until(note.Joined).Longer)
		return errors.Join(fmt.Errorf("the outage went on for %s while the sites were waited for, and %s: start again: it is decided anew", more, changed),
			r.change(ctx, func(n *RecoveryNote) { n.Joined = time.Time{} }))
	})
}

// secondCutEnded holds what steps keep against the second cut as long as it was in the end.
func (r *Recovery) secondCutEnded(ctx context.Context) error {
	note := r.Note()
	if note.Halted.IsZero() {
		return nil
	}
	if r.decides == nil {
		_, r.decides = r.read(ctx)
	}
	kept, err := r.afterCut(note, note.Joined)
	if err != nil {
		return err
	}
	return r.change(ctx, func(n *RecoveryNote) { n.Kept, n.Halted = kept, time.Time{} })
}

// decidesOtherwise names the first part of a store for which the outage up to its end asks for something else; "": none. Both
// lengths are held against the same facts: mirrors and hints begin to carry over by themselves.
func (r *Recovery) decidesOtherwise(ctx context.Context, note RecoveryNote) (string, error) {
	if r.decides == nil { // a run that was killed decided
		_, r.decides = r.read(ctx)
	}
	for _, decide := range r.decides {
		before, err1 := decide(note.Outage)
		now, err2 := decide(note.Outage.until(note.Joined))
		if err := errors.Join(err1, err2); err != nil {
			return "", err
		}
		for _, d := range now {
			at := slices.IndexFunc(before, func(o Decision) bool { return o.Part == d.Part })
			if at < 0 || before[at].Cure != d.Cure || before[at].Confirm != d.Confirm || before[at].MayLose != d.MayLose {
				return fmt.Sprintf("%s, %s asks for %s now: %s", d.Store, d.Part, d.Cure, strings.Join(d.Because, "; ")), nil
			}
		}
	}
	return "", nil
}

// firstGate asks in short whether the sites answer each other before it proves it at length: so the end of the outage is
// seen soon, and at the time at which it came.
func (r *Recovery) firstGate(ctx context.Context, g Gate) (geored.State, error) {
	began := r.clock().Now()
	if silent := r.Apart(ctx); len(silent) > 0 {
		return geored.State{Detail: fmt.Sprintf("apart: %s: %s", silent[0].Target, silent[0].Reason)}, r.saw(ctx, false, began)
	}
	answered := r.clock().Now()
	state, err := proves(ctx, r.clock(), g.Checks(), g.Remedy)
	if err != nil {
		return state, err
	}
	if !state.Done {
		return state, r.saw(ctx, false, answered)
	}
	if err = r.saw(ctx, true, answered); err == nil {
		r.together.Store(true)
	}
	return state, err
}

// saw notes when the sites were last seen apart, and first seen together. That they are apart again is for the watch to say.
func (r *Recovery) saw(ctx context.Context, together bool, at time.Time) error {
	note := r.Note()
	switch {
	case !note.Joined.IsZero():
		return nil
	case !together:
		r.mu.Lock()
		r.note.Apart = at // it is saved with the rest
		r.mu.Unlock()
		return nil
	}
	return r.change(ctx, func(n *RecoveryNote) { n.Joined = at })
}

// proves is done when no check fails or is unknown.
func proves(ctx context.Context, clock geored.Clock, checks []geored.Check, remedy string) (geored.State, error) {
	return prove(ctx, geored.CheckConfig{Clock: clock, Budget: proofBudget}, checks,
		func(r geored.Report) string { return fmt.Sprintf("%d checks, none fails", len(r.Findings)) },
		func(f geored.Finding) string {
			return strings.TrimSpace(fmt.Sprintf("%s %s: %s: %s; %s", f.Check, geored.Target{Site: f.Site, To: f.To}, f.Verdict, f.Message, remedy))
		})
}

// proofBudget is for one check of a gate.
const proofBudget = 2 * time.Minute

// RecoveryBudget is for one check of the proof, which reads all data of a store.
const RecoveryBudget = 2 * time.Hour

// missing asks all stores side by side what each site lacks, but those that are known already: what catches up by itself
// meanwhile is not seen any more. One that was not measured is asked again alone: all at once may have been too much.
func (r *Recovery) missing(ctx context.Context, known map[string][]Missing) []Missing {
	stores := slices.DeleteFunc(slices.Clone(r.Stores), func(s Store) bool { return s.Measure == nil })
	found := make([][]Missing, len(stores))
	var measured sync.WaitGroup
	for i, store := range stores {
		if found[i] = known[store.Name]; found[i] != nil {
			continue
		}
		measured.Add(1)
		go func() {
			defer measured.Done()
			found[i] = store.Measure(ctx)
		}()
	}
	measured.Wait()
	for i, store := range stores {
		if slices.ContainsFunc(found[i], Missing.unmeasured) && len(r.Apart(ctx)) == 0 {
			found[i] = store.Measure(ctx)
		}
		if !slices.ContainsFunc(found[i], Missing.unmeasured) {
			known[store.Name] = found[i]
		}
	}
	return slices.Concat(found...)
}

// measuredLater says why stores that were not measured can be yet; nil: it would be in vain. After a power cut they start
// for minutes, some of them behind the proof that the sites are together.
func (r *Recovery) measuredLater(missing []Missing) error {
	i := slices.IndexFunc(missing, Missing.unmeasured)
	joined := r.Note().Joined
	if i < 0 || !joined.IsZero() && r.clock().Now().Sub(joined) >= r.AskAgain {
		return nil
	}
	return fmt.Errorf("%s cannot be measured yet: %s", missing[i].Store, missing[i].Err)
}

// measure looks at what each site lacks, before anything is cured.
func (r *Recovery) measure() geored.Task {
	known := map[string][]Missing{}
	return geored.Task{Timeout: dataTimeout,
		Step: geored.Step{ID: "measure/missing", Target: "every store", Action: geored.Execute,
			Reason: "what is missing where is measured before anything is cured: afterwards nobody can tell how much would have been lost"},
		Observe: func(context.Context) (geored.State, error) {
			missing := r.Note().Missing
			if len(missing) == 0 {
				return geored.State{Detail: "not measured"}, nil
			}
			return geored.State{Done: true, Detail: missingText(missing)}, nil
		},
		Apply: r.unlessApart(func(ctx context.Context) error {
			missing := r.missing(ctx, known)
			if slices.ContainsFunc(missing, Missing.unmeasured) {
				if silent := r.Apart(ctx); len(silent) > 0 { // it cannot be measured now, and can be later
					clear(known) // they go on writing
					return geored.Retriable(fmt.Errorf("the sites are apart: %w", &silent[0]))
				}
				if err := r.measuredLater(missing); err != nil {
					return geored.Retriable(err)
				}
			}
			if len(missing) == 0 {
				missing = []Missing{{Err: "no store can be measured"}}
			}
			return r.change(ctx, func(n *RecoveryNote) { n.Missing = missing })
		})}
}

// staleLook is the age of a look, when the sites come together, from which on it is taken once more: what was written since is
// not in it.
const staleLook = 5 * time.Minute

// stale says that stores were measured long before the sites came together, or before rows are given up that they went on to write.
func (n RecoveryNote) stale() bool {
	age := staleLook
	if slices.ContainsFunc(n.Decisions, func(d Decision) bool { return d.Cure == RebuildCure }) {
		age = 0
	}
	return slices.ContainsFunc(n.Missing, func(m Missing) bool { return !m.Seen.IsZero() && m.began().Before(n.Joined.Add(-age)) })
}

// measureAgain looks once more at what each site lacks, once they are together.
func (r *Recovery) measureAgain() geored.Task {
	return geored.Task{Timeout: dataTimeout,
		Step: geored.Step{ID: "measure/again", Target: "every store", Action: geored.Execute,
			Reason: "sites that were measured while they were apart went on writing: what is missing is measured once more before anything is cured", Permanent: "it only looks"},
		Observe: func(context.Context) (geored.State, error) {
			if r.Note().stale() {
				return geored.State{Detail: "the sites were measured long before they came together"}, nil
			}
			return geored.State{Done: true, Detail: "what was measured is no older than the sites' coming together allows"}, nil
		},
		Apply: r.unlessApart(func(ctx context.Context) error {
			later := r.missing(ctx, map[string][]Missing{})
			if slices.ContainsFunc(later, Missing.unmeasured) {
				if silent := r.Apart(ctx); len(silent) > 0 {
					return geored.Retriable(fmt.Errorf("the sites are apart: %w", &silent[0]))
				}
				if err := r.measuredLater(later); err != nil {
					return geored.Retriable(err)
				}
			}
			return r.change(ctx, func(n *RecoveryNote) { n.Missing = bothLooks(n.Missing, later) })
		})}
}

// bothLooks joins two looks, way by way.
func bothLooks(early, later []Missing) []Missing {
	var all []Missing
	for _, m := range later {
		i := slices.IndexFunc(early, func(e Missing) bool { return e.Store == m.Store && e.From == m.From && e.To == m.To })
		if i >= 0 {
			m = early[i].with(m)
		}
		all = append(all, m)
	}
	return all
}

func missingText(all []Missing) string {
	var parts []string
	for _, m := range all {
		if m.Count+m.More > 0 {
			parts = append(parts, fmt.Sprintf("%s: %s lacks %s of %s", m.Store, m.To, m.counted(), m.From))
		}
		if m.Err != "" {
			parts = append(parts, fmt.Sprintf("%s: not known: %s", m.Store, m.Err))
		}
	}
	if len(parts) == 0 {
		return "no site lacked anything"
	}
	return strings.Join(parts, "; ")
}

func (r *Recovery) end() geored.Task {
	step := geored.Step{ID: "end/note", Target: everyNote, Action: geored.Apply,
		Reason: "every store is proven: the next outage begins after this time", Permanent: "it is the record of what was done"}
	return geored.Task{Step: step,
		Observe: func(context.Context) (geored.State, error) {
			if done := r.Note().Done; !done.IsZero() {
				return geored.State{Done: true, Detail: "recovered on " + clockText(done)}, nil
			}
			return geored.State{Detail: "not yet"}, nil
		},
		Apply: func(ctx context.Context) error {
			return r.change(ctx, func(n *RecoveryNote) { n.Done = r.clock().Now() })
		}}
}
