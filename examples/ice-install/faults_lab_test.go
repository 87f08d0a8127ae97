//go:build lab

package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// finds looks until a check fails as it should: some faults take a while to show, Kilo's check-ins half a minute.
func (l *lab) finds(check geored.CheckID, where, words string) {
	l.t.Helper()
	labtest.Until(l.t, fmt.Sprintf("%s %s that fails with %q", check, where, words), func() error {
		return l.says(check, where, geored.Fail, words)
	})
}

// misses looks until a check is unknown because somebody does not answer; before each look the fault is done again, if it
// does not last.
func (l *lab) misses(check geored.CheckID, where string, again func() error) {
	l.t.Helper()
	labtest.Until(l.t, fmt.Sprintf("%s %s that gets no answer", check, where), func() error {
		if err := again(); err != nil {
			return err
		}
		return l.says(check, where, geored.Unknown, "answers are right") // of those that came
	})
}

// says is nil when a check says so of a site, or of the way between two.
func (l *lab) says(check geored.CheckID, where string, verdict geored.Verdict, words string) error {
	l.t.Helper()
	c := l.call("-check")
	if c.code == 2 {
		return errors.New(c.stderr) // a site that is busy
	}
	var seen []string
	for _, f := range c.report(l.t).Findings {
		at := strings.TrimSpace(fmt.Sprintf("%s %s", f.Site, f.To))
		if f.Verdict == geored.Pass || f.Verdict == geored.Skipped {
			continue
		}
		seen = append(seen, fmt.Sprintf("%s %s: %s: %s %q", f.Check, at, f.Verdict, f.Message, f.Evidence))
		if f.Check == check && at == where && f.Verdict == verdict && strings.Contains(fmt.Sprint(f.Message, f.Evidence), words) && (c.code == 1 || verdict == geored.Unknown && c.code == 4) {
			return nil
		}
	}
	return fmt.Errorf("exit code %d\n%s", c.code, strings.Join(seen, "\n"))
}

// nameServerNode is the node on which a site's name server runs: it moves when its node is lost.
func (l *lab) nameServerNode(site geored.SiteName) string {
	l.t.Helper()
	pods, err := l.cluster(site).Client().CoreV1().Pods("kube-system").List(l.t.Context(), metav1.ListOptions{LabelSelector: nameServers})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil && pod.Spec.NodeName != "" {
			return pod.Spec.NodeName
		}
	}
	l.t.Fatalf("site %s has no name server", site)
	return ""
}

const nameServers = "app.kubernetes.io/name=ice-coredns"

