package geored_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// undoBook notes what is taken back, in order.
func undoBook(w *geotest.World, order *[]geored.StepID) geored.Runbook {
	task := func(id string, site geored.SiteName, needs ...geored.StepID) geored.Task {
		t := w.Task(step(id, site, needs...))
		undo := t.Undo
		t.Undo = func(ctx context.Context) error {
			*order = append(*order, t.ID)
			return undo(ctx)
		}
		return t
	}
	return geored.Runbook{Name: "test", Stages: []geored.Stage{
		geored.StageOf("one", task("a", "dc1"), task("b", "dc1", "a"), w.Gate(step("gate", "dc1", "b"))),
		geored.StageOf("two", task("c", "dc2"), task("d", "dc2", "c")),
	}}
}

func TestUndoTakesBackInReverseWhatWasApplied(t *testing.T) {
	var w geotest.World
	var order []geored.StepID
	book, c := undoBook(&w, &order), config(t)
	c.Journal, c.Limit = &geored.MemoryJournal{}, 1
	w.Set("b", true) // somebody else's
	w.Set("gate", true)
	if _, err := book.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	result, err := book.Undo(t.Context(), c)
	if got, want := statuses(result), "a=undone b=unchanged gate=unchanged c=undone d=undone"; err != nil || got != want {
		t.Errorf("%s, want %s; %v", got, want, err)
	}
	if !slices.Equal(order, []geored.StepID{"d", "c", "a"}) || !w.There("b") || w.There("a") || w.There("d") {
		t.Errorf("%v", order)
	}
	if detail := result.Outcomes[1].Detail; !strings.Contains(detail, "the journal does not say") {
		t.Error(detail)
	}
	order = nil
	if result, err := book.Undo(t.Context(), c); err != nil || len(order) > 0 || result.Count(geored.Unchanged) != 5 {
		t.Errorf("a second time: %v, %v, %v", order, statuses(result), err)
	}
	if _, err := book.Run(t.Context(), c); err != nil || w.Applied("a") != 2 {
		t.Errorf("and applied again: %d times, %v", w.Applied("a"), err)
	}
}

// What cannot be taken back is listed, with its reason and the line for a person, and holds up nothing.
func TestUndoListsWhatStays(t *testing.T) {
	var w geotest.World
	var order []geored.StepID
	book, c := undoBook(&w, &order), config(t)
	c.Journal = &geored.MemoryJournal{}
	w.Set("gate", true)
	tasks, err := book.Stages[1].Bind(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tasks[0].Undo, tasks[0].Permanent, tasks[0].ManualUndo = nil, "the data is merged", []string{"restore the backup"}
	book.Stages[1] = geored.StageOf("two", tasks...)
	if _, err := book.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		result, err := book.Undo(t.Context(), c)
		if err != nil || result.Outcomes[3].Status != geored.Kept || result.Outcomes[3].Detail != "the data is merged; by hand: restore the backup" {
			t.Errorf("%+v, %v", result.Outcomes[3], err)
		}
		if w.There("a") || w.There("d") || !w.There("c") {
			t.Error("a, d or c")
		}
	}
}

// An effect that does not go is not undone, and what it stands on stays.
func TestUndoneIsObserved(t *testing.T) {
	var w geotest.World
	var order []geored.StepID
	book, c := undoBook(&w, &order), config(t)
	c.Journal = &geored.MemoryJournal{}
	w.Set("gate", true)
	if _, err := book.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for fault, cause := range map[geotest.Fault]error{geotest.LosesEffects: geored.ErrBudget, geotest.Denied: geotest.ErrDenied, geotest.Unreachable: geored.ErrBudget} {
		w.Break("dc2", fault)
		result, err := book.Undo(t.Context(), c)
		if got, want := statuses(result), "a=pending b=pending gate=unchanged c=pending d=failed"; got != want || !errors.Is(err, cause) {
			t.Errorf("%s: %s, want %s; %v", fault, got, want, err)
		}
		if !w.There("a") || !w.There("c") {
			t.Error("what it stands on was taken away")
		}
	}
	w.Mend("dc2")
	if result, err := book.Undo(t.Context(), c); err != nil || result.Count(geored.Undone) != 4 {
		t.Errorf("%s, %v", statuses(result), err)
	}
}

