package cassandra_test

import (
	"strings"
	"testing"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
)

// byTrees compares with Merkle trees and gives how many rows of range reads each site answered.
func byTrees(t *testing.T, r *cassandratest.Ring, tool *cassandratest.Nodetool) cassandra.Comparison {
	t.Helper()
	how := quickly()
	how.Trees = tool
	return compare(t, r, how)
}

func TestTreesThatAgreeProveEveryReplicaWithoutReading(t *testing.T) {
	t.Parallel()
	r := seeded(t, two, cassandratest.NodesPerSite(2))
	tool := r.Nodetool()
	tool.LoseConnections(true) // the preview goes on and is watched
	x := byTrees(t, r, tool)
	if x.Equality != cassandra.Equal || x.Rows("dc1") != 0 || len(tool.Calls()) != 1 || !strings.Contains(tool.Calls()[0], "repair -full --preview dev changeset") {
		t.Fatalf("%s; calls %v", x, tool.Calls())
	}
	for _, c := range x.Coverage {
		if !c.IsFull() || c.Replicas != 2 {
			t.Error(c)
		}
	}
}

// 4.1 does not say where trees differ, so that everything is read; 5.0 does, so that only those ranges are.
func TestTreesThatDifferAreFollowedByReads(t *testing.T) {
	for version, all := range map[string]bool{"4.1.10": true, "5.0.9": false} {
		t.Run(version, func(t *testing.T) {
			r := seeded(t, two)
			for _, site := range two {
				r.Node(site, 0).SetVersion(version)
			}
			r.DeleteAt("dc2", "dev.changeset", 42)
			x := byTrees(t, r, r.Nodetool())
			if x.Equality != cassandra.Different || len(x.Differences) != 1 || x.Differences[0].Key != "id = 42" {
				t.Fatalf("%s; %s", x, x.Trees)
			}
			if rows := x.Rows("dc1"); all != (rows == 100) || rows == 0 {
				t.Errorf("%d rows were read: %s", rows, x.Trees)
			}
		})
	}
}

// Whatever keeps the trees from telling, rows are read, and with one replica of several that proves nothing.
func TestTreesThatDoNotTell(t *testing.T) {
	for name, test := range map[string]struct {
		fault func(*cassandratest.Ring, *cassandratest.Nodetool)
		want  string
	}{
		"it fails":               {func(_ *cassandratest.Ring, tool *cassandratest.Nodetool) { tool.FailRepairs("validation failed") }, "validation failed"},
		"a site is left out":     {func(_ *cassandratest.Ring, tool *cassandratest.Nodetool) { tool.LeaveOut("dc2") }, "took no part"},
		"repairs cannot be read": {func(r *cassandratest.Ring, _ *cassandratest.Nodetool) { closeEverywhere(r, "system_views.repairs") }, "system_views.repairs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := seeded(t, two, cassandratest.NodesPerSite(2))
			tool := r.Nodetool()
			if test.fault(r, tool); name == "a site is left out" {
				r.DeleteAt("dc2", "dev.changeset", 42) // which such a preview does not see
			}
			x := byTrees(t, r, tool)
			if x.Equality == cassandra.Equal || !strings.Contains(x.Trees, test.want) {
				t.Errorf("%s; trees: %s", x, x.Trees)
			}
			if x.Rows("dc1") != 100 {
				t.Errorf("%d rows were read", x.Rows("dc1"))
			}
		})
	}
}

func closeEverywhere(r *cassandratest.Ring, table string) {
	for _, site := range two {
		for i := range 2 {
			r.Node(site, i).CloseTable(table, true)
		}
	}
}

func TestSeveralTables(t *testing.T) {
	r := seeded(t, three)
	for _, name := range []string{"another", "third"} {
		r.CreateTable(cassandratest.Table{Keyspace: "dev", Name: name, Columns: []cassandratest.Column{{Name: "id", Type: "bigint", Kind: cassandratest.PartitionKey}, {Name: "v", Type: "text"}}})
		r.Insert("dev."+name, 1, "x")
	}
	r.CreateTable(cassandratest.Table{Keyspace: "dev", Name: "hits", Counter: true, Columns: []cassandratest.Column{{Name: "id", Type: "int", Kind: cassandratest.PartitionKey}}})
	c, tool := open(t, r.Config()), r.Nodetool()
	tables, err := c.Tables(t.Context(), "dev")
	if err != nil || len(tables) != 3 || tables[0].Name != "another" {
		t.Fatal(tables, err)
	}
	how := quickly()
	how.Trees = tool
	all, err := c.CompareAll(t.Context(), tables, how)
	if err != nil || all.Verdict() != geored.Pass || len(all) != 3 || len(tool.Calls()) != 1 {
		t.Fatal(all, err, tool.Calls())
	}
	r.InsertAt("dc3", "dev.third", 2, "only here")
	all, err = c.CompareAll(t.Context(), append(tables, cassandra.Table{Keyspace: "dev", Name: "none"}), how)
	faults, ok := geored.AsFaults(err)
	if !ok || len(faults) != 3 || all.Verdict() != geored.Fail || len(all) != 4 {
		t.Fatalf("%s: %v", all, err)
	}
	for i, want := range []cassandra.Equality{cassandra.Equal, cassandra.Equal, cassandra.Different, cassandra.Unproven} {
		if all[i].Equality != want {
			t.Errorf("%s; want %s", all[i], want)
		}
	}
	if _, err := c.Tables(t.Context(), "nowhere"); err == nil {
		t.Error("a keyspace that is not there has tables")
	}
	if v := (cassandra.Comparisons{}).Verdict(); v != geored.Unknown {
		t.Errorf("of nothing: %s", v)
	}
}
