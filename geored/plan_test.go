package geored_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

var (
	planInputs   = []geored.Input{{Name: "topology", Digest: "sha256:1"}}
	planClusters = []geored.Cluster{{Site: "dc1", UID: "one"}, {Site: "dc2", UID: "two"}}
)

func planned(t *testing.T, b geored.Runbook) geored.Plan {
	t.Helper()
	p, err := b.Plan(planInputs, planClusters)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func written(t *testing.T, p geored.Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// planBook is of two stages; the second one's peer needs a key that the first one makes.
func planBook(w *geotest.World, values map[string]string) geored.Runbook {
	key := step("key", "dc1")
	key.Wanted, key.Manual = "sha256:key", []string{"wg genkey"}
	peer := step("peer", "dc2", "key")
	peer.Given = []geored.Constraint{{Name: "public key of dc1", Matches: "[A-Z]{3}"}, {Name: "address of dc1", Inside: netip.MustParsePrefix("10.80.0.0/16")}}
	second := w.Task(peer)
	second.Values = values
	stage := geored.StageOf("join", second)
	bind := stage.Bind
	stage.Bind = func(ctx context.Context) ([]geored.Task, error) {
		if !w.There("key") {
			return nil, errors.New("the public key of dc1 is not known yet")
		}
		return bind(ctx)
	}
	return geored.Runbook{Name: "plan", Stages: []geored.Stage{geored.StageOf("keys", w.Task(key)), stage}}
}

var goodValues = map[string]string{"public key of dc1": "ABC", "address of dc1": "10.80.0.1"}

func TestAPlanIsReadAsItWasWritten(t *testing.T) {
	var w geotest.World
	p := planned(t, planBook(&w, goodValues))
	read, err := geored.ParsePlan(written(t, p))
	if err != nil {
		t.Fatal(err)
	}
	if moves := p.Moves(read, nil); len(moves) > 0 || read.Digest != p.Digest || !strings.HasPrefix(p.Digest, "sha256:") {
		t.Errorf("%v, %s and %s", moves, read.Digest, p.Digest)
	}
	if !bytes.Equal(written(t, read), written(t, p)) {
		t.Error("written again it is another file")
	}
}

func TestTheDigestIsOfWhatIsWantedAlone(t *testing.T) {
	var w geotest.World
	book := planBook(&w, goodValues)
	p := planned(t, book)
	if _, err := book.Run(t.Context(), config(t)); err != nil {
		t.Fatal(err)
	}
	looked, err := book.Look(t.Context(), planned(t, book), config(t))
	if err != nil || looked.Digest != p.Digest || looked.Steps()[1].Live.State != geored.LiveDone {
		t.Errorf("after progress: %v, %s, want %s", err, looked.Digest, p.Digest)
	}
	if read, err := geored.ParsePlan(written(t, looked)); err != nil || read.Digest != p.Digest {
		t.Errorf("with how it stands: %v", err)
	}
	for name, change := range map[string]func(*geored.Runbook){
		"wanted":     func(b *geored.Runbook) { b.Stages[0].Outline[0].Wanted = "sha256:other" },
		"manual":     func(b *geored.Runbook) { b.Stages[0].Outline[0].Manual = []string{"rm -rf /"} },
		"constraint": func(b *geored.Runbook) { b.Stages[1].Outline[0].Given[0].Matches = "[a-z]{3}" },
		"order":      func(b *geored.Runbook) { b.Stages[1].After, b.Stages[1].Outline[0].Needs = []string{}, nil },
		"name":       func(b *geored.Runbook) { b.Name = "other" },
		"confirm":    func(b *geored.Runbook) { b.Stages[0].Outline[0].Confirm = "x" },
	} {
		other := planBook(&w, goodValues)
		change(&other)
		if planned(t, other).Digest == p.Digest {
			t.Errorf("another %s has the same digest", name)
		}
	}
}

func TestALookSaysHowEachStepStands(t *testing.T) {
	var w geotest.World
	book := planBook(&w, goodValues)
	live := func() []geored.Live {
		t.Helper()
		p, err := book.Look(t.Context(), planned(t, book), config(t))
		if err != nil {
			t.Fatal(err)
		}
		return []geored.Live{p.Steps()[0].Live, p.Steps()[1].Live}
	}
	got := live()
	if got[0] != (geored.Live{State: geored.LiveMissing, Detail: "thing/key is not there"}) {
		t.Errorf("%+v", got[0])
	}
	if got[1].State != geored.LiveUnknown || !strings.Contains(got[1].Detail, "the public key of dc1 is not known yet") {
		t.Errorf("%+v", got[1])
	}
	w.Break("dc1", geotest.Hanging)
	if got := live()[0]; got.State != geored.LiveUnknown || !strings.Contains(got.Detail, "budget") {
		t.Errorf("a site that hangs: %+v", got)
	}
	w.Mend("dc1")
	w.Set("key", true)
	w.Break("dc2", geotest.Unreachable)
	if got := live(); got[0].State != geored.LiveDone || got[1] != (geored.Live{State: geored.LiveUnknown, Detail: "connection refused"}) {
		t.Errorf("%+v", got)
	}
	if w.Applied("key")+w.Applied("peer") != 0 {
		t.Error("looking changed something")
	}
}

func TestAValueOutsideItsConstraintStopsTheRun(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]string
		want   string
	}{
		"pattern":         {map[string]string{"public key of dc1": "ABCD", "address of dc1": "10.80.0.1"}, `step peer: public key of dc1 is "ABCD", which does not match [A-Z]{3}`},
		"range":           {map[string]string{"public key of dc1": "ABC", "address of dc1": "10.81.0.1"}, `address of dc1 is "10.81.0.1", which is not inside 10.80.0.0/16`},
		"missing":         {map[string]string{"public key of dc1": "ABC"}, `address of dc1 is "", which must not be empty`},
		"one that is new": {map[string]string{"public key of dc1": "ABC", "address of dc1": "10.80.0.1", "port": "1"}, "has 3 values for 2 constraints"},
	} {
		t.Run(name, func(t *testing.T) {
			var w geotest.World
			book := planBook(&w, c.values)
			result, err := book.Run(t.Context(), config(t))
			if !errors.Is(err, geored.ErrNotPlanned) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if got := statuses(result); got != "key=changed peer=pending" || w.Applied("peer") != 0 {
				t.Error(got)
			}
			if _, err := book.Look(t.Context(), planned(t, book), config(t)); !errors.Is(err, geored.ErrNotPlanned) {
				t.Errorf("a look at it: %v", err)
			}
		})
	}
}

