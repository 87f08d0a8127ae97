//go:build lab

package cassandratest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

// ring is what the laboratory says of a real ring.
type ring struct {
	Sites []struct {
		Name  geored.SiteName
		Nodes []struct {
			Address  string
			Process  int
			Nodetool []string
		}
	}
	User, PasswordFile string
}

// start starts a real ring for a test.
func start(t testing.TB, args ...string) ring {
	t.Helper()
	var r ring
	labtest.Servers(t, &r, "cassandra", args...)
	return r
}

func (r ring) config(t testing.TB) cassandra.Config {
	t.Helper()
	password, err := os.ReadFile(r.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	c := cassandra.Config{User: r.User, Password: cassandra.Password(password)}
	for _, s := range r.Sites {
		c.Sites = append(c.Sites, cassandra.Site{Name: s.Name, Nodes: []string{s.Nodes[0].Address}})
	}
	return c
}

// nodetool runs nodetool on a node and gives what it printed.
func (r ring) nodetool(t testing.TB, site, node int, args ...string) string {
	t.Helper()
	command := r.Sites[site].Nodes[node].Nodetool
	output, err := exec.CommandContext(t.Context(), command[0], append(command[1:], args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("nodetool %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

func TestConformLive(t *testing.T) {
	for _, test := range []struct {
		name     string
		replicas int
		args     []string
	}{
		{"4.1", 1, []string{"-version", "4.1"}},
		{"4.1, two nodes in each site", 2, []string{"-version", "4.1", "-nodes", "2"}},
		{"5.0", 1, []string{"-version", "5.0"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, test.args...)
			cassandratest.Conform(t, cassandratest.NewLive(t, r.config(t), test.replicas))
		})
	}
}
