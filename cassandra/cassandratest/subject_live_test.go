//go:build lab

package cassandratest_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
)

// subject is a real ring of two sites with one node each, under faults.
type subject struct {
	*cassandratest.Live
	ring
	t       *testing.T
	cluster *cassandra.Cluster
	name    string // of the fault, as the table of faults has it
}

type fault struct {
	name string
	run  func(*subject)
}

// faults puts real faults on a real ring: each is first shown to bite by other means than the check's own, then found,
// then cured.
func faults(t *testing.T, r ring, all []fault) {
	for i, f := range all {
		t.Run(f.name, func(t *testing.T) {
			config := r.config(t)
			config.ConnectTimeout, config.Timeout = 3*time.Second, 20*time.Second
			s := &subject{ring: r, t: t, cluster: open(t, config), name: f.name}
			s.settled()
			s.Live = cassandratest.NewLive(t, r.config(t), 1)
			if f.run(s); i == len(all)-1 {
				s.settled() // the others are followed by one that wants it so
			}
		})
	}
}

// settled wants the ring healthy within two minutes: nodes that missed a change of the schema ask for it after one.
func (s *subject) settled() {
	s.t.Helper()
	var last geored.Report
	for began := time.Now(); time.Since(began) < 2*time.Minute; {
		last = s.prove(cassandra.CheckNodes, cassandra.CheckView, cassandra.CheckGossip, cassandra.CheckSchema)
		if last.Verdict() == geored.Pass {
			return
		}
	}
	s.t.Fatalf("the ring does not become healthy: %+v", last.Findings)
}

func (s *subject) prove(ids ...geored.CheckID) geored.Report {
	s.t.Helper()
	checks := slices.DeleteFunc(s.cluster.Checks(), func(c geored.Check) bool { return !slices.Contains(ids, c.ID) })
	report, err := geored.Prove(s.t.Context(), geored.CheckConfig{}, checks...)
	if err != nil {
		s.t.Fatal(err)
	}
	return report
}

// want holds several checks, which share one look at the ring, to a verdict each.
func (s *subject) want(all map[geored.CheckID]geored.Verdict) geored.Report {
	s.t.Helper()
	report := s.prove(slices.Collect(maps.Keys(all))...)
	for id, want := range all {
		var verdicts []geored.Verdict
		for _, f := range report.Findings {
			if f.Check == id {
				verdicts = append(verdicts, f.Verdict)
			}
		}
		if got := geored.Join(verdicts...); got != want {
			s.t.Errorf("%s: %s, want %s: %+v", id, got, want, report.Findings)
		}
	}
	return report
}

// impatient gives up early on nodes that say nothing.
func (s *subject) impatient() {
	config := s.ring.config(s.t)
	config.ConnectTimeout, config.Timeout = 2*time.Second, 3*time.Second
	s.cluster = open(s.t, config)
}

// shows holds what the guide's check and ours say of the fault to the table that the README shows.
func (s *subject) shows(guide, ours string) {
	s.t.Helper()
	table, err := os.ReadFile("testdata/faults.md")
	if err != nil {
		s.t.Fatal(err)
	}
	if row := fmt.Sprintf("| %s | %s | %s |", s.name, guide, ours); !strings.Contains(string(table), row+"\n") {
		s.t.Errorf("the table of faults has no row\n%s", row)
	}
}

// status is what the guide wants looked at: nodetool status through each site, where every node should be UN.
func (s *subject) status(sites ...int) string {
	s.t.Helper()
	for _, site := range sites {
		if status := s.nodetool(s.t, site, 0, "status"); strings.Count(status, "\nUN ") != 2 {
			return "a node is not UN"
		}
	}
	return "all nodes UN"
}

// ask puts one question with one answer to one site's node.
func ask[T any](s *subject, site int, statement string) T {
	s.t.Helper()
	return askAt[T](s, site, gocql.LocalOne, statement)
}

func askAt[T any](s *subject, site int, consistency gocql.Consistency, statement string) T {
	s.t.Helper()
	session, err := cql(s.t, s.ring, site, consistency)
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	var answer T
	if err := session.Query(statement).Scan(&answer); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
	return answer
}

func (s *subject) table(name string, grace int) cassandra.Table {
	name = fmt.Sprintf("%s_%d", name, time.Now().UnixNano())
	s.CreateTable(cassandratest.Table{Keyspace: "dev", Name: name, GCGrace: grace, Columns: []cassandratest.Column{
		{Name: "id", Type: "bigint", Kind: cassandratest.PartitionKey}, {Name: "v", Type: "text"},
	}})
	s.t.Cleanup(func() { // the test's own context has ended by then
		session, err := cql(s.t, s.ring, 0, gocql.LocalOne)
		if err != nil {
			s.t.Error(err)
			return
		}
		defer session.Close()
		if err := session.Query("DROP TABLE IF EXISTS dev." + name).Exec(); err != nil {
			s.t.Error(err)
		}
	})
	return cassandra.Table{Keyspace: "dev", Name: name}
}

func (s *subject) compare(table cassandra.Table) cassandra.Comparison {
	s.t.Helper()
	x, err := s.cluster.Compare(s.t.Context(), cassandra.Comparing{Reading: cassandra.Reading{Table: table}, Settle: 100 * time.Millisecond})
	if err != nil {
		s.t.Fatal(err)
	}
	return x
}
