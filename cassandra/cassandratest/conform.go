package cassandratest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

// Subject is a ring that [Conform] runs on: a [Ring], a [Live] one, or a user's own, for instance with sessions of
// another driver in Config.Connect. It has two sites or more, all healthy, and makes tables in keyspace "dev".
type Subject interface {
	Config() cassandra.Config
	CreateTable(Table)
	// Insert writes one row to every replica of every site, with one write time.
	Insert(table string, values ...any)
	// InsertAt writes one row to the replicas of one site and to no other.
	InsertAt(site geored.SiteName, table string, values ...any)
}

// Conform holds package cassandra on this subject to what it promises. Each test makes tables of its own, named after
// the time, so that the suite can run on one ring again.
func Conform(t *testing.T, s Subject) {
	c := &conformance{Subject: s, stamp: time.Now().UnixNano()}
	c.cluster = c.open(t, s.Config())
	for _, test := range []struct {
		name string
		run  func(*conformance, *testing.T)
	}{
		{"a healthy ring passes every check of its nodes", (*conformance).ring},
		{"equal rows are equal", (*conformance).equal},
		{"a row that one site lacks is named", (*conformance).missing},
		{"a cell that differs is named with its direction", (*conformance).different},
		{"null, empty and absent are told apart", (*conformance).empty},
		{"composite keys, statics and collections", (*conformance).composite},
		{"all native types", (*conformance).types},
		{"one row more in a site is counted", (*conformance).count},
		{"an earlier comparison is gone on with", (*conformance).resume},
		{"several tables in one call", (*conformance).several},
		{"what an outage asks for", (*conformance).limits},
		{"what does not exist is named", (*conformance).unknown},
		{"a wrong password is said and not shown", (*conformance).credentials},
		{"TLS where none is spoken is said, and none where it is", (*conformance).tls},
		{"a data center that does not exist is named", (*conformance).misspelt},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(c, t) })
	}
}

type conformance struct {
	Subject
	cluster *cassandra.Cluster
	stamp   int64
	tables  int
}

func (c *conformance) open(t *testing.T, config cassandra.Config) *cassandra.Cluster {
	t.Helper()
	cluster, err := cassandra.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func (c *conformance) table(columns ...Column) cassandra.Table {
	c.tables++
	name := fmt.Sprintf("conform_%d_%d", c.stamp, c.tables)
	c.CreateTable(Table{Keyspace: "dev", Name: name, Columns: columns})
	return cassandra.Table{Keyspace: "dev", Name: name}
}

func (c *conformance) plainTable() cassandra.Table {
	return c.table(Column{"id", "bigint", PartitionKey}, Column{"v", "text", Regular}, Column{"n", "int", Regular})
}

func (c *conformance) sites() (first geored.SiteName, others []geored.SiteName) {
	for _, s := range c.Config().Sites {
		others = append(others, s.Name)
	}
	return others[0], others[1:]
}

// compare compares every replica, quickly.
func (c *conformance) compare(t *testing.T, table cassandra.Table) cassandra.Comparison {
	t.Helper()
	x, err := c.cluster.Compare(t.Context(), c.how(table))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (c *conformance) how(table cassandra.Table) cassandra.Comparing {
	return cassandra.Comparing{
		Reading:      cassandra.Reading{Table: table, Ranges: 8, PageSize: 50},
		EveryReplica: true, Settle: 10 * time.Millisecond,
	}
}

func (c *conformance) ring(t *testing.T) {
	cluster := c.cluster
	if _, err := cluster.AwaitSchema(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	report, err := geored.Prove(t.Context(), geored.CheckConfig{}, cluster.Checks()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		ours := f.Check != cassandra.CheckReplication || strings.Contains(f.Message, "dev") || strings.Contains(f.Message, "system_auth")
		if ours && f.Verdict != geored.Pass {
			t.Errorf("%s: %s: %s: %v", f.Check, f.Verdict, f.Message, f.Evidence)
		}
		if len(f.Asked) == 0 {
			t.Errorf("%s: nobody was asked: %s", f.Check, f.Message)
		}
	}
}
