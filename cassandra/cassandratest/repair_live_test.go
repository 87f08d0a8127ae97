//go:build lab

package cassandratest_test

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gocql/gocql"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

var repairFaults = []fault{
	{"Merkle trees", (*subject).trees},
	{"hint window passed, rows lost", (*subject).hintsDropped},
	{"a deletion that one site forgot", (*subject).resurrected},
	{"rows of one node lost with its disk", (*subject).diskLost},
}

// Trees that agree prove a table equal without a row being read; trees that differ are followed by reads.
func (s *subject) trees() {
	same, other := s.table("same", 0), s.table("other", 0)
	s.write(same, 50)
	s.write(other, 50)
	s.InsertAt("dc1", other.String(), int64(77), "only here")
	how := cassandra.Comparing{Trees: s, Settle: 100 * time.Millisecond}
	all, err := s.cluster.CompareAll(s.t.Context(), []cassandra.Table{same, other}, how)
	if err != nil || all[0].Equality != cassandra.Equal || all[0].Rows("dc1") != 0 || all[1].Equality != cassandra.Different {
		s.t.Fatalf("%s: %v", all, err)
	}
	if d := all[1].Differences; len(d) != 1 || d[0].Key != "id = 77" || all[1].Rows("dc1") == 0 {
		s.t.Errorf("%s; %v", all[1].Trees, d)
	}
	s.t.Logf("%s; %s; %d of 51 rows were read", all[0].Trees, all[1].Trees, all[1].Rows("dc1"))
	var records []cassandra.RepairRecord
	for _, node := range s.nodes() { // the one that was asked knows of it
		known, err := s.cluster.Repairs(s.t.Context(), node)
		if err != nil {
			s.t.Error(err)
		}
		records = append(records, known...)
	}
	if !slices.ContainsFunc(records, func(r cassandra.RepairRecord) bool { return r.Preview && slices.Contains(r.Tables, same.Name) }) {
		s.t.Errorf("no node knows of a preview: %+v", records)
	}
}

func (s *subject) nodes() []cassandra.Node {
	s.t.Helper()
	ring, err := s.cluster.Ring(s.t.Context())
	if err != nil || len(ring.Views) != 2 {
		s.t.Fatal(ring.Silent, err)
	}
	return []cassandra.Node{ring.Views[0].Node, ring.Views[1].Node}
}

func (s *subject) hintsDropped() {
	table := s.table("dropped", 0)
	s.nodetool(s.t, 0, 0, "setmaxhintwindow", "1000")
	defer s.nodetool(s.t, 0, 0, "setmaxhintwindow", "10800000")
	back := s.leave()
	time.Sleep(2 * time.Second) // beyond the window
	s.write(table, 100)
	back()
	s.settled()
	time.Sleep(12 * time.Second) // hints, if there were any, go out every 10 seconds
	lost := 100 - s.rows(1, table)
	if lost == 0 {
		s.t.Fatal("the fault does not bite: all rows arrived")
	}
	s.want(map[geored.CheckID]geored.Verdict{cassandra.CheckHints: geored.Pass}) // nothing waits: what is lost nobody remembers
	limits, err := s.cluster.Limits(s.t.Context())
	if cure, reasons := limits.Cure(3 * time.Second); err != nil || cure != cassandra.Repair {
		s.t.Errorf("%s %v: %v", cure, reasons, err)
	}
	x := s.compare(table)
	if x.Equality != cassandra.Different || len(x.Differences) != lost || !slices.Equal(x.Differences[0].Missing(), []geored.SiteName{"dc2"}) {
		s.t.Fatalf("%s; %d rows were lost, %d found", x, lost, len(x.Differences))
	}
	s.shows(s.status(0, 1)+", no hints waiting", "compare: different, each lost row named; limits: repair")
	plan := s.repaired(table)
	if result := s.carryOut(s.cluster.RepairStage(plan, s, 2*time.Minute)); result.Count(geored.Unchanged) != 2 {
		s.t.Errorf("the nodes do not remember their repairs: %+v", result)
	}
}

// repair repairs keyspace dev on every node, also where somebody repairs less of it meanwhile.
func (s *subject) repair() cassandra.RepairPlan {
	s.t.Helper()
	plan, err := s.cluster.PlanRepair(s.t.Context(), "dev", 0)
	if err != nil {
		s.t.Fatal(err)
	}
	tables, err := s.cluster.Tables(s.t.Context(), "dev")
	if err != nil || len(tables) == 0 {
		s.t.Fatal(tables, err)
	}
	s.nodetool(s.t, 0, 0, "repair", "-full", "-pr", "dev", tables[0].Name)
	if result := s.carryOut(s.cluster.RepairStage(plan, s, 2*time.Minute)); result.Count(geored.Changed) != 2 {
		s.t.Errorf("a repair of one table counts as one of the keyspace: %+v", result)
	}
	return plan
}

