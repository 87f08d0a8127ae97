package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// deployment is one of effects in memory.
type deployment struct {
	world   *geotest.World
	connect error
	verdict geored.Verdict

	clusters  []geored.Cluster // zero: those of every day
	extra     geored.StepID    // one more step
	permanent bool
	confirm   string
	pins      []geored.Input
	unpinned  error
}

func (d deployment) Pins(context.Context) ([]geored.Input, error) { return d.pins, d.unpinned }

func (d deployment) Identities(context.Context) ([]geored.Cluster, error) {
	if d.clusters != nil {
		return d.clusters, nil
	}
	return []geored.Cluster{{Site: "dc1", UID: "one"}, {Site: "dc2", UID: "two"}}, nil
}

func (d deployment) Sites() []geored.SiteName      { return []geored.SiteName{"dc1", "dc2"} }
func (d deployment) Connect(context.Context) error { return d.connect }

func (d deployment) Runbook() geored.Runbook {
	step := geored.Step{ID: "mesh/dc1", Site: "dc1", Target: "daemonset gateway", Action: geored.Apply, Confirm: d.confirm,
		Manual: []string{"kubectl apply -f gateway.yaml"}, ManualUndo: []string{"kubectl delete -f gateway.yaml"}}
	if d.permanent {
		step.Permanent = "it holds data"
	}
	tasks := []geored.Task{d.world.Task(step)}
	if d.permanent {
		tasks[0].Undo = nil
	}
	if d.extra != "" {
		tasks = append(tasks, d.world.Task(geored.Step{ID: d.extra, Site: "dc2", Target: "daemonset gateway", Action: geored.Apply}))
	}
	return geored.Runbook{Name: "test", Stages: []geored.Stage{geored.StageOf("mesh", tasks...)}}
}

func (d deployment) Checks() []geored.Check {
	return []geored.Check{{ID: "mesh/pods", Run: func(ctx context.Context) []geored.Finding {
		answers := geored.Ask(ctx, []geored.Target{{Site: "dc1", To: "dc2"}}, func(context.Context, geored.Target) (int, error) { return 1, nil })
		return answers.Each(func(geored.Target, int) geored.Finding { return geored.Finding{Verdict: d.verdict, Message: "as told"} })
	}}}
}

// call runs a program over a topology file of one's own.
func call(t *testing.T, d deployment, ctx context.Context, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	if d.world == nil {
		d.world = &geotest.World{}
	}
	file := filepath.Join(t.TempDir(), "topology.yaml")
	if err := os.WriteFile(file, []byte("sites: []"), 0o600); err != nil {
		t.Fatal(err)
	}
	program := Program{Name: "test", Open: func([]byte, Options) (Deployment, error) { return d, nil }}
	var out, complaints bytes.Buffer
	args = append([]string{"-topology", file, "-probe-image", "registry.example.org/probe:1", "-journal", t.TempDir(), "-timeout", "1s"}, args...)
	code = program.Run(ctx, args, strings.NewReader(stdin), &out, &complaints)
	return code, out.String(), complaints.String()
}

func TestExitCodes(t *testing.T) {
	stopped, stop := context.WithCancelCause(t.Context())
	stop(errInterrupted)
	failing := &geotest.World{}
	failing.Break("dc1", geotest.Denied)
	cases := map[string]struct {
		d    deployment
		ctx  context.Context
		args []string
		want int
	}{
		"pass":              {deployment{verdict: geored.Pass}, t.Context(), nil, ExitPass},
		"fail":              {deployment{verdict: geored.Fail}, t.Context(), nil, ExitFail},
		"warn":              {deployment{verdict: geored.Warn}, t.Context(), nil, ExitPass},
		"warn, strict":      {deployment{verdict: geored.Warn}, t.Context(), []string{"-strict"}, ExitWarn},
		"unknown":           {deployment{verdict: geored.Unknown}, t.Context(), nil, ExitUnknown},
		"step failed":       {deployment{verdict: geored.Pass, world: failing}, t.Context(), nil, ExitFail},
		"faulty sites":      {deployment{connect: errors.New("site dc1: no answer")}, t.Context(), nil, ExitUsage},
		"unknown flag":      {deployment{}, t.Context(), []string{"-colour"}, ExitUsage},
		"help":              {deployment{}, t.Context(), []string{"-h"}, ExitPass},
		"two faulty flags":  {deployment{}, t.Context(), []string{"-output", "xml", "-report", "r.pdf"}, ExitUsage},
		"left over":         {deployment{}, t.Context(), []string{"now"}, ExitUsage},
		"interrupted":       {deployment{verdict: geored.Pass}, stopped, nil, ExitInterrupted},
		"events nowhere":    {deployment{verdict: geored.Pass}, t.Context(), []string{"-events", "/no/such/folder/events"}, ExitUsage},
		"report nowhere":    {deployment{verdict: geored.Pass}, t.Context(), []string{"-report", "/no/such/folder/r.html"}, ExitUnknown},
		"warning, nowhere":  {deployment{verdict: geored.Warn}, t.Context(), []string{"-strict", "-report", "/no/such/folder/r.html"}, ExitUnknown},
		"failed, nowhere":   {deployment{verdict: geored.Fail}, t.Context(), []string{"-report", "/no/such/folder/r.html"}, ExitFail},
		"journal is a file": {deployment{verdict: geored.Pass}, t.Context(), []string{"-journal", "/dev/null"}, ExitUsage},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := call(t, c.d, c.ctx, "", append([]string{"-yes"}, c.args...)...)
			if code != c.want {
				t.Errorf("exit code %d, want %d\n%s%s", code, c.want, stdout, stderr)
			}
			if code == ExitUsage && stderr == "" {
				t.Error("nothing says what was wrong")
			}
		})
	}
}