// Gone may want more than that the effect is not as it should be.
func TestGoneIsAsked(t *testing.T) {
	var w geotest.World
	task := w.Task(step("a", "dc1"))
	looks := 0
	task.Gone = func(context.Context) (geored.State, error) {
		looks++
		return geored.State{Done: looks > 3 && !w.There("a"), Detail: "is being deleted"}, nil
	}
	c := config(t)
	c.Journal = &geored.MemoryJournal{}
	if _, err := book(task).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if result, err := book(task).Undo(t.Context(), c); err != nil || result.Outcomes[0].Status != geored.Undone || looks != 4 || w.Undone("a") != 1 {
		t.Errorf("%s, %v, %d looks", statuses(result), err, looks)
	}
}

// Of an effect that was killed half way Observe says that it is not done: that is no proof that nothing of it is there.
func TestWhatIsHalfDoneIsTakenBack(t *testing.T) {
	parts, calls := 0, 0
	task := geored.Task{Step: step("a", "dc1"),
		Observe: func(context.Context) (geored.State, error) { return geored.State{Done: parts == 2}, nil },
		Apply: func(context.Context) error {
			parts++
			return errors.New("the second part was refused")
		},
		Undo: func(context.Context) error {
			calls++
			parts = 0
			return nil
		}}
	c := config(t)
	c.Journal = &geored.MemoryJournal{}
	if _, err := book(task).Run(t.Context(), c); err == nil || parts != 1 {
		t.Fatalf("%v, %d parts", err, parts)
	}
	if result, err := book(task).Undo(t.Context(), c); err != nil || result.Outcomes[0].Status != geored.Undone || parts != 0 || calls != 1 {
		t.Errorf("%s, %v, %d parts, %d calls", statuses(result), err, parts, calls)
	}
	if result, err := book(task).Undo(t.Context(), c); err != nil || result.Outcomes[0].Status != geored.Unchanged || calls != 1 {
		t.Errorf("again: %s, %v, %d calls", statuses(result), err, calls)
	}
}

// A journal of another runbook takes nothing back.
func TestUndoKnowsItsRunbook(t *testing.T) {
	var w geotest.World
	c := config(t)
	c.Journal = &geored.MemoryJournal{}
	if _, err := book(w.Task(step("a", "dc1"))).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	other := book(w.Task(step("a", "dc1")))
	other.Name = "other"
	if result, err := other.Undo(t.Context(), c); err != nil || result.Count(geored.Unchanged) != 1 || !w.There("a") {
		t.Errorf("%s, %v", statuses(result), err)
	}
}

// The journal of one cluster takes nothing back on another that has its place now, and forgets nothing.
func TestUndoOfAnotherClusterIsRefused(t *testing.T) {
	var w geotest.World
	c := config(t)
	c.Journal, c.Clusters = &geored.MemoryJournal{}, planClusters
	b := book(w.Task(step("a", "dc1")))
	if _, err := b.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	other := c
	other.Clusters = []geored.Cluster{planClusters[0], {Site: "dc2", UID: "three"}}
	result, err := b.Undo(t.Context(), other)
	if _, ok := geored.AsFaults(err); !ok || !strings.Contains(err.Error(), "site dc2: cluster three: is not the one that the journal is about, two") || result.Count(geored.Pending) != 1 || !w.There("a") {
		t.Errorf("%s, %v", statuses(result), err)
	}
	// A run on the wrong clusters that was stopped before it applied anything makes them none of the journal's.
	stopped, stop := context.WithCancel(t.Context())
	stop()
	wrong := c
	wrong.Clusters = []geored.Cluster{{Site: "dc1", UID: "four"}, planClusters[1]}
	if _, err := b.Run(stopped, wrong); err == nil {
		t.Fatal("a run that was stopped")
	}
	if result, err := b.Undo(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), "site dc1: cluster four: is not the one that the journal is about, one") || !w.There("a") {
		t.Errorf("%s, %v", statuses(result), err)
	}
	if result, err := b.Undo(t.Context(), c); err != nil || result.Count(geored.Undone) != 1 {
		t.Errorf("%s, %v", statuses(result), err)
	}
}

// What was applied on a cluster that another has taken the place of since is not forgotten for what the other got. A step of no
// site belongs to all of them.
func TestUndoKnowsTheClusterOfEachStep(t *testing.T) {
	for _, site := range []geored.SiteName{"dc1", ""} {
		t.Run("site "+string(site), func(t *testing.T) { undoOnAnotherCluster(t, site) })
	}
}

