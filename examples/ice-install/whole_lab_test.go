//go:build lab

package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/internal/laboratory/secrets"
)

// The guide's chapters 4.2 to 4.4 on two sites with real stores: proven, repeated without a change, drifted and told, and the
// password nowhere but in its Secrets.
func TestWholeInstall(t *testing.T) {
	l := newLab(t)
	dir := t.TempDir()
	first := l.installed("-whole", "-v", "-events", filepath.Join(dir, "events"), "-journal", filepath.Join(dir, "journal"), "-report", filepath.Join(dir, "report.html"),
		"-report", filepath.Join(dir, "report.json"))
	compareStanding(t, l)
	seen := map[geored.CheckID]bool{}
	for _, f := range first.report(t).Findings {
		seen[f.Check] = true
	}
	for _, id := range []geored.CheckID{"ice/release", "ice/rows", "cassandra/gossip", "kafka/position", "objectstore/equal", "ice/replicas", "guide/4.4.5-status", "guide/5.1.1-mirror"} {
		if !seen[id] {
			t.Errorf("%s was not asked", id)
		}
	}
	events, err := os.ReadFile(filepath.Join(dir, "events"))
	if err != nil || !bytes.Contains(events, []byte(`secret \"dc2\" not found`)) {
		t.Errorf("it did not hang for the Secret: %v", err)
	}

	clusters := l.clusters()
	var passwords []string
	for _, c := range clusters {
		secret, err := c.Client().CoreV1().Secrets("ice-arcus").Get(t.Context(), "init-superuser-pass", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		passwords = append(passwords, string(secret.Data["pass"]))
	}
	if passwords[0] != passwords[1] || passwords[0] == "" {
		t.Fatal("the sites have not one password")
	}
	if err := os.WriteFile(filepath.Join(dir, "output"), []byte(first.stdout+first.stderr), 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, path := range map[string]string{"-render": "rendered", "-plan": "plan.json"} {
		if c := l.call(flag, filepath.Join(dir, path)); c.code != 0 {
			t.Errorf("%s: %s", flag, c.stderr)
		}
	}
	every := slices.Collect(maps.Values(clusters))
	known := secrets.Of(t, every...)
	known.NotInConfigMaps(t, every...)
	if searched := known.NotBelow(t, "", dir); searched < 10 {
		t.Errorf("only %d files were searched", searched)
	}

	again := filepath.Join(dir, "again")
	l.installed("-events", again)
	if text, err := os.ReadFile(again); err != nil || !bytes.Contains(text, []byte(`"step-ended"`)) || bytes.Contains(text, []byte(`"step-applying"`)) {
		t.Errorf("a second run changes something: %v\n%s", err, text)
	}

	// The other site's password is another: it is told, and who mends it; nothing is mended by looking.
	other := clusters["dc2"].Client().CoreV1().Secrets("ice-arcus")
	secret, err := other.Get(t.Context(), "init-superuser-pass", metav1.GetOptions{})
	if err == nil {
		secret.Data["pass"] = []byte("of another site")
		_, err = other.Update(t.Context(), secret, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	c := l.call("-check")
	drifted := false
	for _, f := range c.report(t).Findings {
		drifted = drifted || f.Check == "ice/password" && f.Verdict == geored.Fail && f.Remedy != ""
	}
	if c.code != 1 || !drifted {
		t.Errorf("exit code %d, drift told: %t", c.code, drifted)
	}
	l.installed() // copies it again, and restarts what reads it
	l.plantDrifts(clusters, append(networkDrifts(), productDrifts()...)...)
}

// clusters are those of the laboratory's two sites.
func (l *lab) clusters() map[string]*kube.Cluster {
	l.t.Helper()
	clusters := map[string]*kube.Cluster{}
	for _, site := range []string{"dc1", "dc2"} {
		c, err := kube.Open(geored.SiteName(site), geored.KubeRef{Kubeconfig: filepath.Join(l.running().Dir, site+".kubeconfig")})
		if err != nil {
			l.t.Fatal(err)
		}
		clusters[site] = c
	}
	return clusters
}