func TestConstraints(t *testing.T) {
	prefix := netip.MustParsePrefix("10.80.0.0/16")
	for _, c := range []struct {
		constraint geored.Constraint
		value      string
		holds      bool
		text       string
	}{
		{geored.Constraint{Name: "name"}, "x", true, "name, not empty"},
		{geored.Constraint{Name: "name"}, "", false, "name, not empty"},
		{geored.Constraint{Name: "ip", Inside: prefix}, "10.80.255.1", true, "ip, inside 10.80.0.0/16"},
		{geored.Constraint{Name: "ip", Inside: prefix}, "10.80.1.0/24", true, "ip, inside 10.80.0.0/16"},
		{geored.Constraint{Name: "ip", Inside: prefix}, "10.0.0.0/8", false, "ip, inside 10.80.0.0/16"},
		{geored.Constraint{Name: "ip", Inside: prefix}, "host", false, "ip, inside 10.80.0.0/16"},
		{geored.Constraint{Name: "lb", Matches: "a|b"}, "b", true, "lb, matching a|b"},
		{geored.Constraint{Name: "lb", Matches: "a|b"}, "bc", false, "lb, matching a|b"},
		{geored.Constraint{Name: "zone", OneOf: []string{"x", "y"}}, "y", true, `zone, one of ["x" "y"]`},
		{geored.Constraint{Name: "zone", OneOf: []string{"x", "y"}}, "z", false, `zone, one of ["x" "y"]`},
		{geored.Constraint{Name: "both", Matches: "1.*", OneOf: []string{"2"}}, "2", false, `both, matching 1.*, one of ["2"]`},
	} {
		err := c.constraint.Check(c.value)
		if (err == nil) != c.holds || c.constraint.String() != c.text {
			t.Errorf("%s of %q: %v", c.constraint, c.value, err)
		}
		if err != nil && (!errors.Is(err, geored.ErrNotPlanned) || !strings.Contains(err.Error(), c.constraint.Name)) {
			t.Errorf("%v", err)
		}
	}
}

