package geored_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// diary notes in which order steps are applied.
type diary struct {
	geotest.World
	mu    sync.Mutex
	lines []string
}

func (d *diary) task(id string, needs ...geored.StepID) geored.Task {
	task := d.Task(step(id, "dc1", needs...))
	apply := task.Apply
	task.Apply = func(ctx context.Context) error {
		d.mu.Lock()
		d.lines = append(d.lines, id)
		d.mu.Unlock()
		return apply(ctx)
	}
	return task
}

func (d *diary) book(name string, stages ...string) geored.Runbook {
	b := geored.Runbook{Name: name}
	for _, stage := range stages {
		b.Stages = append(b.Stages, geored.StageOf(stage, d.task(stage+"/1"), d.task(stage+"/2", geored.StepID(stage+"/1"))))
	}
	return b
}

func after(b geored.Runbook) string {
	var text []string
	for _, stage := range b.Stages {
		text = append(text, fmt.Sprintf("%s%v", stage.Name, stage.After))
	}
	return strings.Join(text, " ")
}

func TestComposition(t *testing.T) {
	var d diary
	a, b, c := d.book("a", "a1", "a2"), d.book("b", "b1", "b2"), d.book("c", "c1")
	for want, got := range map[string]geored.Runbook{
		"a1[] a2[a1] b1[a2] b2[b1] c1[b2]":                       geored.Sequence("s", a, b, c),
		"a1[] a2[a1] b1[] b2[b1] c1[]":                           geored.Parallel("p", a, b, c),
		"c1[] a1[c1] a2[a1] b1[c1] b2[b1] x/c1[a2 b2]":           geored.Sequence("s", c, geored.Parallel("p", a, b), geored.Prefix("x", c)),
		"a1[] a2[a1] b1[a2] b2[b1] c1[]":                         geored.Parallel("p", geored.Sequence("s", a, b), c),
		"x/y/a1[] x/y/a2[x/y/a1]":                                geored.Prefix("x", geored.Prefix("y", a)),
		"a1[] a2[a1] c1[a2]":                                     geored.Sequence("s", geored.Runbook{}, a, geored.Parallel("nothing"), c),
		"a1[] a2[a1] x/a1[] x/a2[x/a1] y/a1[a2 x/a2] y/a2[y/a1]": geored.Sequence("s", geored.Parallel("p", a, geored.Prefix("x", a)), geored.Prefix("y", a)),
	} {
		if text := after(got); text != want {
			t.Errorf("%s, want %s", text, want)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := geored.Sequence("s", a, a).Validate(); err == nil {
		t.Error("the same runbook twice, without a prefix, is no fault")
	}
	if text := after(a); text != "a1[] a2[]" {
		t.Errorf("the runbook itself changed: %s", text)
	}
}

func TestASequenceRunsInOrder(t *testing.T) {
	var d diary
	result, err := geored.Sequence("s", d.book("a", "a1", "a2"), d.book("b", "b1")).Run(t.Context(), config(t))
	want := []string{"a1/1", "a1/2", "a2/1", "a2/2", "b1/1", "b1/2"}
	if err != nil || !slices.Equal(d.lines, want) || result.Count(geored.Changed) != 6 {
		t.Errorf("%v, %v", d.lines, err)
	}
}

// Each of two runbooks waits in its middle for the end of the other's first stage: one after the other, or stage by
// stage in step, they would never end.
func TestParallelRunbooksInterleave(t *testing.T) {
	var d diary
	meet := func(name, other string) geored.Runbook {
		gate := d.Gate(step(name+"/meet", "dc1"))
		gate.Observe = func(context.Context) (geored.State, error) {
			return geored.State{Done: d.There(geored.StepID(other + "1/2"))}, nil
		}
		b := d.book(name, name+"1", name+"2")
		b.Stages = slices.Insert(b.Stages, 1, geored.StageOf(name+"/middle", gate))
		return b
	}
	long := d.book("c", "c1", "c2", "c3", "c4")
	result, err := geored.Parallel("p", meet("a", "b"), meet("b", "a"), long).Run(t.Context(), config(t))
	if err != nil || result.Count(geored.Changed) != 16 {
		t.Errorf("%s, %v", statuses(result), err)
	}
}

// A failure stops what comes after it, and nothing of what runs beside it.
func TestAFailureOfOneOfTwo(t *testing.T) {
	var d diary
	broken := d.book("a", "a1", "a2")
	task := d.Task(step("denied", "dc2"))
	d.Break("dc2", geotest.Denied)
	broken.Stages[0] = geored.StageOf("a1", task)
	book := geored.Sequence("s", geored.Parallel("p", broken, d.book("b", "b1", "b2")), d.book("c", "c1"))
	result, err := book.Run(t.Context(), config(t))
	want := "denied=failed a2/1=pending a2/2=pending b1/1=changed b1/2=changed b2/1=changed b2/2=changed c1/1=pending c1/2=pending"
	if got := statuses(result); got != want || !errors.Is(err, geotest.ErrDenied) {
		t.Errorf("%s\nwant %s\n%v", got, want, err)
	}
	if detail := result.Outcomes[1].Detail; detail != "comes after stage a1, which is not done" {
		t.Error(detail)
	}
}

// The limit holds over all that runs side by side.
func TestTheLimitIsOfTheWholeRun(t *testing.T) {
	var mu sync.Mutex
	at, most := 0, 0
	slow := func(id string) geored.Task {
		return geored.Task{Step: step(id, "dc1"), Observe: func(ctx context.Context) (geored.State, error) {
			mu.Lock()
			at++
			most = max(most, at)
			mu.Unlock()
			time.Sleep(2 * time.Millisecond)
			mu.Lock()
			at--
			mu.Unlock()
			return geored.State{Done: true}, nil
		}}
	}
	var books []geored.Runbook
	for i := range 5 {
		name := fmt.Sprint(i)
		books = append(books, geored.Prefix(name, book(slow("a"), slow("b"), slow("c"))))
	}
	c := config(t)
	c.Limit = 2
	if _, err := geored.Parallel("p", books...).Run(t.Context(), c); err != nil || most != 2 {
		t.Errorf("%d at once, want 2; %v", most, err)
	}
}

func TestValidateNamesFaultsOfTheOrder(t *testing.T) {
	var d diary
	stage := func(name string, after []string, tasks ...geored.Task) geored.Stage {
		s := geored.StageOf(name, tasks...)
		s.After = after
		return s
	}
	b := geored.Runbook{Stages: []geored.Stage{
		stage("a", []string{"b"}, d.task("a")), stage("b", []string{"a"}, d.task("b")),
		stage("c", []string{"nowhere"}, d.task("c")),
		stage("d", []string{}, d.task("d")), stage("e", []string{}, d.task("e", "d")),
		stage("f", []string{"e"}), stage("g", []string{"f"}, d.task("g", "e")),
	}}
	err := b.Validate()
	for _, want := range []string{"stage a: waits for itself", "stage b: waits for itself", "stage c: is to run after nowhere", "step e: needs d, which neither"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault with %q in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "step g") {
		t.Errorf("a stage before the one before counts too:\n%v", err)
	}
}

// A value that one stage observes reaches a later one, typed, also when the run goes on in another process.
func TestAnOutputSurvivesAnInterruption(t *testing.T) {
	var w geotest.World
	make := func() (geored.Runbook, *geored.Output[[]int]) {
		var ports geored.Output[[]int]
		first := ports.From(w.Task(step("a", "dc1")), func(ctx context.Context) ([]int, geored.State, error) {
			return []int{1, 2}, geored.State{Done: w.There("a")}, nil
		})
		second := geored.StageOf("two", w.Task(step("b", "dc1")))
		bind := second.Bind
		second.Bind = func(ctx context.Context) ([]geored.Task, error) {
			if _, err := ports.Value("the ports of dc1"); err != nil {
				return nil, err
			}
			return bind(ctx)
		}
		return geored.Runbook{Name: "test", Stages: []geored.Stage{geored.StageOf("one", first), second}}, &ports
	}
	b, ports := make()
	if _, err := ports.Value("the ports of dc1"); err == nil || err.Error() != "the ports of dc1 is not known yet" {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := config(t)
	c.Observer = func(e geored.Event) {
		if e.Kind == geored.StepEnded && e.Step == "a" {
			cancel()
		}
	}
	if _, err := b.Run(ctx, c); err == nil || w.Applied("a") != 1 || w.Applied("b") != 0 {
		t.Fatalf("%v", err)
	}
	b, ports = make() // another process
	if _, err := b.Run(t.Context(), config(t)); err != nil || w.Applied("a") != 1 || w.Applied("b") != 1 {
		t.Errorf("%v", err)
	}
	if got, err := ports.Value("the ports of dc1"); err != nil || !slices.Equal(got, []int{1, 2}) {
		t.Errorf("%v, %v", got, err)
	}
}

// A restart that stands in a runbook twice is carried out twice, each time under a mark of its own.
func TestAMarkedStepInARunbookTwice(t *testing.T) {
	last, restarts := "", 0
	restart := geored.Marked(step("restart", "dc1"), func(context.Context) (string, error) { return last, nil },
		func(_ context.Context, mark string) error {
			last, restarts = mark, restarts+1
			return nil
		})
	b := geored.Runbook{Name: "b", Stages: []geored.Stage{geored.StageOf("restart", restart)}}
	c := config(t)
	c.RunID = "one"
	result, err := geored.Sequence("s", geored.Prefix("before", b), geored.Prefix("after", b)).Run(t.Context(), c)
	if err != nil || restarts != 2 || last != geored.MarkOf("one", "after/restart") {
		t.Errorf("%d restarts, %s, %s, %v", restarts, last, statuses(result), err)
	}
}
