package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/report"
)

func (d deployment) Departures() []report.Departure {
	return []report.Departure{{ID: "D1", Section: "4.2", Guide: "by hand", Instead: "by program", Why: "hands slip"}}
}

// A report is written of every run, also of one that failed, was interrupted or taken back, and then it is no pass.
func TestReportsOfRunsThatDidNotGoWell(t *testing.T) {
	cases := map[string]struct {
		fault geotest.Fault
		args  []string
		code  int
		want  []string // in the Markdown report
	}{
		"done":        {"", nil, ExitPass, []string{"# PASS", "1 of 1 step done", "1 check on 2 sites", "| D1 |", "sha256:", "topology"}},
		"failed":      {geotest.Denied, nil, ExitFail, []string{"# FAIL", "0 of 1 step done, 1 failed", "nothing was proven", "permission denied"}},
		"interrupted": {geotest.Hanging, nil, ExitInterrupted, []string{"# UNKNOWN", "- interrupted", "0 of 1 step done, 1 interrupted", "nothing was proven"}},
		"taken back":  {"", []string{"-undo"}, ExitPass, []string{"# UNKNOWN", "taken back"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			world := &geotest.World{}
			if c.fault != "" {
				world.Break("dc1", c.fault)
			}
			if c.code == ExitInterrupted {
				ctx, cancel = context.WithTimeoutCause(ctx, 500*time.Millisecond, errInterrupted)
				defer cancel()
			}
			dir := t.TempDir()
			args := append([]string{"-yes"}, c.args...)
			for _, extension := range extensions() {
				args = append(args, "-report", filepath.Join(dir, "r"+extension))
			}
			code, _, stderr := call(t, deployment{world: world, verdict: geored.Pass}, ctx, "", args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d\n%s", code, c.code, stderr)
			}
			for _, extension := range extensions() {
				text, err := os.ReadFile(filepath.Join(dir, "r"+extension))
				if err != nil || len(text) == 0 {
					t.Errorf("%s: %d bytes, %v", extension, len(text), err)
				}
				for _, want := range c.want {
					if extension == ".md" && !strings.Contains(string(text), want) {
						t.Errorf("%q is missing in\n%s", want, text)
					}
				}
			}
		})
	}
}

// A report that cannot be written is told, whatever else happened.
func TestAReportThatCannotBeWrittenIsTold(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, errInterrupted)
	defer cancel()
	world := &geotest.World{}
	world.Break("dc1", geotest.Hanging)
	code, _, stderr := call(t, deployment{world: world}, ctx, "", "-yes", "-report", "/no/such/folder/r.html")
	if code != ExitInterrupted || !strings.Contains(stderr, "/no/such/folder") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

func TestProblem(t *testing.T) {
	step := &geored.StepError{Step: geored.Step{ID: "mesh/dc1", Action: geored.Apply, Target: "x"}, Err: errors.New("denied")}
	cases := map[string]error{
		"":                       nil,
		"lock: stolen; no space": errors.Join(errors.New("lock: stolen"), step, errors.Join(errors.New("no space"))),
	}
	for want, err := range cases {
		if got := problem(t.Context(), err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := problem(t.Context(), errors.Join(step)); got != "" {
		t.Errorf("a step's failure is told twice: %q", got)
	}
}
