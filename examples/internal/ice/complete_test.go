package ice

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// nodesFromTheClusters is the good topology with its nodes left out.
var nodesFromTheClusters = regexp.MustCompile(`(?m)^    nodes:\n.*\n`).ReplaceAllString(good, "")

// halfSilent is a deployment of two sites, of which dc2 gives no answer.
func halfSilent(t *testing.T, o Options) (*Deployment, *apiServer) {
	t.Helper()
	d, servers := onServers(t, nodesFromTheClusters, o)
	for i, site := range []geored.SiteName{"dc1", "dc2"} {
		servers[site].put("/api/v1/nodes/"+string(site)+"-1", table{"kind": "Node", "apiVersion": "v1", "metadata": table{"name": string(site) + "-1"},
			"spec":   table{"podCIDR": fmt.Sprintf("10.%d.0.0/24", 90+30*i), "podCIDRs": []string{fmt.Sprintf("10.%d.0.0/24", 90+30*i)}},
			"status": table{"addresses": []table{{"type": "InternalIP", "address": fmt.Sprintf("192.168.1.%d", 105+i)}}}})
	}
	servers["dc2"].silent = true
	return d, servers["dc2"]
}

// What changes sites is refused while one is silent, which is no fault of the topology; when it answers all is read.
func TestASilentSiteIsNoFaultyTopology(t *testing.T) {
	d, dc2 := halfSilent(t, Options{})
	err := d.Complete(t.Context())
	var silent geored.Silence
	if !errors.As(err, &silent) || silent.Target != (geored.Target{Site: "dc2"}) || !strings.Contains(err.Error(), "dc2.kubeconfig") {
		t.Fatalf("%v", err)
	}
	if faults, ok := geored.AsFaults(err); ok {
		t.Errorf("the topology is at fault: %v", faults)
	}
	dc2.silent = false
	if err := d.Complete(t.Context()); err != nil || len(d.perNode()) != 2 || d.Silent() != nil {
		t.Errorf("it answers again: %v, %v", err, d.perNode())
	}
}

// What only reads goes on without a site that is silent. Nothing is told as well that the site might have told otherwise, also
// when it answers again before it is asked, and nothing is told as wrong that might be right.
func TestWhatOnlyReadsGoesOnWithoutASilentSite(t *testing.T) {
	for _, back := range []bool{false, true} {
		d, dc2 := halfSilent(t, Options{ReadOnly: true})
		if err := d.Complete(t.Context()); err != nil {
			t.Fatal(err)
		}
		dc2.silent = !back
		report, err := geored.Prove(t.Context(), geored.CheckConfig{Budget: 20 * time.Second}, d.Checks()...)
		if err != nil {
			t.Fatal(err)
		}
		answered, answers := false, map[string]geored.Finding{}
		for _, f := range report.Findings {
			answers[strings.TrimSpace(fmt.Sprintf("%s %s", f.Check, f.Site))] = f
			answered = answered || f.Site == "dc1" && f.Verdict == geored.Pass
			if !back && f.Site == "dc2" && f.Verdict != geored.Unknown && !slices.Contains(asksNobody, f.Check) {
				t.Errorf("%s is %s at the site that is silent: %s", f.Check, f.Verdict, f.Message)
			}
		}
		if f := answers[string(CheckAnswers)+" dc2"]; f.Verdict != geored.Unknown || len(f.Unanswered) != 1 || !strings.Contains(f.Remedy, "dc2.kubeconfig") {
			t.Errorf("back %t: %+v", back, f)
		}
		if !answered || answers[string(CheckAnswers)+" dc1"].Verdict != geored.Pass {
			t.Errorf("back %t: the site that answers was not asked", back)
		}
		for _, what := range []string{string(CheckWireGuard) + " dc2", "site/clock", string(CheckDriftPlan), string(meshkube.CheckKiloNodes), "guide/4.2.5-wg dc2"} {
			if f, found := answers[what]; !found || f.Verdict != geored.Unknown {
				t.Errorf("back %t: %s is %s: %s", back, what, f.Verdict, f.Message)
			}
		}
	}
}
