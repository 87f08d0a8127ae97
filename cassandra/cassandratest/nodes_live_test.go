//go:build lab

package cassandratest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
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
		{"table dropped during a comparison", (*subject).droppedInTheMiddle},
		{"node stopped during a comparison", (*subject).stoppedInTheMiddle},
	}
	// These change addresses and come last.
	addressFaults = []fault{
		{"node back at another address", (*subject).moved},
		{"both nodes restarted during a cut", (*subject).splitForEver},
	}
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
		s.forward(i)
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

// forward notes the address at which a site's node comes back after a move.
func (s *subject) forward(site int) {
	s.t.Helper()
	node := &s.ring.Sites[site].Nodes[0]
	was := netip.MustParseAddrPort(node.Address)
	next := was.Addr().As4()
	next[3] += 50
	node.Address = netip.AddrPortFrom(netip.AddrFrom4(next), was.Port()).String()
}

// A node that comes back at another address, as a pod does, is the same node: what the others kept for it arrives there. Only
// who was told its old address by hand does not find it.
func (s *subject) moved() {
	const host = "SELECT host_id FROM system.local"
	table, before, old := s.table("moved", 0), ask[gocql.UUID](s, 1, host), s.ring.Sites[1].Nodes[0].Address
	s.fault(s.t, http.MethodPost, "node-stopped", secondNode)
	s.write(table, 20)
	s.fault(s.t, http.MethodDelete, "node-stopped", with(secondNode, "moved", "yes"))
	if _, err := cql(s.t, s.ring, 1, gocql.LocalOne); err == nil {
		s.t.Fatal("the fault does not bite: the node answers at its old address")
	}
	s.impatient() // told of the old address
	s.forward(1)
	if now := ask[gocql.UUID](s, 1, host); now != before {
		s.t.Fatalf("another node came back: %s, not %s", now, before)
	}
	s.eventually("all nodes are up", func() bool { return s.status(0, 1) == "all nodes UN" })
	report := s.want(map[geored.CheckID]geored.Verdict{cassandra.CheckNodes: geored.Fail, cassandra.CheckGossip: geored.Unknown})
	if !slices.ContainsFunc(report.Findings, func(f geored.Finding) bool {
		return f.Site == "dc2" && f.Verdict == geored.Fail && strings.Contains(f.Message+fmt.Sprint(f.Unanswered), old) && strings.Contains(f.Remedy, s.ring.Sites[1].Nodes[0].Address)
	}) {
		s.t.Errorf("old and new address are not both named: %+v", report.Findings)
	}
	s.shows(s.status(0, 1), "nodes: fail, names the contact point's new address; the hints follow the node")
	s.cluster = open(s.t, s.ring.config(s.t))
	s.settled()
	s.eventually("the hints arrive", func() bool { return s.compare(table).Equality == cassandra.Equal })
}

// during compares a table range by range, and has something happen after the third.
func (s *subject) during(table cassandra.Table, happens func()) (x cassandra.Comparison, equal int) {
	s.t.Helper()
	s.write(table, 500)
	s.eventually("the rows arrive", func() bool { return s.rows(1, table) == 500 })
	seen := 0
	x, err := s.cluster.Compare(s.t.Context(), cassandra.Comparing{
		Reading: cassandra.Reading{Table: table, Concurrency: 1},
		Observe: func(cassandra.Comparison, cassandra.RangeResult) {
			if seen++; seen == 3 {
				happens()
			}
		},
	})
	if err != nil || x.Equality != cassandra.Unproven || len(x.Differences) > 0 {
		s.t.Errorf("%s: %v", x, err)
	}
	for _, r := range x.Ranges {
		switch read := slices.ContainsFunc(r.Reads, func(read cassandra.Read) bool { return read.Err != "" }); {
		case r.Equality == cassandra.Equal && !read:
			equal++
		case r.Equality != cassandra.Unproven || !read || r.Reason == "":
			s.t.Errorf("range %s: %s: %s", r.Range, r.Equality, r.Reason)
		}
	}
	if equal < 3 || equal == len(x.Ranges) {
		s.t.Errorf("%d of %d ranges are equal", equal, len(x.Ranges))
	}
	return x, equal
}

func (s *subject) droppedInTheMiddle() {
	table := s.table("dropped_meanwhile", 0)
	x, equal := s.during(table, func() { s.Exec("DROP TABLE " + table.String()) })
	s.t.Logf("%d ranges proven; %s", equal, x.Reasons[0])
	if _, err := s.cluster.Compare(s.t.Context(), cassandra.Comparing{Reading: cassandra.Reading{Table: table}}); err == nil || !strings.Contains(err.Error(), "does not exist there") {
		s.t.Errorf("afterwards: %v", err)
	}
}

// What was proven before a node stops is not read again when it is back.
func (s *subject) stoppedInTheMiddle() {
	table := s.table("interrupted", 0)
	x, equal := s.during(table, func() { s.fault(s.t, http.MethodPost, "node-stopped", secondNode) })
	s.t.Logf("%d ranges proven; %s", equal, x.Reasons[0])
	s.fault(s.t, http.MethodDelete, "node-stopped", secondNode)
	s.settled()
	read := 0
	whole, err := s.cluster.Compare(s.t.Context(), cassandra.Comparing{
		Reading: cassandra.Reading{Table: table}, Resume: cassandra.Comparisons{x},
		Observe: func(cassandra.Comparison, cassandra.RangeResult) { read++ },
	})
	if err != nil || whole.Equality != cassandra.Equal || read != len(whole.Ranges)-equal {
		s.t.Errorf("%s: %v: %d ranges were read, %d had been", whole, err, read, equal)
	}
}