// Every fault of the laboratory that lies in the network half of an installation, by its name: found by the check that is
// there for it, with the words that tell what it is; and when it is mended, everything passes.
func TestEveryFaultIsFound(t *testing.T) {
	l := nodeLab(t)
	l.installed()
	for _, c := range []struct {
		fault, cure  string
		check        geored.CheckID
		where, words string
	}{
		{"cut dc1 dc2", "mend", meshkube.CheckHandshake, "dc1 dc2", "packets leave and none comes back"},
		{"cut-oneway dc1 dc2", "mend", meshkube.CheckHandshake, "dc2 dc1", ""},
		{"hole dc1 dc2", "mend", meshkube.CheckPathMTU, "dc1 dc2", "do not, though its MTU is 1420"},
		{"lose-node dc2/dc2-2", "return-node dc2/dc2-2", meshkube.CheckKiloNodes, "dc2", "node dc2-2: Kilo checked in"},
		{"second-dns dc1", "one-dns dc1", ice.CheckNameServers, "dc1", "2 deployments stand behind the Service"},
		{"skew dc2 kilo -300", "unskew dc2 kilo", meshkube.CheckKiloNodes, "dc2", "node dc2-1: Kilo checked in"},
		// It takes the others for dead and is cut off, until they take it for dead too: before its pods are evicted, after five minutes.
		{"skew dc2/dc2-2 kilo 200", "unskew dc2/dc2-2 kilo", meshkube.CheckKiloNodes, "dc2", "node dc2-2: its last check-in lies"},
		{"stale-dns dc1 dc2 georedkit", "fresh-dns dc1 dc2 georedkit", "dns/headless", "dc1", "is in site dc2, where the name does not lead to it now"},
		{"revoke-token dc2", "unrevoke-token dc2", credskube.CheckAccepted, "dc1 dc2", "refuses the token"},
		{"expire-token dc2", "unexpire-token dc2", credskube.CheckAccepted, "dc1 dc2", "refuses the token"},
		{"skew dc1 kube-apiserver 120", "unskew dc1 kube-apiserver", "site/clock", "", "dc1 API server is 2m"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			l := l.in(t)
			fault, cure := strings.Fields(c.fault), strings.Fields(c.cure)
			l.fault(fault[0], fault[1:]...)
			l.finds(c.check, c.where, c.words)
			l.fault(cure[0], cure[1:]...)
			l.heals()
		})
	}
	// What is late, or asked through a cache, is no fault of the installation.
	for _, c := range []struct{ fault, cure string }{{"delay dc1 dc2 100", "mend"}, {"drop-icmp dc1", "mend"}, {"node-local-dns dc1", "no-node-local-dns dc1"}} {
		t.Run(c.fault, func(t *testing.T) {
			l := l.in(t)
			fault, cure := strings.Fields(c.fault), strings.Fields(c.cure)
			l.fault(fault[0], fault[1:]...)
			l.heals()
			l.fault(cure[0], cure[1:]...)
		})
	}
	t.Run("a name server that stands still", func(t *testing.T) {
		l := l.in(t)
		at := "dc2/" + l.nameServerNode("dc2")
		// Its liveness probe has it started again after 50 seconds: that is its cure.
		l.misses("dns/own-api", "dc2", func() error {
			_, err := l.running().Fault(t.Context(), "pause", at, "coredns")
			return err
		})
		l.heals()
	})
	t.Run("a key that changed is healed by the next run", func(t *testing.T) {
		l := l.in(t)
		for _, fault := range []string{"new-key", "old-key"} {
			l.fault(fault, "dc2/dc2-2")
			l.finds(meshkube.CheckKiloPeers, "dc1", "peer dc2-2: publicKey")
			l.installed()
		}
	})
	t.Run("a name server that waits for all sites, started while the other is cut off", func(t *testing.T) {
		l := l.in(t)
		l.fault("dns-waits-for-all", "dc1")
		l.fault("isolate", "dc1")
		none := int64(0)
		if err := l.cluster("dc1").Client().CoreV1().Pods("kube-system").DeleteCollection(t.Context(), metav1.DeleteOptions{GracePeriodSeconds: &none},
			metav1.ListOptions{LabelSelector: nameServers}); err != nil {
			t.Fatal(err)
		}
		l.misses("dns/own-api", "dc1", func() error { return nil })
		l.fault("mend")
		l.fault("dns-waits-for-own", "dc1")
		l.heals()
	})
	t.Run("a copied token whose life is over is healed by the next run", func(t *testing.T) {
		l := l.in(t)
		l.fault("expire-token", "dc2")
		l.finds(credskube.CheckCopies, "dc1 dc2", "expired at")
		l.installed()
		l.fault("unexpire-token", "dc2")
		l.heals()
	})
	t.Run("a site that is gone", func(t *testing.T) {
		l := l.in(t)
		l.fault("stop", "dc2")
		if c := l.call("-check"); c.code != 4 && c.code != 1 || !strings.Contains(c.stdout, "dc2 did not answer") {
			t.Errorf("exit code %d: %s", c.code, c.stderr)
		}
		if c := l.call(); c.code != 4 || !strings.Contains(c.stderr, "dc2 did not answer") {
			t.Errorf("a run: exit code %d: %s", c.code, c.stderr)
		}
		l.fault("start", "dc2")
		l.heals()
	})
}