func undoOnAnotherCluster(t *testing.T, site geored.SiteName) {
	var w geotest.World
	c := config(t)
	c.Journal, c.Clusters = &geored.MemoryJournal{}, planClusters
	b := book(w.Task(step("a", site)), w.Task(step("b", "dc1")))
	if _, err := b.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	other := c
	other.Clusters = []geored.Cluster{{Site: "dc1", UID: "four"}, planClusters[1]}
	w.Set("b", false)
	if _, err := b.Run(t.Context(), other); err != nil { // b is applied there
		t.Fatal(err)
	}
	if result, err := b.Undo(t.Context(), other); err == nil || !strings.Contains(err.Error(), "the one that the journal is about, one") || !w.There("a") || !w.There("b") {
		t.Errorf("%s, %v", statuses(result), err)
	}
	w.Set("a", false)
	if _, err := b.Run(t.Context(), other); err != nil { // and so is a
		t.Fatal(err)
	}
	if result, err := b.Undo(t.Context(), other); err != nil || result.Count(geored.Undone) != 2 {
		t.Errorf("%s, %v", statuses(result), err)
	}
}

// What another runbook did on a cluster that went says nothing of this one's, and does not hide what it did.
func TestUndoKnowsTheClustersOfItsOwnRunbook(t *testing.T) {
	var w geotest.World
	c := config(t)
	c.Journal, c.Clusters = &geored.MemoryJournal{}, planClusters
	mine, theirs := book(w.Task(step("a", "dc1"))), book(w.Task(step("a", "dc1")), w.Task(step("b", "dc1")))
	theirs.Name = "theirs"
	if _, err := mine.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	other := c
	other.Clusters = []geored.Cluster{{Site: "dc1", UID: "four"}, planClusters[1]}
	w.Set("a", false)
	if _, err := theirs.Run(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if result, err := theirs.Undo(t.Context(), other); err != nil || result.Count(geored.Undone) != 2 {
		t.Errorf("%s, %v", statuses(result), err)
	}
	if result, err := mine.Undo(t.Context(), other); err == nil || !strings.Contains(err.Error(), "the one that the journal is about, one") {
		t.Errorf("%s, %v", statuses(result), err)
	}
}

// A site, a node or a stage may have gone from the runbook since: what was done for it is there all the same.
func TestUndoTellsWhatTheRunbookHasNoMore(t *testing.T) {
	var w geotest.World
	c := config(t)
	c.Journal = &geored.MemoryJournal{}
	whole := book(w.Task(step("a", "dc1")), w.Task(step("b", "dc3")))
	if _, err := whole.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	less := book(w.Task(step("a", "dc1")))
	for _, want := range []string{"a=undone b=kept", "a=unchanged b=kept"} {
		result, err := less.Undo(t.Context(), c)
		if got := statuses(result); err != nil || got != want || !w.There("b") || w.There("a") {
			t.Fatalf("%s, want %s; %v", got, want, err)
		}
		if last := result.Outcomes[1]; last.Site != "dc3" || !strings.Contains(last.Detail, "undo with the topology and the version that the run had") {
			t.Errorf("%+v", last)
		}
	}
	if result, err := whole.Undo(t.Context(), c); err != nil || statuses(result) != "a=unchanged b=undone" || w.There("b") {
		t.Errorf("%s, %v", statuses(result), err)
	}
}

func TestUndoWithAJournalThatCannotBeRead(t *testing.T) {
	var w geotest.World
	c := config(t)
	c.Journal = &brokenJournal{}
	if result, err := book(w.Task(step("a", "dc1"))).Undo(t.Context(), c); !errors.Is(err, geored.ErrJournalCorrupt) || len(result.Outcomes) != 1 {
		t.Errorf("%s, %v", statuses(result), err)
	}
}

// A stage that was never reached may be impossible to bind; there is nothing of it to take back.
func TestUndoBindsOnlyWhatWasApplied(t *testing.T) {
	var w geotest.World
	b := planBook(&w, goodValues)
	c := config(t)
	c.Journal = &geored.MemoryJournal{}
	if _, err := (geored.Runbook{Name: b.Name, Stages: b.Stages[:1]}).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	w.Set("key", false)
	if _, err := b.Stages[1].Bind(t.Context()); err == nil {
		t.Fatal("the second stage can be bound")
	}
	result, err := b.Undo(t.Context(), c)
	if got := statuses(result); err != nil || got != "key=unchanged peer=unchanged" {
		t.Errorf("%s, %v", got, err)
	}
}

type brokenJournal struct{ geored.MemoryJournal }

func (*brokenJournal) Records(context.Context) iter.Seq2[geored.Record, error] {
	return func(yield func(geored.Record, error) bool) { yield(geored.Record{}, geored.ErrJournalCorrupt) }
}

// A gate between two changes is never applied; what came after it is taken back first all the same.
func TestUndoKeepsTheOrderAcrossGates(t *testing.T) {
	var w geotest.World
	var order []geored.StepID
	task := func(id string, needs ...geored.StepID) geored.Task {
		made := w.Task(step(id, "dc1", needs...))
		undo := made.Undo
		made.Undo = func(ctx context.Context) error {
			order = append(order, made.ID)
			return undo(ctx)
		}
		return made
	}
	book := geored.Runbook{Name: "test", Stages: []geored.Stage{geored.StageOf("one",
		task("install"), w.Gate(step("proven", "dc1", "install")), w.Gate(step("agreed", "dc1", "proven")), task("switch", "agreed"))}}
	c := config(t)
	c.Journal = &geored.MemoryJournal{}
	w.Set("proven", true)
	w.Set("agreed", true)
	if _, err := book.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	slow := make(chan struct{}) // whoever does not wait for the switch is first
	stage := &book.Stages[0]
	bind := stage.Bind
	stage.Bind = func(ctx context.Context) ([]geored.Task, error) {
		tasks, err := bind(ctx)
		tasks = slices.Clone(tasks)
		install, back := tasks[0].Undo, tasks[3].Undo
		tasks[0].Undo = func(ctx context.Context) error { defer close(slow); return install(ctx) }
		tasks[3].Undo = func(ctx context.Context) error {
			select {
			case <-slow:
			case <-time.After(50 * time.Millisecond):
			}
			return back(ctx)
		}
		return tasks, err
	}
	if _, err := book.Undo(t.Context(), c); err != nil || !slices.Equal(order, []geored.StepID{"switch", "install"}) {
		t.Errorf("%v, %v", order, err)
	}
}

// late is a lock whose last holder applies something more before it lets go.
type late struct {
	geored.Lock
	last func()
}

func (l late) Acquire(ctx context.Context) error {
	l.last()
	return l.Lock.Acquire(ctx)
}

// What is taken back is decided under the lock: another runner applied until it let go.
func TestUndoReadsTheJournalUnderItsLock(t *testing.T) {
	var w geotest.World
	var order []geored.StepID
	book, c := undoBook(&w, &order), config(t)
	c.Journal = &geored.MemoryJournal{}
	w.Set("gate", true)
	first := geored.Runbook{Name: book.Name, Stages: book.Stages[:1]}
	if _, err := first.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	c.Lock = late{new(geored.MemoryLocks).Lock("it", geored.Holder{}), func() {
		other := c
		other.Lock = nil
		if _, err := book.Run(t.Context(), other); err != nil {
			t.Error(err)
		}
	}}
	result, err := book.Undo(t.Context(), c)
	if err != nil || w.There("a") || w.There("c") || w.There("d") || result.Count(geored.Undone) != 4 {
		t.Errorf("%s, %v, %v", statuses(result), order, err)
	}
	if err := c.Lock.Check(t.Context()); !errors.Is(err, geored.ErrLockLost) {
		t.Errorf("the lock is still held: %v", err)
	}
}

// Why a step stays is the outline's word: its task need not say it again.
func TestUndoTellsWhatTheOutlineSays(t *testing.T) {
	var w geotest.World
	c := config(t)
	c.Journal = &geored.MemoryJournal{}
	full := step("a", "dc1")
	full.Permanent, full.ManualUndo = "the data is merged", []string{"restore the backup"}
	book := geored.Runbook{Name: "test", Stages: []geored.Stage{{Name: "one", Outline: []geored.Step{full}, Bind: func(context.Context) ([]geored.Task, error) {
		task := w.Task(full)
		task.Step, task.Undo = geored.Step{ID: full.ID, Site: full.Site, Target: full.Target, Action: full.Action}, nil
		return []geored.Task{task}, nil
	}}}}
	if _, err := book.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if result, err := book.Undo(t.Context(), c); err != nil || result.Outcomes[0].Detail != "the data is merged; by hand: restore the backup" {
		t.Errorf("%+v, %v", result.Outcomes, err)
	}
}
