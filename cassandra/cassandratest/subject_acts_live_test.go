//go:build lab

package cassandratest_test

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/gocql/gocql"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

// eventually wants something within a minute.
func (s *subject) eventually(what string, is func() bool) {
	s.t.Helper()
	for began := time.Now(); !is(); time.Sleep(200 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			s.t.Fatalf("not so after a minute: %s", what)
		}
	}
}

// write writes rows through the first site's node.
func (s *subject) write(table cassandra.Table, rows int) {
	s.t.Helper()
	session, err := cql(s.t, s.ring, 0, gocql.LocalOne)
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	for i := range rows {
		if err := session.Query(fmt.Sprintf("INSERT INTO %s (id, v) VALUES (?, ?)", table), int64(i), "x").Exec(); err != nil {
			s.t.Fatal(err)
		}
	}
	if n := s.rows(0, table); n != rows {
		s.t.Fatalf("the first site has %d rows, not %d", n, rows)
	}
}

func (s *subject) rows(site int, table cassandra.Table) int {
	s.t.Helper()
	return ask[int](s, site, "SELECT COUNT(*) FROM "+table.String())
}

// leave takes the second site's node away from the others, as a stop does, and gives what brings it back.
func (s *subject) leave() (back func()) {
	s.nodetool(s.t, 1, 0, "disablebinary")
	s.nodetool(s.t, 1, 0, "disablegossip")
	s.eventually("the first site calls the node down", func() bool { return s.status(0) != "all nodes UN" })
	return func() {
		s.nodetool(s.t, 1, 0, "enablegossip")
		s.nodetool(s.t, 1, 0, "enablebinary")
	}
}

// Run runs nodetool beside a node.
func (s *subject) Run(ctx context.Context, n cassandra.Node, args ...string) (string, error) {
	for _, site := range s.ring.Sites {
		for _, node := range site.Nodes {
			if node.Address == n.Address.String() {
				output, err := exec.CommandContext(ctx, node.Nodetool[0], append(node.Nodetool[1:], args...)...).CombinedOutput()
				return string(output), err
			}
		}
	}
	return "", fmt.Errorf("no node %s", n.Address)
}

// carryOut runs one stage and wants every step done.
func (s *subject) carryOut(stage geored.Stage) geored.Result {
	s.t.Helper()
	result, err := geored.Runbook{Name: stage.Name, Stages: []geored.Stage{stage}}.Run(s.t.Context(), geored.RunConfig{})
	if err != nil || result.Count(geored.Changed, geored.Unchanged) != len(stage.Outline) {
		s.t.Fatalf("%+v: %v", result, err)
	}
	return result
}
