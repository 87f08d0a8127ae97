//go:build lab

package cassandratest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gocql/gocql"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

var (
	nodeFaults = []fault{
		{"node paused", (*subject).paused},
		{"node stopped", (*subject).stopped},
		{"link between the sites cut", (*subject).linkCut},
		{"schema split while all nodes answer", (*subject).schemaSplit},
	}
	// These change addresses and come last.
	addressFaults = []fault{{"both nodes restarted during a cut", (*subject).splitForEver}}
)

var secondNode = url.Values{"site": {"dc2"}, "node": {"1"}}

func with(v url.Values, key, value string) url.Values {
	more := url.Values{key: {value}}
	for k, values := range v {
		more[k] = values
	}
	return more
}

func (s *subject) paused() {
	signal := func(signal syscall.Signal) {
		if err := syscall.Kill(s.ring.Sites[1].Nodes[0].Process, signal); err != nil {
			s.t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	defer signal(syscall.SIGCONT)
	guide := s.status(0)
	if _, err := cql(s.t, s.ring, 1, gocql.LocalOne); err == nil {
		s.t.Fatal("the pause does not bite: the node answers")
	}
	s.impatient()
	s.want(map[geored.CheckID]geored.Verdict{
		cassandra.CheckNodes: geored.Fail, cassandra.CheckGossip: geored.Fail, // the other node hears nothing of it
		cassandra.CheckSchema: geored.Unknown, cassandra.CheckView: geored.Unknown, cassandra.CheckTokens: geored.Unknown,
	})
	s.shows(guide+" for some 18 s", "nodes: fail; gossip: fail; schema: unknown")
}

func (s *subject) stopped() {
	s.fault(s.t, http.MethodPost, "node-stopped", secondNode)
	defer s.fault(s.t, http.MethodDelete, "node-stopped", secondNode)
	if _, err := cql(s.t, s.ring, 1, gocql.LocalOne); err == nil {
		s.t.Fatal("the fault does not bite: the node answers")
	}
	s.impatient()
	s.want(map[geored.CheckID]geored.Verdict{cassandra.CheckNodes: geored.Fail, cassandra.CheckGossip: geored.Fail, cassandra.CheckSchema: geored.Unknown})
	if _, err := s.cluster.PlanRepair(s.t.Context(), "dev", 0); err == nil {
		s.t.Error("a repair was planned with a silent node")
	}
	s.eventually("nodetool sees it", func() bool { return s.status(0) != "all nodes UN" })
	s.shows(s.status(0)+", after a while", "nodes: fail; gossip: fail; schema: unknown")
}

// cut drops what the nodes send each other, as a link does that is cut, and gives what mends it. It needs root.
func (s *subject) cut() (mend func()) {
	s.t.Helper()
	network := strings.Split(s.ring.Sites[0].Nodes[0].Address, ".")[1]
	table := "georedkit_test_" + network
	nft := func(rules string) {
		command := exec.Command("nft", "-f", "-")
		command.Stdin = strings.NewReader(rules)
		if output, err := command.CombinedOutput(); err != nil {
			s.t.Fatalf("nft: %v\n%s", err, output)
		}
	}
	nft(fmt.Sprintf(`add table ip %[1]s
delete table ip %[1]s
table ip %[1]s { chain out { type filter hook output priority 0;
	ip daddr 127.%[2]s.0.0/16 tcp dport 7000 drop
	ip saddr 127.%[2]s.0.0/16 tcp sport 7000 drop
}
}`, table, network))
	mended := false
	mend = func() {
		if !mended {
			mended = true
			nft("delete table ip " + table)
		}
	}
	s.t.Cleanup(mend)
	return mend
}

func (s *subject) linkCut() {
	table := s.table("cut", 0)
	mend := s.cut()
	guide := s.status(0, 1)
	s.write(table, 10)
	if n := s.rows(1, table); n != 0 {
		s.t.Fatalf("the cut does not bite: %d rows arrived", n)
	}
	// Both answer: they are up, and cannot hear each other.
	s.want(map[geored.CheckID]geored.Verdict{cassandra.CheckGossip: geored.Fail, cassandra.CheckNodes: geored.Pass})
	if x := s.compare(table); x.Equality != cassandra.Different || len(x.Differences) != 10 {
		s.t.Errorf("%s", x)
	}
	s.shows(guide+" for some 18 s", "gossip: fail, while nodes: pass")
	mend()
	s.settled()
	s.eventually("the rows arrive", func() bool { return s.compare(table).Equality == cassandra.Equal })
}

// A node that starts without asking the others for their schema keeps its own, while all are up.
func (s *subject) schemaSplit() {
	table := s.table("half", 0)
	s.fault(s.t, http.MethodPost, "node-stopped", secondNode)
	session, err := cql(s.t, s.ring, 0, gocql.LocalOne)
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	if err := session.Query("ALTER TABLE " + table.String() + " ADD more text").Exec(); err != nil {
		s.t.Fatal(err)
	}
	first, _, _ := strings.Cut(s.ring.Sites[0].Nodes[0].Address, ":")
	s.fault(s.t, http.MethodDelete, "node-stopped", with(secondNode, "options", "-Dcassandra.skip_schema_check_for_endpoints="+first))
	s.eventually("all nodes are up", func() bool { return s.status(0, 1) == "all nodes UN" })
	const version = "SELECT schema_version FROM system.local"
	if ask[gocql.UUID](s, 0, version) == ask[gocql.UUID](s, 1, version) {
		s.t.Fatal("the split does not bite: both nodes have one schema")
	}
	s.want(map[geored.CheckID]geored.Verdict{cassandra.CheckNodes: geored.Pass, cassandra.CheckSchema: geored.Fail})
	ctx, stop := context.WithTimeout(s.t.Context(), 2*time.Second)
	defer stop()
	if _, err := s.cluster.AwaitSchema(ctx, 100*time.Millisecond); err == nil {
		s.t.Error("AwaitSchema came back while the schema is split")
	}
	_, err = s.cluster.Compare(s.t.Context(), cassandra.Comparing{Reading: cassandra.Reading{Table: table}})
	if err == nil || !strings.Contains(err.Error(), "has other columns there") {
		s.t.Errorf("a table whose columns the sites do not agree on: %v", err)
	}
	s.shows(s.status(0, 1), "schema: fail; compare refuses the table")
	if _, err := s.cluster.PlanSchemaCure(s.t.Context(), ""); err == nil {
		s.t.Error("one of two nodes has no majority")
	}
	plan, err := s.cluster.PlanSchemaCure(s.t.Context(), "dc1")
	if err != nil || len(plan.Nodes) != 1 {
		s.t.Fatal(plan, err)
	}
	result := s.carryOut(s.cluster.CureStage(plan, s, s, 3*time.Minute))
	for _, o := range result.Outcomes {
		s.t.Logf("%s: %s, %s", o.ID, o.Status, o.Detail)
	}
	if x := s.compare(table); x.Equality != cassandra.Equal {
		s.t.Error(x)
	}
}

// Restart restarts the second site's node, as the only one that these tests cure.
func (s *subject) Restart(_ context.Context, n cassandra.Node) error {
	if n.Site != "dc2" {
		return fmt.Errorf("restart of %s was not expected", n.Site)
	}
	s.fault(s.t, http.MethodPost, "node-stopped", secondNode)
	s.fault(s.t, http.MethodDelete, "node-stopped", secondNode)
	return nil
}

// Both nodes come back with new addresses while they cannot reach each other, nor each other's DNS: each knows the other
// by its old address only, and after the mend nobody looks for a new one.
func (s *subject) splitForEver() {
	mend := s.cut()
	s.fault(s.t, http.MethodPost, "names-stale", nil)
	for i, site := range []string{"dc1", "dc2"} {
		where := url.Values{"site": {site}, "node": {"1"}}
		s.fault(s.t, http.MethodPost, "node-stopped", where)
		s.fault(s.t, http.MethodDelete, "node-stopped", with(where, "moved", "yes"))
		node := &s.ring.Sites[i].Nodes[0]
		node.Address = strings.Replace(node.Address, ".1:", ".51:", 1)
	}
	config := s.ring.config(s.t)
	config.ConnectTimeout, config.Timeout = 3*time.Second, 20*time.Second
	s.cluster = open(s.t, config)
	mend()
	s.fault(s.t, http.MethodDelete, "names-stale", nil)
	time.Sleep(15 * time.Second) // after any other cut they are together within two or three
	if status := s.status(0) + s.status(1); strings.Contains(status, "all nodes UN") {
		s.t.Fatalf("the fault does not bite: the ring is whole again")
	}
	report := s.want(map[geored.CheckID]geored.Verdict{
		cassandra.CheckNodes: geored.Pass, cassandra.CheckGossip: geored.Fail, cassandra.CheckView: geored.Fail})
	named := func(f geored.Finding) bool {
		return f.Check == cassandra.CheckView && f.Site != f.To && strings.Contains(f.Remedy, "reloadseeds")
	}
	if !slices.ContainsFunc(report.Findings, named) {
		s.t.Errorf("the cure is not named: %+v", report.Findings)
	}
	s.shows(s.status(0)+", for ever", "view: fail, names nodetool reloadseeds")
	s.nodetool(s.t, 0, 0, "reloadseeds")
	s.settled()
}
