package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// program runs calls over one topology, one journal and one world.
type program struct {
	t       *testing.T
	d       deployment
	journal string
}

func newProgram(t *testing.T) *program {
	return &program{t: t, d: deployment{world: &geotest.World{}, verdict: geored.Pass}, journal: t.TempDir()}
}

func (p *program) call(args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	return call(p.t, p.d, p.t.Context(), "", append([]string{"-yes", "-journal", p.journal}, args...)...)
}

func (p *program) wants(code int, text string, args ...string) string {
	p.t.Helper()
	got, stdout, stderr := p.call(args...)
	if got != code || !strings.Contains(stdout+stderr, text) {
		p.t.Fatalf("%v: exit code %d, want %d and %q in:\n%s%s", args, got, code, text, stdout, stderr)
	}
	return stdout
}

func TestThePlanIsReviewedAndApplied(t *testing.T) {
	p := newProgram(t)
	file := filepath.Join(t.TempDir(), "plan.json")
	p.wants(ExitPass, "run it with: -apply", "-plan", file)
	if p.d.world.There("mesh/dc1") {
		t.Fatal("a plan changed something")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := geored.ParsePlan(text)
	if err != nil || len(plan.Steps()) != 1 || plan.Steps()[0].Live.State != geored.LiveMissing {
		t.Errorf("%+v, %v", plan, err)
	}
	p.wants(ExitPass, "PASS", "-apply", file)
	if !p.d.world.There("mesh/dc1") {
		t.Error("nothing was applied")
	}
	p.wants(ExitPass, "PASS", "-apply", file) // progress is no part of a plan
}

func TestAPlanToFollowByHand(t *testing.T) {
	p := newProgram(t)
	text := p.wants(ExitPass, "mesh/dc1: apply daemonset gateway at dc1", "-plan", "-")
	for _, want := range []string{"test: 1 steps in 1 stages\nsha256:", "by hand  kubectl apply -f gateway.yaml", "undo     kubectl delete -f gateway.yaml", "now      missing: daemonset gateway is not there"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if _, err := geored.ParsePlan([]byte(p.wants(ExitPass, "", "-plan", "-", "-output", "json"))); err != nil {
		t.Error(err)
	}
}

func TestAPlanThatMovedIsRefused(t *testing.T) {
	p := newProgram(t)
	file := filepath.Join(t.TempDir(), "plan.json")
	p.wants(ExitPass, "", "-plan", file)
	p.d.clusters = []geored.Cluster{{Site: "dc2", UID: "another"}}
	p.wants(ExitUsage, "cluster of dc2: changed from two to another", "-apply", file)
	p.d.clusters = nil
	p.d.extra = "mesh/dc2"
	p.wants(ExitUsage, "step mesh/dc2: added: apply daemonset gateway at dc2", "-apply", file)
	if p.d.world.There("mesh/dc1") || p.d.world.There("mesh/dc2") {
		t.Error("something was changed")
	}
}

// A version can be published twice: the plan is for the archive that was reviewed.
func TestAPlanIsForTheArchivesThatWereReviewed(t *testing.T) {
	p := newProgram(t)
	file := filepath.Join(t.TempDir(), "plan.json")
	p.d.pins = []geored.Input{{Name: "chart ice-kilo 2.0.10", Digest: "sha256:aa"}}
	p.wants(ExitPass, "", "-plan", file)
	p.d.pins = []geored.Input{{Name: "chart ice-kilo 2.0.10", Digest: "sha256:bb"}}
	p.wants(ExitUsage, "input chart ice-kilo 2.0.10: changed from sha256:aa to sha256:bb", "-apply", file)
	p.d.unpinned = errors.New("the repository does not answer")
	p.wants(ExitUsage, "the repository does not answer", "-apply", file)
	if p.d.world.There("mesh/dc1") {
		t.Fatal("something was changed")
	}
	p.d.pins, p.d.unpinned = []geored.Input{{Name: "chart ice-kilo 2.0.10", Digest: "sha256:aa"}}, nil
	p.wants(ExitPass, "PASS", "-apply", file)
}

func TestAFaultyPlanIsRefused(t *testing.T) {
	p := newProgram(t)
	file := filepath.Join(t.TempDir(), "plan.json")
	p.wants(ExitPass, "", "-plan", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(text), "gateway.yaml", "other.yaml", 1)
	if err := os.WriteFile(file, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	p.wants(ExitUsage, "it was edited", "-apply", file)
	p.wants(ExitUsage, "no such file", "-apply", filepath.Join(t.TempDir(), "nowhere"))
	p.wants(ExitUsage, "-plan: does not go with -apply and -undo", "-plan", "-", "-apply", file, "-undo")
}

func TestUndoTakesBackWhatWasDone(t *testing.T) {
	p := newProgram(t)
	p.wants(ExitPass, "0 taken back, 0 kept, 1 with nothing", "-undo") // nothing was done
	p.wants(ExitPass, "PASS")
	var lines []struct{ Step, Status string }
	text := p.wants(ExitPass, "", "-undo", "-output", "json")
	if err := json.Unmarshal([]byte(text), &lines); err != nil || len(lines) != 1 || lines[0].Status != "undone" {
		t.Errorf("%s, %v", text, err)
	}
	if p.d.world.There("mesh/dc1") {
		t.Error("it is still there")
	}
	p.wants(ExitPass, "PASS")
	p.d.clusters = []geored.Cluster{{Site: "dc1", UID: "another"}}
	p.wants(ExitUsage, "is not the one that the journal is about", "-undo")
	p.d.clusters = nil
	p.wants(ExitPass, "1 taken back", "-undo")
	p.d.permanent = true
	p.wants(ExitPass, "PASS")
	p.wants(ExitUnknown, "kept      mesh/dc1  it holds data; by hand: kubectl delete -f gateway.yaml", "-undo")
}

func TestADestructiveStepIsConfirmed(t *testing.T) {
	p := newProgram(t)
	p.d.confirm = "dc1-data"
	p.wants(ExitUsage, "confirm it as mesh/dc1=dc1-data")
	p.wants(ExitUsage, "confirm mesh/dc1 wrong", "-confirm", "mesh/dc1=wrong")
	p.wants(ExitUsage, "write STEP=VALUE", "-confirm", "mesh/dc1")
	if p.d.world.There("mesh/dc1") {
		t.Error("it was applied")
	}
	p.wants(ExitPass, "PASS", "-confirm", "mesh/dc1=dc1-data")
}

func TestASecondRunnerIsRefused(t *testing.T) {
	p := newProgram(t)
	lock := geored.NewFileLock(filepath.Join(p.journal, "test.lock"), geored.Holder{Owner: "anna@host1", What: "test"})
	if err := lock.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.wants(ExitUnknown, "is held by anna@host1 for test")
	p.wants(ExitUnknown, "is held by anna@host1 for test", "-undo")
	if p.d.world.There("mesh/dc1") {
		t.Error("something was applied")
	}
	p.wants(ExitPass, "PASS", "-check") // looking is not refused
	if err := lock.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.wants(ExitPass, "PASS")
}

// leased is a deployment whose lock a runner on another machine holds.
type leased struct{ deployment }

func (leased) Lock(geored.Holder) geored.Lock { return alive{} }

// alive is a lock whose holder shows that it lives, after a while.
type alive struct{ geored.Lock }

func (alive) Acquire(ctx context.Context) error {
	since := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	held := &geored.HeldError{Where: "site dc1: lease kube-system/test", Holder: geored.Holder{Owner: "anna@host1", What: "test", Since: since}}
	geored.AwaitLock(ctx, held, since.Add(15*time.Second))
	return held
}

func TestARunnerOnAnotherMachineIsShownWhileItIsAwaited(t *testing.T) {
	var world geotest.World
	topology, events := filepath.Join(t.TempDir(), "topology.yaml"), filepath.Join(t.TempDir(), "events")
	if err := os.WriteFile(topology, []byte("sites: []"), 0o600); err != nil {
		t.Fatal(err)
	}
	program := Program{Name: "test", Open: func([]byte, Options) (Deployment, error) { return leased{deployment{world: &world}}, nil }}
	var out, said bytes.Buffer
	code := program.Run(t.Context(), []string{"-topology", topology, "-probe-image", "registry.example.org/probe:1", "-journal", t.TempDir(), "-yes", "-events", events}, strings.NewReader(""), &out, &said)
	const holder = "site dc1: lease kube-system/test is held by anna@host1 for test since 2026-03-14T09:00:00Z"
	if code != ExitUnknown || world.There("mesh/dc1") || strings.Count(said.String(), holder) != 2 ||
		!strings.Contains(said.String(), "  lock         "+holder+"; it ends at 2026-03-14T09:00:15Z unless its holder lives\n") {
		t.Errorf("exit code %d\n%s", code, said.String())
	}
	text, err := os.ReadFile(events)
	if err != nil || !strings.Contains(string(text), `"kind":"lock-awaited"`) || !strings.Contains(string(text), `"until":"2026-03-14T09:00:15Z"`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestAJournalInClustersThatKeepNone(t *testing.T) {
	p := newProgram(t)
	t.Chdir(t.TempDir())
	p.journal = "kubernetes"
	p.wants(ExitUsage, "test keeps no journal in its clusters")
}

func TestWhatWasAskedFor(t *testing.T) {
	for args, want := range map[string][2]bool{"": {false, true}, "-timeout 5m": {true, true}, "-plan -": {false, true}, "-check": {}, "-undo": {}, "-render x": {}} {
		o, err := Program{Name: "test"}.parse(strings.Fields(args), &bytes.Buffer{})
		if err != nil || o.OwnTimeout != want[0] || o.Installs() != want[1] || o.Timeout != 5*time.Minute {
			t.Errorf("%q: %+v, %v", args, o, err)
		}
	}
}

// What is refused changed nothing: a step that fails on faulty input is no refusal.
func TestAFailedStepIsNoRefusal(t *testing.T) {
	faults := geored.Faults{{Field: "endpoint", Problem: "is missing"}}
	failed := geored.Outcome{Status: geored.Failed, Err: &geored.StepError{Err: faults}}
	for want, outcome := range map[int]geored.Outcome{ExitFail: failed, ExitUsage: {Status: geored.Pending}} {
		code, err := (&session{}).ended(t.Context(), geored.Result{Outcomes: []geored.Outcome{outcome}}, errors.Join(faults, outcome.Err))
		if code != want || err == nil {
			t.Errorf("exit code %d, want %d: %v", code, want, err)
		}
	}
}

// behind is a deployment whose lock another runner held, who wrote into the journal until he let go.
type behind struct {
	deployment
	path string
}

func (b behind) Lock(geored.Holder) geored.Lock {
	return lastWords{new(geored.MemoryLocks).Lock("it", geored.Holder{}), b.path}
}

type lastWords struct {
	geored.Lock
	path string
}

func (l lastWords) Acquire(ctx context.Context) error {
	journal, err := geored.OpenFileJournal(l.path)
	if err != nil {
		return err
	}
	for _, r := range []geored.Record{{Kind: geored.RunBegun, Detail: "test"}, {Kind: geored.Intent, Step: "mesh/dc1", Site: "dc1"}} {
		r.Run = "of-another"
		err = errors.Join(err, journal.Append(ctx, r))
	}
	return errors.Join(err, journal.Close(), l.Lock.Acquire(ctx))
}

func TestTheJournalIsReadUnderTheLock(t *testing.T) {
	var world geotest.World
	dir := t.TempDir()
	topology := filepath.Join(t.TempDir(), "topology.yaml")
	if err := os.WriteFile(topology, []byte("sites: []"), 0o600); err != nil {
		t.Fatal(err)
	}
	world.Set("mesh/dc1", true)
	program := Program{Name: "test", Open: func([]byte, Options) (Deployment, error) {
		return behind{deployment{world: &world}, filepath.Join(dir, "test.journal")}, nil
	}}
	var out, said bytes.Buffer
	code := program.Run(t.Context(), []string{"-topology", topology, "-probe-image", "registry.example.org/probe:1", "-journal", dir, "-yes", "-undo"}, strings.NewReader(""), &out, &said)
	if code != ExitPass || world.There("mesh/dc1") {
		t.Errorf("what another runner applied was not taken back: exit code %d\n%s", code, said.String())
	}
}
