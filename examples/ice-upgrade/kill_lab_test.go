//go:build lab

package main

import (
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory/killed"
)

// Killed inside every step and behind it, the upgrade comes to its end: every site on the new version, modelmanager run
// once in each, no pod replaced twice, nothing repaired.
func TestUpgradeKilledInEveryStep(t *testing.T) {
	l := killed.NewLab(t, ".", "../ice-install")
	l.Installed()
	before := killed.Look(t, l.Running().Dir, "dc1", "dc2")
	at, last := l.Program("ice-upgrade").Along(t, killed.Chosen(t), "-whole", "-journal", t.TempDir(), "-timeout", "5m",
		"-chart-version", chart+"3.5.41630", "-confirm", "before/backup=no-backup-before-3.5.41630")
	t.Logf("killed %d times: %v", len(at), at)
	last = l.Program("ice-upgrade").Told(t, last, "-chart-version", chart+"3.5.41630")
	if len(at) == 0 || last.Code != 0 {
		t.Fatalf("killed %d times, exit code %d\n%s\n%s", len(at), last.Code, last.Stderr, last.Stdout)
	}
	added := killed.Look(t, l.Running().Dir, "dc1", "dc2").Since(before)
	t.Logf("added:\n%s", added)
	for _, site := range []string{"dc1", "dc2"} {
		if n := added[site+" jobs ice-arcus/modelmanager"]; n != 1 {
			t.Errorf("%s: modelmanager ran %d times for the new version", site, n)
		}
		delete(added, site+" jobs ice-arcus/modelmanager")
	}
	for what, n := range added {
		if n != 1 || !strings.Contains(what, " revision ") {
			t.Errorf("%s: %d more", what, n)
		}
	}
	// A version that fails: killed while its gates are waited for, the next run still finds the way back.
	gates := func(_ int, at killed.Point) bool {
		return at == killed.Point{Step: "upgrade-dc1/dc1/gates", Kind: geored.StepApplying}
	}
	at, last = l.Program("ice-upgrade").Along(t, gates, "-whole", "-journal", t.TempDir(), "-timeout", "90s",
		"-chart-version", chart+"3.5.41631", "-confirm", "before/backup=no-backup-before-3.5.41631")
	if len(at) != 1 || last.Code != 1 || !strings.Contains(last.Stderr, "was rolled back to revision") {
		t.Errorf("killed at %v, exit code %d\n%s", at, last.Code, last.Stderr)
	}
	install := l.Program("ice-install")
	if c := install.Told(t, install.Call(t, "-check", "-chart-version", chart+"3.5.41630"), "-chart-version", chart+"3.5.41630"); c.Code != 0 {
		t.Errorf("after both: exit code %d\n%s\n%s", c.Code, c.Stderr, c.Stdout)
	}
}
