package ice

import (
	"strings"
	"testing"

	"github.com/georedkit/georedkit/mesh/kilo"
)

func TestEachSiteStandsFirstInItsOwnDNS(t *testing.T) {
	d := opened(t)
	for site, want := range map[string]string{"dc1": "dc1 dc2", "dc2": "dc2 dc1"} {
		values := d.dnsValues(d.site("dc1").Name)
		if site == "dc2" {
			values = d.dnsValues(d.site("dc2").Name)
		}
		if got := strings.Join(names(lookup(values, "config", "multidatacenter", "dcs")), " "); got != want {
			t.Errorf("site %s: %s", site, got)
		}
		if got := lookup(values, "config", "multidatacenter", "currentDC"); got != site {
			t.Errorf("site %s: currentDC %v", site, got)
		}
	}
}

// What is asked of an operator is what the program does, under the same names and versions.
func TestEveryStepSaysWhyAndWhatToType(t *testing.T) {
	d := opened(t)
	book := d.Install()
	if err := book.Validate(); err != nil {
		t.Fatal(err)
	}
	steps := book.Steps()
	for _, step := range steps {
		if step.Reason == "" || len(step.Manual) == 0 {
			t.Errorf("step %s: reason %q, manual %q", step.ID, step.Reason, step.Manual)
		}
	}
	for id, want := range map[string]string{
		"kilo/dc1/part1":     "helm --kubeconfig dc1.kubeconfig upgrade -i kilo-dc1 REPOSITORY/ice-kilo --version 2.0.10 -f kilo/kilo_dc1_part1.json",
		"peers/dc2/part2":    "helm --kubeconfig dc2.kubeconfig upgrade -i kilo-dc2 REPOSITORY/ice-kilo --version 2.0.10 -f kilo/kilo_dc2_part2.json --set config.enablePeers=true",
		"annotate/dc1/dc1-1": "kubectl --kubeconfig dc1.kubeconfig annotate --overwrite node dc1-1 " + kilo.ForceEndpoint + "=192.168.1.105:51820",
	} {
		found := false
		for _, step := range steps {
			found = found || string(step.ID) == id && step.Manual[0] == want
		}
		if !found {
			t.Errorf("no step %s says %q", id, want)
		}
	}
}