func TestAllFaultyFlagsAreToldAtOnce(t *testing.T) {
	_, _, stderr := call(t, deployment{}, t.Context(), "", "-output", "xml", "-report", "r.pdf", "-timeout", "0s", "extra")
	for _, want := range []string{"4 faults", "-output xml", "-report r.pdf", "-timeout 0s", "argument extra"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is missing in:\n%s", want, stderr)
		}
	}
}

func TestNothingIsChangedWithoutAYes(t *testing.T) {
	for stdin, want := range map[string]int{"": ExitUsage, "no\n": ExitUsage, "yes\n": ExitPass} {
		world := &geotest.World{}
		code, _, _ := call(t, deployment{world: world, verdict: geored.Pass}, t.Context(), stdin)
		if code != want || world.There("mesh/dc1") != (want == ExitPass) {
			t.Errorf("answer %q: exit code %d, changed: %v", stdin, code, world.There("mesh/dc1"))
		}
	}
}

func TestCheckChangesNothing(t *testing.T) {
	world := &geotest.World{}
	code, stdout, _ := call(t, deployment{world: world, verdict: geored.Pass}, t.Context(), "", "-check")
	if code != ExitPass || world.There("mesh/dc1") || !strings.HasPrefix(stdout, "PASS") {
		t.Errorf("exit code %d, changed: %v\n%s", code, world.There("mesh/dc1"), stdout)
	}
}

func TestReportsAndEventsAreWritten(t *testing.T) {
	dir := t.TempDir()
	report, text, events := filepath.Join(dir, "r.json"), filepath.Join(dir, "r.txt"), filepath.Join(dir, "events")
	code, stdout, _ := call(t, deployment{verdict: geored.Fail}, t.Context(), "", "-yes", "-output", "json", "-report", report, "-report", text, "-events", events)
	if code != ExitFail {
		t.Errorf("exit code %d", code)
	}
	var read struct {
		Verdict  geored.Verdict
		Findings []geored.Finding
	}
	file, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if string(file) != stdout {
		t.Error("the file and standard output differ")
	}
	if err := json.Unmarshal(file, &read); err != nil || read.Verdict != geored.Fail || len(read.Findings) != 1 {
		t.Errorf("%+v, %v", read, err)
	}
	if file, err = os.ReadFile(text); err != nil || !bytes.HasPrefix(file, []byte("FAIL")) {
		t.Errorf("%s, %v", file, err)
	}
	if file, err = os.ReadFile(events); err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(file) {
		if !json.Valid(line) {
			t.Errorf("%s is no JSON", line)
		}
	}
	for _, want := range []string{"step-applying", "run-finished", "mesh/pods"} {
		if !bytes.Contains(file, []byte(want)) {
			t.Errorf("no event with %s", want)
		}
	}
}

// A run that was interrupted goes on under its own name.
func TestAnInterruptedRunGoesOn(t *testing.T) {
	dir := t.TempDir()
	journal, err := geored.OpenFileJournal(filepath.Join(dir, "test.journal"))
	if err != nil {
		t.Fatal(err)
	}
	if err := journal.Append(t.Context(), geored.Record{Time: time.Now(), Run: "first", Kind: geored.RunBegun}); err != nil {
		t.Fatal(err)
	}
	journal.Close()
	code, _, stderr := call(t, deployment{verdict: geored.Pass}, t.Context(), "", "-yes", "-journal", dir)
	if code != ExitPass || !strings.Contains(stderr, "going on with the run of") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	text, err := os.ReadFile(filepath.Join(dir, "test.journal"))
	if err != nil || strings.Count(string(text), `"run":"first"`) < 4 {
		t.Errorf("%s, %v", text, err)
	}
}

// attended is a deployment that looks on, and ends the run when it is told to.
type attended struct {
	deployment
	halt    error
	stopped *bool
}

func (a attended) Attend(ctx context.Context, _ geored.Journal) (context.Context, func()) {
	watched, end := context.WithCancelCause(ctx)
	if a.halt != nil {
		end(a.halt)
	}
	return watched, func() { *a.stopped = true; end(nil) }
}

func TestADeploymentLooksOn(t *testing.T) {
	for _, halt := range []error{nil, errors.New("the sites are apart")} {
		d := attended{deployment{world: &geotest.World{}, verdict: geored.Pass}, halt, new(bool)}
		size := 0
		p := Program{Name: "test", Flags: func(f *flag.FlagSet) { f.IntVar(&size, "size", 0, "of its own") },
			Open: func([]byte, Options) (Deployment, error) { return d, nil }}
		file := filepath.Join(t.TempDir(), "topology")
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr strings.Builder
		code := p.Run(t.Context(), []string{"-topology", file, "-probe-image", "x", "-yes", "-journal", t.TempDir(), "-size", "3"}, strings.NewReader(""), &stdout, &stderr)
		if !*d.stopped || size != 3 {
			t.Errorf("stopped %t, -size %d", *d.stopped, size)
		}
		if halt == nil && code != ExitPass || halt != nil && (code != ExitUnknown || !strings.Contains(stderr.String(), halt.Error()) || d.world.There("mesh/dc1")) {
			t.Errorf("%v: exit code %d\n%s", halt, code, stderr.String())
		}
	}
}
