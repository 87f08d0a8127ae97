package ice

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// opened is a deployment of two sites that answer nobody.
func opened(t *testing.T) *Deployment {
	t.Helper()
	topology, err := ParseTopology([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, site := range []string{"dc1", "dc2"} {
		file := "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: c, context: {cluster: c}}]\n"
		if err := os.WriteFile(filepath.Join(dir, site+".kubeconfig"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Open(topology.In(dir), Options{Images: Images{Probe: "registry.example.org/probe:1"}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Killed anywhere, the installation goes on to the same end, and nothing is applied twice; so does taking it back.
func TestTheInstallationKilledAnywhere(t *testing.T) {
	book := opened(t).Install()
	for _, undo := range []bool{false, true} {
		points := geotest.KillAnywhere(t, func(testing.TB) geotest.Rehearsal {
			var world geotest.World
			var locks geored.MemoryLocks
			return geotest.Rehearsal{Runbook: func() geored.Runbook { return world.Like(book) }, Undo: undo,
				Config: geored.RunConfig{Lock: locks.Lock("it", geored.Holder{})}, Effects: world.Effects, State: world.State}
		})
		if points < 5*len(book.Steps()) {
			t.Errorf("undo %t: only %d points for %d steps", undo, points, len(book.Steps()))
		}
	}
}

// Every step says what it would apply, or what must come first, and how a person would do it.
func TestThePlanCanBeFollowedByHand(t *testing.T) {
	plan, err := opened(t).Install().Plan(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range plan.Steps() {
		if step.Action == geored.Await {
			continue
		}
		if step.Wanted == "" && len(step.Given) == 0 {
			t.Errorf("%s: nothing says what it applies", step.ID)
		}
		if len(step.Manual) == 0 || len(step.ManualUndo) == 0 && step.Permanent == "" {
			t.Errorf("%s: no commands to do it by hand, or to take it back", step.ID)
		}
	}
	var text strings.Builder
	if err := plan.WriteText(&text); err != nil || !strings.Contains(text.String(), "kubectl --kubeconfig dc1.kubeconfig") {
		t.Errorf("%v\n%s", err, text.String())
	}
}
