package ice

import (
	"os"
	"path/filepath"
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
