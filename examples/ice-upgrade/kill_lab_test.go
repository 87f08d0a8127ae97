//go:build lab

package main

import (
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
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
	for _, site := range []geored.SiteName{"dc1", "dc2"} {
		c, err := kube.Open(site, geored.KubeRef{Kubeconfig: filepath.Join(l.Running().Dir, string(site)+".kubeconfig")})
		if err != nil {
			t.Fatal(err)
		}
		job, err := c.Client().BatchV1().Jobs("ice-arcus").Get(t.Context(), "modelmanager-3.5.41630", metav1.GetOptions{})
		if err != nil || job.Status.Succeeded != 1 || job.Status.Failed != 0 { // the old version's went with it
			t.Errorf("%s: modelmanager of the new version: %+v, %v", site, job.Status, err)
		}
	}
	for what, n := range added {
		want := 1
		if strings.HasSuffix(what, "/ksqldb") {
			want = 2 // by the chart, and at the end as the guide has it
		}
		if n != want || !strings.Contains(what, " revision ") {
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
