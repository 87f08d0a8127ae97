//go:build lab

package cassandratest_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
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
}

// TestFaultsLive puts real faults on a real ring: each is first shown to bite by other means than the check's own, then
// found, then cured.
func TestFaultsLive(t *testing.T) {
	r := start(t)
	config := r.config(t)
	config.ConnectTimeout, config.Timeout = 2*time.Second, 5*time.Second
	s := &subject{Live: cassandratest.NewLive(t, r.config(t), 1), ring: r, cluster: open(t, config)}
	for _, test := range []struct {
		name string
		run  func(*subject)
	}{
		{"a count reads in its own site alone", (*subject).ownSite},
		{"node paused", (*subject).paused},
		{"node left gossip and clients", (*subject).left},
		{"schema split while all answer", (*subject).schemaSplit},
		{"hints kept", (*subject).hintsKept},
		{"hints dropped", (*subject).hintsDropped},
		{"resurrected delete", (*subject).resurrected},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			s.settled()
			test.run(s)
			s.settled()
		})
	}
}

func open(t testing.TB, c cassandra.Config) *cassandra.Cluster {
	t.Helper()
	cluster, err := cassandra.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
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

func (s *subject) want(id geored.CheckID, want geored.Verdict) {
	s.t.Helper()
	if report := s.prove(id); report.Verdict() != want {
		s.t.Errorf("%s: %s, want %s: %+v", id, report.Verdict(), want, report.Findings)
	}
}

func (s *subject) signal(site int, signal syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(s.ring.Sites[site].Nodes[0].Process, signal); err != nil {
		s.t.Fatal(err)
	}
}

// session is a session with one site's node, apart from the package under test.
func (s *subject) session(site int) (*gocql.Session, error) {
	c := gocql.NewCluster(s.ring.Sites[site].Nodes[0].Address)
	config := s.ring.config(s.t)
	c.ProtoVersion, c.Consistency, c.DisableInitialHostLookup = 4, gocql.LocalOne, true
	c.Authenticator = gocql.PasswordAuthenticator{Username: config.User, Password: string(config.Password)}
	c.Timeout, c.ConnectTimeout, c.Logger = 10*time.Second, 2*time.Second, silent{}
	c.MaxWaitSchemaAgreement = time.Second
	return c.CreateSession()
}

type silent struct{}

func (silent) Print(...any)          {}
func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// ask puts one question with one answer to one site's node.
func ask[T any](s *subject, site int, statement string) T {
	s.t.Helper()
	session, err := s.session(site)
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
	s.CreateTable(cassandratest.Table{Keyspace: "dev", Name: name, GCGrace: grace, Columns: []cassandratest.Column{
		{Name: "id", Type: "bigint", Kind: cassandratest.PartitionKey}, {Name: "v", Type: "text"},
	}})
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

// eventually wants something within 40 seconds.
func (s *subject) eventually(what string, is func() bool) {
	s.t.Helper()
	for began := time.Now(); !is(); time.Sleep(200 * time.Millisecond) {
		if time.Since(began) > 40*time.Second {
			s.t.Fatalf("not so after 40 s: %s", what)
		}
	}
}

// A count of one site is answered there, whereas at ONE, which cqlsh takes, the coordinator may ask the other site.
func (s *subject) ownSite() {
	table := s.table("own", 0)
	s.write(table, 10)
	scans := func(site int) int {
		return ask[int](s, site, "SELECT count FROM system_views.local_scan_latency WHERE keyspace_name = 'dev' AND table_name = 'own'")
	}
	here, there := scans(0), scans(1)
	config := s.ring.config(s.t)
	config.Sites = config.Sites[:1]
	count, err := open(s.t, config).Count(s.t.Context(), cassandra.Reading{Table: table})
	if err != nil || count.Sites[0].Rows != 10 {
		s.t.Fatal(count, err)
	}
	if scans(0)-here < 64 || scans(1) != there {
		s.t.Errorf("64 ranges were read %d times here and %d times in the other site", scans(0)-here, scans(1)-there)
	}
}

func (s *subject) paused() {
	s.signal(1, syscall.SIGSTOP)
	defer s.signal(1, syscall.SIGCONT)
	if _, err := s.session(1); err == nil {
		s.t.Fatal("the pause does not bite: the node answers")
	}
	if status := s.nodetool(s.t, 0, 0, "status"); !strings.Contains(status, "UN  "+s.host(1)) {
		s.t.Logf("nodetool calls the node down already:\n%s", status)
	}
	s.want(cassandra.CheckNodes, geored.Fail)
	s.want(cassandra.CheckGossip, geored.Fail) // the other node hears nothing of it
	s.want(cassandra.CheckSchema, geored.Unknown)
	s.want(cassandra.CheckView, geored.Unknown)
}

func (s *subject) host(site int) string {
	host, _, _ := strings.Cut(s.ring.Sites[site].Nodes[0].Address, ":")
	return host
}

// leave takes the second site's node away from the others, as a stop does, and gives what brings it back.
func (s *subject) leave() (back func()) {
	s.nodetool(s.t, 1, 0, "disablebinary")
	s.nodetool(s.t, 1, 0, "disablegossip")
	s.eventually("the first site calls the node down", func() bool {
		return strings.Contains(s.nodetool(s.t, 0, 0, "status"), "DN  "+s.host(1))
	})
	return func() {
		s.nodetool(s.t, 1, 0, "enablegossip")
		s.nodetool(s.t, 1, 0, "enablebinary")
	}
}

func (s *subject) left() {
	defer s.leave()()
	s.want(cassandra.CheckNodes, geored.Fail)
	s.want(cassandra.CheckGossip, geored.Fail)
	s.want(cassandra.CheckSchema, geored.Unknown)
	if _, err := s.cluster.PlanRepair(s.t.Context(), "dev", 0); err == nil {
		s.t.Error("a repair was planned with a silent node")
	}
}

func (s *subject) schemaSplit() {
	table := s.table("half", 0)
	s.nodetool(s.t, 1, 0, "disablegossip")
	defer s.nodetool(s.t, 1, 0, "enablegossip")
	s.eventually("the first site calls the node down", func() bool {
		return strings.Contains(s.nodetool(s.t, 0, 0, "status"), "DN  "+s.host(1))
	})
	session, err := s.session(0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	if err := session.Query("ALTER TABLE dev.half ADD more text").Exec(); err != nil {
		s.t.Fatal(err)
	}
	const version = "SELECT schema_version FROM system.local"
	if ask[gocql.UUID](s, 0, version) == ask[gocql.UUID](s, 1, version) {
		s.t.Fatal("the split does not bite: both nodes have one schema")
	}
	s.want(cassandra.CheckNodes, geored.Pass)
	s.want(cassandra.CheckSchema, geored.Fail)
	ctx, stop := context.WithTimeout(s.t.Context(), 2*time.Second)
	defer stop()
	if _, err := s.cluster.AwaitSchema(ctx, 100*time.Millisecond); err == nil {
		s.t.Error("AwaitSchema came back while the schema is split")
	}
	_, err = s.cluster.Compare(s.t.Context(), cassandra.Comparing{Reading: cassandra.Reading{Table: table}})
	if err == nil || !strings.Contains(err.Error(), "site dc2: table dev.half: has other columns there") {
		s.t.Errorf("a table whose columns the sites do not agree on: %v", err)
	}
}

// write writes rows in the first site while the second is away.
func (s *subject) write(table cassandra.Table, rows int) {
	s.t.Helper()
	session, err := s.session(0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	for i := range rows {
		if err := session.Query(fmt.Sprintf("INSERT INTO %s (id, v) VALUES (?, ?)", table), int64(i), "x").Exec(); err != nil {
			s.t.Fatal(err)
		}
	}
	if n := ask[int](s, 0, "SELECT COUNT(*) FROM "+table.String()); n != rows {
		s.t.Fatalf("the first site has %d rows, not %d", n, rows)
	}
}

func (s *subject) hintsKept() {
	table := s.table("kept", 0)
	back := s.leave()
	s.write(table, 100)
	limits, err := s.cluster.Limits(s.t.Context())
	if cure, reasons := limits.Cure(time.Minute); err != nil || cure != cassandra.CureUnknown {
		s.t.Errorf("with a silent site: %s %v: %v", cure, reasons, err)
	}
	back()
	s.settled()
	limits, err = s.cluster.Limits(s.t.Context())
	if cure, reasons := limits.Cure(time.Minute); err != nil || cure != cassandra.AwaitHints || limits.Sites[0].HintWindow != 3*time.Hour {
		s.t.Errorf("%+v: %s %v: %v", limits, cure, reasons, err)
	}
	s.eventually("the hints arrive", func() bool { return s.compare(table).Equality == cassandra.Equal })
	s.want(cassandra.CheckHints, geored.Pass)
}

func (s *subject) hintsDropped() {
	table := s.table("dropped", 0)
	s.nodetool(s.t, 0, 0, "setmaxhintwindow", "1000")
	defer s.nodetool(s.t, 0, 0, "setmaxhintwindow", "10800000")
	back := s.leave()
	time.Sleep(3 * time.Second) // beyond the window
	s.write(table, 100)
	back()
	s.settled()
	time.Sleep(12 * time.Second) // hints, if there were any, go out every 10 seconds
	if n := ask[int](s, 1, "SELECT COUNT(*) FROM "+table.String()); n == 100 {
		s.t.Fatal("the fault does not bite: all rows arrived")
	}
	s.want(cassandra.CheckHints, geored.Pass) // nothing waits: what is lost nobody remembers
	limits, err := s.cluster.Limits(s.t.Context())
	if cure, reasons := limits.Cure(3 * time.Second); err != nil || cure != cassandra.Repair {
		s.t.Errorf("%s %v: %v", cure, reasons, err)
	}
	x := s.compare(table)
	lost := 100 - ask[int](s, 1, "SELECT COUNT(*) FROM "+table.String())
	if x.Equality != cassandra.Different || len(x.Differences) != lost || !slices.Equal(x.Differences[0].Missing(), []geored.SiteName{"dc2"}) {
		s.t.Fatalf("%s; %d rows were lost, %d found", x, lost, len(x.Differences))
	}
	s.repair()
	if x := s.compare(table); x.Equality != cassandra.Equal {
		s.t.Errorf("after the repair: %s", x)
	}
}

// repair repairs keyspace dev on every node.
func (s *subject) repair() {
	s.t.Helper()
	plan, err := s.cluster.PlanRepair(s.t.Context(), "dev", 0)
	if err != nil {
		s.t.Fatal(err)
	}
	book := geored.Runbook{Name: "repair", Stages: []geored.Stage{s.cluster.RepairStage(plan, s, 2*time.Minute)}}
	if result, err := book.Run(s.t.Context(), geored.RunConfig{}); err != nil || result.Count(geored.Changed) != 2 {
		s.t.Fatalf("%+v: %v", result, err)
	}
	if result, err := book.Run(s.t.Context(), geored.RunConfig{}); err != nil || result.Count(geored.Unchanged) != 2 {
		s.t.Errorf("the nodes do not remember their repairs: %+v: %v", result, err)
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

// A row that is deleted in one site only, and whose deletion is forgotten, comes back with a repair: gc_grace is why.
func (s *subject) resurrected() {
	table := s.table("deleted", 1)
	s.Insert(table.String(), int64(1), "stays")
	s.Insert(table.String(), int64(2), "goes")
	s.At("dc1", func() { s.Exec("DELETE FROM dev.deleted WHERE id = 2") })
	time.Sleep(2 * time.Second) // gc_grace
	s.nodetool(s.t, 0, 0, "flush", "dev", "deleted")
	s.nodetool(s.t, 0, 0, "compact", "dev", "deleted")
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
	s.repair()
	if n := ask[int](s, 0, "SELECT COUNT(*) FROM dev.deleted"); n != 2 {
		s.t.Errorf("the fault does not bite: the deleted row did not come back with the repair, there are %d", n)
	}
}
