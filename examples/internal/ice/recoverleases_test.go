package ice

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// A node whose kubelet is not heard is named when the length of an outage is asked for; that it is renewed, not known or that
// the site is silent is told too. None of it bounds the outage.
func TestLeasesAreEvidenceInWords(t *testing.T) {
	d, servers := onServers(t, good, Options{})
	for _, server := range servers {
		server.put("/version", table{"major": "1"})
	}
	lease := func(site geored.SiteName, renewed time.Time) {
		node := d.perNode()[d.index(site)].Name
		servers[site].put("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/"+node, table{"kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
			"metadata": table{"name": node}, "spec": table{"renewTime": renewed.UTC().Format("2006-01-02T15:04:05.000000Z")}})
	}
	looks := func() (says [2]string) {
		for i, e := range d.ofNodes(t.Context(), "lease", d.lease) {
			if !e.Apart.IsZero() || !e.Joined.IsZero() {
				t.Errorf("a bound: %s", e)
			}
			says[i] = e.String()
		}
		return says
	}
	now := time.Now()
	lease("dc1", now)
	lease("dc2", now.Add(-time.Hour))
	if says := looks(); !strings.Contains(says[0], "it is renewed") || !strings.Contains(says[1], "1h0m0s ago") || !strings.Contains(says[1], clockText(now.Add(-time.Hour))) {
		t.Error(says)
	}
	servers["dc2"].silent = true
	if says := fmt.Sprint(looks()); !strings.Contains(says, "lease of dc2") || !strings.Contains(says, "not known: ") {
		t.Error(says)
	}
}