// A row that is deleted in one site only, and whose deletion is forgotten, comes back with a repair. A rebuild of the site
// that never heard of the deletion is the cure.
func (s *subject) resurrected() {
	table := s.table("deleted", 1)
	forget := func() {
		s.At("dc1", func() { s.Exec("DELETE FROM " + table.String() + " WHERE id = 2") })
		time.Sleep(2 * time.Second) // gc_grace
		s.nodetool(s.t, 0, 0, "flush", "dev", table.Name)
		s.nodetool(s.t, 0, 0, "compact", "dev", table.Name)
	}
	s.Insert(table.String(), int64(1), "stays")
	s.Insert(table.String(), int64(2), "goes")
	forget()
	limits, err := s.cluster.Limits(s.t.Context())
	if cure, reasons := limits.Cure(2 * time.Second); err != nil || cure != cassandra.Rebuild {
		s.t.Errorf("%s %v: %v", cure, reasons, err)
	}
	if _, err := s.cluster.PlanRepair(s.t.Context(), "dev", 2*time.Second); err == nil {
		s.t.Error("a repair was planned that brings deleted rows back")
	}
	x := s.compare(table)
	if x.Equality != cassandra.Different || len(x.Differences) != 1 || x.Differences[0].Key != "id = 2" || !slices.Equal(x.Differences[0].Missing(), []geored.SiteName{"dc1"}) {
		s.t.Fatalf("%s; %v", x, x.Differences)
	}
	s.shows(s.status(0, 1)+"; it says repair, which brings the row back", "compare: different, id = 2 missing in dc1; limits: rebuild")
	s.repair()
	if n := s.rows(0, table); n != 2 {
		s.t.Errorf("the fault does not bite: the deleted row did not come back with the repair, there are %d", n)
	}
	forget()
	hold := func(second int, what string) {
		s.t.Helper()
		if s.rows(0, table) != 1 || s.rows(1, table) != second {
			s.t.Errorf("%s: %d rows in dc1, %d in dc2, want 1 and %d", what, s.rows(0, table), s.rows(1, table), second)
		}
	}
	s.rebuildByHand()
	hold(1, "rebuilt by hand")
	s.crash()
	hold(2, "the trap does not bite: a crash replays what was given up")
	for range 2 { // a second rebuild must stream again, although the node remembers the first
		s.rebuild()
		hold(1, "rebuilt")
	}
	s.crash()
	hold(1, "rebuilt, and crashed")
}

// rebuildByHand rebuilds the second site without a restart of its node.
func (s *subject) rebuildByHand() {
	s.t.Helper()
	s.At("dc1", func() {
		s.nodetool(s.t, 1, 0, "flush", "dev")
		s.nodetool(s.t, 1, 0, "cleanup", "dev")
	})
	session, err := cql(s.t, s.ring, 1, gocql.LocalOne)
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	if err := session.Query("TRUNCATE system.available_ranges_v2").Exec(); err != nil {
		s.t.Fatal(err)
	}
	s.nodetool(s.t, 1, 0, "rebuild", "-ks", "dev", "--", "dc1")
}

// crash kills the second site's node and starts it again. All its tables are flushed before: these servers do not write
// their own when they change.
func (s *subject) crash() {
	s.t.Helper()
	s.nodetool(s.t, 1, 0, "flush")
	s.fault(s.t, http.MethodPost, "node-stopped", with(secondNode, "killed", "yes"))
	s.fault(s.t, http.MethodDelete, "node-stopped", secondNode)
	s.settled()
}

// A node that comes back without its rows is up, and knows nothing of what it lost.
func (s *subject) diskLost() {
	table := s.table("lost", 0)
	s.write(table, 30)
	s.eventually("the rows arrive", func() bool { return s.rows(1, table) == 30 })
	s.fault(s.t, http.MethodPost, "node-stopped", secondNode)
	s.fault(s.t, http.MethodDelete, "node-stopped", with(secondNode, "lost", "dev"))
	s.settled()
	s.eventually("all nodes are up", func() bool { return s.status(0, 1) == "all nodes UN" })
	if n := s.rows(1, table); n != 0 {
		s.t.Fatalf("the fault does not bite: %d rows are there", n)
	}
	x := s.compare(table)
	if x.Equality != cassandra.Different || len(x.Differences) != 30 || !slices.Equal(x.Differences[0].Missing(), []geored.SiteName{"dc2"}) {
		s.t.Errorf("%s; %d rows differ", x, len(x.Differences))
	}
	s.shows(s.status(0, 1), "compare: different, each lost row named; rebuild of the node")
	s.carryOutRebuild(cassandra.Rebuilding{Keyspace: "dev", Site: "dc2", From: "dc1", Node: s.nodes()[1].HostID, Emptied: true})
	if x := s.compare(table); x.Equality != cassandra.Equal || x.Rows("dc2") != 30 {
		s.t.Errorf("after the rebuild: %s", x)
	}
}

func (s *subject) rebuild() {
	s.t.Helper()
	s.carryOutRebuild(cassandra.Rebuilding{Keyspace: "dev", Site: "dc2", From: "dc1"})
}

func (s *subject) carryOutRebuild(what cassandra.Rebuilding) {
	s.t.Helper()
	plan, err := s.cluster.PlanRebuild(s.t.Context(), what)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.cluster.RebuildStage(plan, s, s, "yes", time.Minute, nil); err == nil || !strings.Contains(err.Error(), plan.Confirmation()) {
		s.t.Errorf("carried out for a yes: %v", err)
	}
	stage, err := s.cluster.RebuildStage(plan, s, s, plan.Confirmation(), 3*time.Minute, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.carryOut(stage)
}
