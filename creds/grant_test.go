package creds_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
)

func base64Std(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// table is CoreDNS in every site, reading every other, and MultiCassKop in the first.
func table(sites ...geored.SiteName) []creds.Consumer {
	var consumers []creds.Consumer
	for i, site := range sites {
		var others []geored.SiteName
		for _, other := range sites {
			if other != site {
				others = append(others, other)
			}
		}
		consumers = append(consumers, creds.Consumer{Name: "coredns", Site: site, Namespace: "kube-system", Workload: "deployment/coredns", Reading: creds.ReadsOnce, Sources: others, Account: coredns})
		if i == 0 {
			consumers = append(consumers, creds.Consumer{Name: "multi-casskop", Site: site, Namespace: "ice-cassandra", Workload: "deployment/multi-casskop", Reading: creds.ReadsOnce,
				Sources: others, Account: creds.Account{Namespace: "ice-cassandra", Name: "cassandra-operator"}})
		}
	}
	return consumers
}

func TestNobodyReceivesWhatItDoesNotRead(t *testing.T) {
	for _, sites := range [][]geored.SiteName{{"dc1", "dc2"}, {"dc1", "dc2", "dc3"}, {"dc1", "dc2", "dc3", "dc4", "dc5"}} {
		grants, err := creds.Plan(table(sites...))
		n := len(sites)
		if err != nil || len(grants) != n*(n-1)+n-1 {
			t.Fatalf("%d sites: %d grants, %v", n, len(grants), err)
		}
		for _, g := range grants {
			if g.Source == g.To() || g.Secret != string(g.Source) || g.Consumer.Name == "multi-casskop" && g.To() != "dc1" {
				t.Errorf("%d sites: %s", n, g)
			}
		}
	}
	grants, err := creds.Plan(table("dc1", "dc2"))
	if err != nil {
		t.Fatal(err)
	}
	operator := creds.Account{Namespace: "ice-cassandra", Name: "cassandra-operator"}
	found := []creds.Copy{
		{Site: "dc2", Namespace: "kube-system", Name: "dc1", Account: coredns},
		{Site: "dc1", Namespace: "kube-system", Name: "dc1", Account: coredns},    // the guide's copy of what is the site's own
		{Site: "dc2", Namespace: "ice-cassandra", Name: "dc1", Account: operator}, // and for an operator that does not run there
		{Site: "dc2", Namespace: "kube-system", Name: "dc1", Account: operator},   // right place, wrong account
		{Site: "dc1", Namespace: "ice-cassandra", Name: "dc2", Account: operator},
	}
	if got := creds.Surplus(grants, found); fmt.Sprint(got) != fmt.Sprint(found[1:4]) {
		t.Errorf("surplus: %v", got)
	}
}

func TestPlanNamesEveryFault(t *testing.T) {
	cases := map[string]struct {
		change func(*creds.Consumer)
		want   string
	}{
		"own site":      {func(c *creds.Consumer) { c.Sources = []geored.SiteName{"dc1"} }, "site dc1: consumer coredns: sources dc1: is its own site"},
		"twice":         {func(c *creds.Consumer) { c.Sources = []geored.SiteName{"dc2", "dc2"} }, "sources dc2: stands twice"},
		"none":          {func(c *creds.Consumer) { c.Sources = nil }, "sources: names none"},
		"reading":       {func(c *creds.Consumer) { c.Reading = "" }, "reading: is neither once nor file"},
		"no restart":    {func(c *creds.Consumer) { c.Workload = "pod/x" }, "workload pod/x: cannot be restarted"},
		"no mount":      {func(c *creds.Consumer) { c.Reading = creds.ReadsFile }, "mountPath: is no absolute path"},
		"no account":    {func(c *creds.Consumer) { c.Account.Name = "" }, "account kube-system/: is no service account"},
		"no namespace":  {func(c *creds.Consumer) { c.Namespace = "" }, "namespace: is no namespace"},
		"no site":       {func(c *creds.Consumer) { c.Site = "DC1" }, "site DC1: is not the name of a site"},
		"shared Secret": {func(c *creds.Consumer) { c.Namespace = "ice-cassandra" }, "secret ice-cassandra/dc2: is that of consumer"},
		"same name":     {func(c *creds.Consumer) { c.Namespace, c.Name = "ice-cassandra", "multi-casskop" }, "consumer multi-casskop: stands twice"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			consumers := table("dc1", "dc2")
			c.change(&consumers[0])
			if _, err := creds.Plan(consumers); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
}

func rotation(t *testing.T) creds.Rotation {
	t.Helper()
	grants, err := creds.Plan(table("dc1", "dc2", "dc3")[2:])
	if err != nil {
		t.Fatal(err)
	}
	r := creds.Rotation{Source: "dc1", Account: coredns, Generation: 2}
	for _, g := range grants {
		if g.Source == "dc1" {
			r.Grants = append(r.Grants, g)
		}
	}
	return r
}

// The new token works everywhere before the old one dies: each phase is a stage of its own, and refusing stands after
// every restart.
func TestRotationOverlaps(t *testing.T) {
	r := rotation(t)
	if faults := r.Faults(); len(faults) > 0 {
		t.Fatal(faults)
	}
	var runbook geored.Runbook
	var lines []string
	for _, phase := range creds.Phases() {
		steps := r.Steps(phase)
		runbook.Stages = append(runbook.Stages, geored.Stage{Name: string(phase), Outline: steps})
		for _, s := range steps {
			lines = append(lines, fmt.Sprintf("%s %s: %s %s", phase, s.Site, s.Action, s.Target))
		}
	}
	if err := runbook.Validate(); err != nil {
		t.Error(err)
	}
	want := `mint dc1: apply secret kube-system/coredns-token-2
import dc2: copy secret kube-system/dc1
import dc3: copy secret kube-system/dc1
reload dc2: restart deployment/coredns in kube-system
reload dc3: restart deployment/coredns in kube-system
refuse dc1: execute tokens of kube-system/coredns before generation 2
discard dc1: delete token secrets of kube-system/coredns before generation 2`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRotationFaults(t *testing.T) {
	r := rotation(t)
	r.Generation, r.Source = 0, "dc3"
	r.Grants[0].Consumer.Reading = creds.ReadsFile
	text := r.Faults().Error()
	for _, want := range []string{"generation 0: is below 1", "is of another account", "reads a file"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s\nwant %s", text, want)
		}
	}
	if text := (creds.Rotation{}).Faults().Error(); !strings.Contains(text, "grants: are none") {
		t.Error(text)
	}
}

func TestLife(t *testing.T) {
	life := creds.Life{Issued: now, Expires: now.Add(10 * time.Hour)}
	for after, want := range map[time.Duration]creds.Age{0: creds.Alive, 8 * time.Hour: creds.Alive, 8*time.Hour + 1: creds.Expiring, 10*time.Hour - 1: creds.Expiring, 10 * time.Hour: creds.Expired} {
		if got := life.At(now.Add(after), 2*time.Hour); got != want {
			t.Errorf("after %s: %s, want %s", after, got, want)
		}
	}
	if got := (creds.Life{}).At(now, time.Hour); got != creds.Alive {
		t.Errorf("without end: %s", got)
	}
	if got := life.RenewAt(); !got.Equal(now.Add(8 * time.Hour)) {
		t.Errorf("renewed at %s", got)
	}
	if got := (creds.Life{Expires: now}).RenewAt(); !got.IsZero() {
		t.Errorf("without beginning: %s", got)
	}
}
