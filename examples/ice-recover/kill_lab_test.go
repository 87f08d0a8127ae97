//go:build lab

package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/internal/laboratory/ice"
	"github.com/georedkit/georedkit/internal/laboratory/joined"
	"github.com/georedkit/georedkit/internal/laboratory/killed"
)

var sites = []geored.SiteName{"dc1", "dc2"}

// Killed inside every step and behind it, a recovery from an outage beyond the hint window comes to its proof: each node
// repaired once, each index filled once, nothing restarted twice, and all messages at both sites.
func TestRecoveryKilledInEveryStep(t *testing.T) {
	l := killed.NewLab(t, ".", "../ice-install")
	l.Installed()
	running := l.Running()
	var written []string
	product := ice.On(t, &joined.Sites{Names: sites, Clusters: map[geored.SiteName]*kube.Cluster{}})
	for _, site := range sites {
		c, err := kube.Open(site, geored.KubeRef{Kubeconfig: filepath.Join(running.Dir, string(site)+".kubeconfig")})
		if err != nil {
			t.Fatal(err)
		}
		product.Clusters[site] = c
	}
	mend := func() {
		if _, err := running.Fault(context.WithoutCancel(t.Context()), "mend"); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(mend)
	rows := func() string {
		return product.CQL("dc1", "select count(*) from dev.message where id in ('"+strings.Join(written, "', '")+"');")
	}
	if _, err := running.Fault(t.Context(), "cut", "dc1", "dc2"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute) // so that each side takes the other for gone
	for _, site := range sites {
		written = append(written, product.Write(site, 15)...)
	}
	if text := rows(); !strings.Contains(text, " 15\n") {
		t.Errorf("the cut did not bite: dc1 has not its own 15 messages alone:\n%s", text)
	}
	mend()
	before := killed.Look(t, running.Dir, sites...)
	at, last := l.Program("ice-recover").Along(t, killed.Chosen(t), "-whole", "-journal", t.TempDir(), "-outage", "4h")
	t.Logf("killed %d times: %v", len(at), at)
	last = l.Program("ice-recover").Told(t, last)
	if len(at) == 0 || last.Code != 0 {
		t.Fatalf("killed %d times, exit code %d\n%s\n%s", len(at), last.Code, last.Stderr, last.Stdout)
	}
	added := killed.Look(t, running.Dir, sites...).Since(before)
	t.Logf("added:\n%s", added)
	jobs := map[string]int{}
	for what, n := range added {
		site, rest, _ := strings.Cut(what, " ")
		switch {
		case strings.HasPrefix(rest, "jobs "):
			jobs[site] += n
		case what == "repairs of dev" && n == len(sites): // one for each node
		case strings.HasPrefix(rest, "revision ") && n == 1:
		default:
			t.Errorf("%s: %d more", what, n)
		}
	}
	for _, site := range sites {
		if jobs[string(site)] != 1 {
			t.Errorf("%s: its index was filled %d times", site, jobs[string(site)])
		}
		if counts, err := product.Counts(site); err != nil || counts.Rows != counts.Objects || counts.Rows != counts.Documents || counts.Rows < 30 {
			t.Errorf("%s: %+v, %v", site, counts, err)
		}
	}
	if text := rows(); !strings.Contains(text, " 30\n") {
		t.Errorf("dc1 has not all messages of both sites:\n%s", text)
	}
	if added["repairs of dev"] != len(sites) {
		t.Errorf("%d repairs of dev, want one for each node", added["repairs of dev"])
	}
}