func TestATaskThatIsNotAsItsStepStopsTheRun(t *testing.T) {
	for name, change := range map[string]func(*geored.Task){
		"wanted": func(task *geored.Task) { task.Wanted = "sha256:other" },
		"site":   func(task *geored.Task) { task.Site = "dc2" },
		"target": func(task *geored.Task) { task.Target = "thing/else" },
		"action": func(task *geored.Task) { task.Action = geored.Delete },
	} {
		var w geotest.World
		book := planBook(&w, goodValues)
		bind := book.Stages[0].Bind
		book.Stages[0].Bind = func(ctx context.Context) ([]geored.Task, error) {
			tasks, err := bind(ctx)
			tasks = append([]geored.Task(nil), tasks...)
			change(&tasks[0])
			return tasks, err
		}
		if _, err := book.Run(t.Context(), config(t)); !errors.Is(err, geored.ErrNotPlanned) || !strings.Contains(err.Error(), "step key") || w.Applied("key") != 0 {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestAPlanFileThatIsNotWhatWasWritten(t *testing.T) {
	var w geotest.World
	good := string(written(t, planned(t, planBook(&w, nil))))
	if _, err := geored.ParsePlan([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		old, new string
		want     []string
	}{
		"nothing":        {good, " \n", []string{"file: is empty"}},
		"no JSON":        {good, "version: 1", []string{"file: is no JSON document"}},
		"cut off":        {good[len(good)/2:], "", []string{"file: is no JSON document"}},
		"two":            {good, good + good, []string{"file: is no JSON document"}},
		"a list":         {good, "[]", []string{"file: cannot unmarshal array"}},
		"later version":  {`"version": 1`, `"version": 2`, []string{"version 2: is not 1"}},
		"edited":         {"wg genkey", "true", []string{"it was edited"}},
		"edited site":    {`"site": "dc1"`, `"site": "dc3"`, []string{"it was edited"}},
		"unknown key":    {`"target"`, `"colour"`, []string{"stages[0].steps[0].colour: is no part of a plan", "step key: has no target", "it was edited"}},
		"faulty steps":   {`"id": "key"`, `"id": "peer"`, []string{"step peer: stands twice", "needs key, which neither", "it was edited"}},
		"no constraint":  {`[A-Z]{3}`, `[A-Z`, []string{"has a constraint on public key of dc1", "it was edited"}},
		"another digest": {`"digest": "sha256:`, `"digest": "sha256:0`, []string{"it was edited"}},
		"wrong kind":     {`"uid": "one"`, `"uid": 1`, []string{"cannot unmarshal number"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := geored.ParsePlan([]byte(strings.Replace(good, c.old, c.new, 1)))
			if _, ok := geored.AsFaults(err); !ok {
				t.Fatalf("%v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no fault with %q in:\n%v", want, err)
				}
			}
		})
	}
}

func FuzzParsePlan(f *testing.F) {
	var w geotest.World
	p, err := planBook(&w, nil).Plan(planInputs, planClusters)
	if err != nil {
		f.Fatal(err)
	}
	var good bytes.Buffer
	if err := p.WriteJSON(&good); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add([]byte(`{"version":1,"stages":[{"after":["x"]}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := geored.ParsePlan(data)
		if err != nil {
			return
		}
		again, err := geored.ParsePlan(written(t, p))
		if err != nil || again.Digest != p.Digest {
			t.Errorf("%v", err)
		}
	})
}

func TestMovesNameWhatMoved(t *testing.T) {
	var w geotest.World
	was := planned(t, planBook(&w, nil))
	book := planBook(&w, nil)
	book.Stages[0].Outline[0].Wanted = "sha256:other"
	book.Stages[1].Outline[0] = step("else", "dc2")
	is, err := book.Plan([]geored.Input{{Name: "topology", Digest: "sha256:2"}, {Name: "values", Digest: "sha256:3"}},
		[]geored.Cluster{{Site: "dc1", UID: "one"}, {Site: "dc2", UID: "three"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, move := range was.Moves(is, nil) {
		got = append(got, move.String())
	}
	want := `input topology: changed from sha256:1 to sha256:2
input values: added: sha256:3
cluster of dc2: changed from two to three
step key wanted: changed from sha256:key to sha256:other
step peer: removed, was apply thing/peer at dc2
step else: added: apply thing/else at dc2`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("%s\nwant:\n%s", text, want)
	}
	mine := strings.Join(got[:4], "\n") + "\n" + got[5]
	got = nil
	for _, move := range was.Moves(is, map[geored.StepID]bool{"peer": true, "key": true}) {
		got = append(got, move.String())
	}
	if text := strings.Join(got, "\n"); text != mine {
		t.Errorf("what the journal explains:\n%s\nwant:\n%s", text, mine)
	}
}

// A list without anything is none, as in a plan's file.
func TestNoMovesBetweenEmptyAndNone(t *testing.T) {
	var w geotest.World
	book := planBook(&w, nil)
	book.Stages[0].Outline[0].Needs, book.Stages[0].Outline[0].Manual = []geored.StepID{}, []string{}
	was := planned(t, book)
	read, err := geored.ParsePlan(written(t, was))
	if err != nil {
		t.Fatal(err)
	}
	if moves := read.Moves(was, nil); len(moves) > 0 || read.Digest != was.Digest {
		t.Errorf("%v", moves)
	}
}

// The text names every step with its commands, and every field that is set.
func TestThePlanAsText(t *testing.T) {
	var w geotest.World
	book := planBook(&w, nil)
	book.Stages[0].Outline[0].Permanent = "the old key is lost"
	book.Stages[1].Outline[0].Confirm = "dc2"
	book.Stages[1].Outline[0].ManualUndo = []string{"wg set wg0 peer KEY remove"}
	looked, err := book.Look(t.Context(), planned(t, book), config(t))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := looked.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	want := "plan: 2 steps in 2 stages\n" + looked.Digest + `
input    topology  sha256:1
cluster  dc1  one
cluster  dc2  two

1. keys

   key: apply thing/key at dc1
       why      a test wants it
       now      missing: thing/key is not there
       by hand  wg genkey
       no undo  the old key is lost

2. join  (after keys)

   peer: apply thing/peer at dc2
       why      a test wants it
       needs    key
       given    public key of dc1, matching [A-Z]{3}
       given    address of dc1, inside 10.80.0.0/16
       now      unknown: cannot be told yet: stage join: the public key of dc1 is not known yet
       confirm  -confirm peer=dc2
       undo     wg set wg0 peer KEY remove
`
	if text != want {
		t.Errorf("%s\nwant:\n%s", text, want)
	}
}

func TestAStepSurvivesItsFile(t *testing.T) {
	full := geored.Step{ID: "a", Site: "dc1", Target: "t", Action: geored.Apply, Reason: "r", Needs: []geored.StepID{"b"}, Wanted: "w",
		Given:   []geored.Constraint{{Name: "n", Inside: netip.MustParsePrefix("fd00::/8"), Matches: "m", OneOf: []string{"o"}}},
		Confirm: "c", Manual: []string{"m"}, ManualUndo: []string{"u"}, Permanent: "p"}
	text, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	var read geored.Step
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if again, _ := json.Marshal(read); !bytes.Equal(again, text) || strings.Count(string(text), `":`) != 16 {
		t.Errorf("%s", text)
	}
}
