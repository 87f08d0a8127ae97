package cli

import (
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
