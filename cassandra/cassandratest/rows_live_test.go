//go:build lab

package cassandratest_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/gocql/gocql"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

var rowFaults = []fault{
	{"a count at ONE, as cqlsh takes", (*subject).mixedCount},
	{"one row missing in one site", (*subject).rowMissing},
	{"one cell different", (*subject).cellDiffers},
	{"hints on their way", (*subject).hintsKept},
}

// The guide's count through one site may be answered by the other, when its own node seems busier; ours never is.
func (s *subject) mixedCount() {
	table := s.table("mixed", 0)
	s.InsertAt("dc1", table.String(), int64(1), "only in dc1")
	scans := func(site int) int {
		return ask[int](s, site, fmt.Sprintf("SELECT count FROM system_views.local_scan_latency WHERE keyspace_name = 'dev' AND table_name = '%s'", table.Name))
	}
	busy := func(severity string) {
		s.nodetool(s.t, 1, 0, "sjk", "mx", "-b", "org.apache.cassandra.db:type=DynamicEndpointSnitch", "-f", "Severity", "-ms", "-v", severity)
	}
	busy("10")
	defer busy("0")
	session, err := cql(s.t, s.ring, 1, gocql.One)
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	s.eventually("dc2, which has no row, counts that of dc1", func() bool {
		var rows int
		if err := session.Query("SELECT COUNT(*) FROM " + table.String()).Scan(&rows); err != nil {
			s.t.Fatal(err)
		}
		return rows == 1
	})
	here, there := scans(0), scans(1)
	count, err := s.cluster.Count(s.t.Context(), cassandra.Reading{Table: table})
	if err != nil || count.Sites[0].Rows != 1 || count.Sites[1].Rows != 0 || count.Verdict() != geored.Fail {
		s.t.Errorf("%s: %v", count, err)
	}
	if scans(0)-here != 64 || scans(1)-there != 64 {
		s.t.Errorf("64 ranges of each site were read %d times in dc1 and %d times in dc2", scans(0)-here, scans(1)-there)
	}
	s.shows("dc2, when busy, counts the row of dc1", "count: fail, dc1 1, dc2 0")
	s.repair()
	if count, err := s.cluster.Count(s.t.Context(), cassandra.Reading{Table: table}); err != nil || count.Verdict() != geored.Pass {
		s.t.Errorf("after the repair: %s: %v", count, err)
	}
}

func (s *subject) rowMissing() {
	table := s.table("missing", 0)
	s.Insert(table.String(), int64(1), "everywhere")
	s.InsertAt("dc1", table.String(), int64(2), "only here")
	if s.rows(0, table) != 2 || s.rows(1, table) != 1 {
		s.t.Fatal("the fault does not bite")
	}
	x := s.compare(table)
	if x.Equality != cassandra.Different || len(x.Differences) != 1 || x.Differences[0].Key != "id = 2" || !slices.Equal(x.Differences[0].Missing(), []geored.SiteName{"dc2"}) {
		s.t.Errorf("%s; %v", x, x.Differences)
	}
	s.shows(s.status(0, 1)+"; the count may be of the other site", "compare: different, id = 2 missing in dc2")
	s.repaired(table)
}

func (s *subject) cellDiffers() {
	table := s.table("cell", 0)
	s.Insert(table.String(), int64(1), "old")
	s.InsertAt("dc2", table.String(), int64(1), "new")
	if s.rows(0, table) != 1 || s.rows(1, table) != 1 || ask[string](s, 0, "SELECT v FROM "+table.String()) == ask[string](s, 1, "SELECT v FROM "+table.String()) {
		s.t.Fatal("the fault does not bite")
	}
	x := s.compare(table)
	if x.Equality != cassandra.Different || len(x.Differences) != 1 || !slices.Equal(x.Differences[0].Latest(), []geored.SiteName{"dc2"}) {
		s.t.Errorf("%s; %v", x, x.Differences)
	}
	s.shows(s.status(0, 1)+", counts equal", "compare: different, id = 1, the latest in dc2")
	s.repaired(table)
}

// repaired is the cure, and its proof.
func (s *subject) repaired(table cassandra.Table) cassandra.RepairPlan {
	s.t.Helper()
	plan := s.repair()
	if x := s.compare(table); x.Equality != cassandra.Equal {
		s.t.Errorf("after the repair: %s", x)
	}
	return plan
}

// Hints arrive seconds after the node is up again: until then nodetool status knows of nothing. So that it is no matter of
// luck, they wait for a word here.
func (s *subject) hintsKept() {
	table := s.table("kept", 0)
	back := s.leave()
	s.write(table, 100)
	s.nodetool(s.t, 0, 0, "pausehandoff")
	defer s.nodetool(s.t, 0, 0, "resumehandoff")
	limits, err := s.cluster.Limits(s.t.Context())
	if cure, reasons := limits.Cure(time.Minute); err != nil || cure != cassandra.CureUnknown {
		s.t.Errorf("with a silent site: %s %v: %v", cure, reasons, err)
	}
	back()
	s.eventually("all nodes are up", func() bool { return s.status(0, 1) == "all nodes UN" })
	guide := s.status(0, 1)
	if x := s.compare(table); x.Equality != cassandra.Different || len(x.Differences) != 100 || !slices.Equal(x.Differences[0].Missing(), []geored.SiteName{"dc2"}) {
		s.t.Errorf("before the hints arrive: %s, %d rows differ", x, len(x.Differences))
	}
	limits, err = s.cluster.Limits(s.t.Context())
	if cure, reasons := limits.Cure(time.Minute); err != nil || cure != cassandra.AwaitHints || limits.Sites[0].HintWindow != 3*time.Hour {
		s.t.Errorf("%+v: %s %v: %v", limits, cure, reasons, err)
	}
	s.nodetool(s.t, 0, 0, "resumehandoff")
	s.eventually("the hints arrive", func() bool { return s.compare(table).Equality == cassandra.Equal })
	s.want(map[geored.CheckID]geored.Verdict{cassandra.CheckHints: geored.Pass})
	s.shows(guide+" before they arrive", "compare: different, then equal; limits: await-hints")
}
