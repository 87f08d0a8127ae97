package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

var (
	silence = geored.Silence{Target: geored.Target{Site: "dc2"}, Reason: "connection refused; look at its API server"}
	fault   = geored.Faults{{Site: "dc1", Field: "kubeconfig", Problem: "leads elsewhere"}}
)

// A site that is silent is unknown in the report of a check, and never a faulty input.
func TestAReportNamesSilentSites(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.json")
	code, stdout, _ := call(t, deployment{verdict: geored.Pass, connect: errors.Join(silence)}, t.Context(), "", "-check", "-output", "json", "-report", file)
	var read struct {
		Verdict  geored.Verdict
		Findings []geored.Finding
	}
	if err := json.Unmarshal([]byte(stdout), &read); err != nil || code != ExitUnknown {
		t.Fatalf("exit code %d: %v\n%s", code, err, stdout)
	}
	if len(read.Findings) != 1 || read.Verdict != geored.Unknown {
		t.Fatalf("%+v", read)
	}
	if f := read.Findings[0]; f.Site != "dc2" || f.Verdict != geored.Unknown || len(f.Unanswered) != 1 || f.Unanswered[0] != silence || !strings.Contains(f.Message, "look at its API server") {
		t.Errorf("%+v", f)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != stdout {
		t.Errorf("-report: %v\n%s", err, text)
	}
}

// What changes sites is refused while one is silent, and says which. What is at fault stays at fault beside that.
func TestNothingIsChangedWithoutASilentSite(t *testing.T) {
	for name, c := range map[string]struct {
		d    deployment
		args []string
		code int
		want string
	}{
		"run":                {deployment{connect: silence}, []string{"-yes"}, ExitUnknown, "dc2 did not answer: connection refused; look"},
		"undo":               {deployment{connect: errors.Join(silence)}, []string{"-yes", "-undo"}, ExitUnknown, "dc2 did not answer"},
		"plan":               {deployment{connect: fmt.Errorf("note: %w", &silence)}, []string{"-plan", "-"}, ExitUnknown, "dc2 did not answer"},
		"while it is pinned": {deployment{unpinned: &silence}, []string{"-yes"}, ExitUnknown, "dc2 did not answer"},
		"render":             {deployment{connect: silence}, []string{"-check", "-render", t.TempDir()}, ExitUnknown, "dc2 did not answer"},
		"at fault too":       {deployment{connect: errors.Join(fault, silence)}, []string{"-yes"}, ExitUsage, "leads elsewhere\ndc2 did not answer"},
		"check of faults":    {deployment{connect: errors.Join(fault, silence)}, []string{"-check"}, ExitUsage, "leads elsewhere\ndc2 did not answer"},
		"many faults":        {deployment{connect: errors.Join(append(fault, fault...), silence)}, []string{"-check"}, ExitUsage, "leads elsewhere\ndc2 did not answer"},
	} {
		c.d.world = &geotest.World{}
		code, stdout, stderr := call(t, c.d, t.Context(), "", c.args...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) || c.d.world.There("mesh/dc1") {
			t.Errorf("%s: exit code %d, changed: %t\n%s%s", name, code, c.d.world.There("mesh/dc1"), stdout, stderr)
		}
	}
}

// coming is a deployment one of whose sites is silent at first.
type coming struct {
	deployment
	looks *int
	after int
}

func (c coming) Connect(context.Context) error {
	if *c.looks++; *c.looks <= c.after {
		return errors.Join(silence)
	}
	return nil
}

// A patient program waits for a site that is silent before it changes anything, and no longer than it was told to.
func TestAPatientProgramWaitsForSilentSites(t *testing.T) {
	for name, c := range map[string]struct {
		patient bool
		after   int
		args    []string
		code    int
		looks   int // zero: as many as there is time for
	}{
		"it comes":         {true, 2, []string{"-timeout", "1m"}, ExitPass, 3},
		"it stays away":    {true, 1e6, []string{"-timeout", "2s"}, ExitUnknown, 0},
		"not patient":      {false, 2, []string{"-timeout", "1m"}, ExitUnknown, 1},
		"a check":          {true, 2, []string{"-check"}, ExitUnknown, 1},
		"a plan":           {true, 2, []string{"-plan", "-"}, ExitUnknown, 1},
		"it is there":      {true, 0, nil, ExitPass, 1},
		"it is not waited": {true, 1e6, []string{"-timeout", "1ns"}, ExitUnknown, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "topology")
			if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			d := coming{deployment{world: &geotest.World{}, verdict: geored.Pass}, new(int), c.after}
			p := Program{Name: "test", Patient: c.patient, Open: func([]byte, Options) (Deployment, error) { return d, nil }}
			var stdout, stderr strings.Builder
			code := p.Run(t.Context(), append([]string{"-topology", file, "-probe-image", "x", "-yes", "-journal", t.TempDir()}, c.args...), strings.NewReader(""), &stdout, &stderr)
			if code != c.code || c.looks != 0 && *d.looks != c.looks || d.world.There("mesh/dc1") != (code == ExitPass) {
				t.Errorf("exit code %d after %d looks\n%s", code, *d.looks, stderr.String())
			}
			if waited := *d.looks > 1; strings.Contains(stderr.String(), "waits") != waited || waited && !strings.Contains(stderr.String(), "dc2 did not answer: connection refused; look at its API server") {
				t.Errorf("after %d looks:\n%s", *d.looks, stderr.String())
			}
		})
	}
}
