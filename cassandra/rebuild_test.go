package cassandra_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
)

func rebuild(t *testing.T, r *cassandratest.Ring, p cassandra.RebuildPlan, tool cassandra.Nodetool, timeout time.Duration) (geored.Result, error) {
	t.Helper()
	stage, err := open(t, r.Config()).RebuildStage(p, tool, r, p.Confirmation(), timeout, nil)
	if err != nil {
		t.Fatal(err)
	}
	return geored.Runbook{Name: "rebuild", Stages: []geored.Stage{stage}}.Run(t.Context(), geored.RunConfig{})
}

func planned(t *testing.T, r *cassandratest.Ring, what cassandra.Rebuilding) cassandra.RebuildPlan {
	t.Helper()
	p, err := open(t, r.Config()).PlanRebuild(t.Context(), what)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var second = cassandra.Rebuilding{Keyspace: "dev", Site: "dc2", From: "dc1"}

// A row that was deleted in dc1 and lives on in dc2 is gone for good, which no repair brings about; and a second rebuild
// does not take the first one's word for its own.
func TestRebuildGivesUpWhatTheSiteForgotToDelete(t *testing.T) {
	t.Parallel()
	for _, lose := range []bool{false, true} {
		r := seeded(t, three, cassandratest.NodesPerSite(2))
		tool := r.Nodetool()
		tool.LoseConnections(lose)
		for round := range 2 {
			r.DeleteAt("dc1", "dev.changeset", round)
			r.DeleteAt("dc3", "dev.changeset", round)
			if x := compare(t, r, quickly()); x.Equality != cassandra.Different {
				t.Fatal(x)
			}
			result, err := rebuild(t, r, planned(t, r, second), tool, time.Minute)
			if err != nil || result.Count(geored.Changed, geored.Unchanged) != 5 {
				t.Fatalf("lost connections %v, round %d: %+v: %v", lose, round, result, err)
			}
			how := quickly()
			how.EveryReplica = true
			if x := compare(t, r, how); x.Equality != cassandra.Equal || x.Rows("dc2") != int64(99-round) {
				t.Errorf("%s: %d rows", x, x.Rows("dc2"))
			}
		}
	}
}

// Nodes that come back at other addresses, as pods do, are found by whoever was told the old ones.
func TestRebuildOfNodesThatMove(t *testing.T) {
	t.Parallel()
	r := seeded(t, two, cassandratest.NodesPerSite(2))
	r.RestartElsewhere(true)
	r.DeleteAt("dc1", "dev.changeset", 1)
	was := r.Node("dc2", 0).Address()
	if result, err := rebuild(t, r, planned(t, r, second), r.Nodetool(), 20*time.Second); err != nil {
		t.Fatalf("%+v: %v", result, err)
	}
	if r.Node("dc2", 0).Address() == was {
		t.Error("the node did not move")
	}
	how := quickly()
	how.EveryReplica = true
	if x := compare(t, r, how); x.Equality != cassandra.Equal || x.Rows("dc2") != 99 {
		t.Error(x)
	}
}

// snapshotless is a nodetool that takes no snapshots.
type snapshotless struct{ cassandra.Nodetool }

func (s snapshotless) Run(ctx context.Context, n cassandra.Node, args ...string) (string, error) {
	if args[0] == "snapshot" {
		return "No space left on device\n", errors.New("exit status 1")
	}
	return s.Nodetool.Run(ctx, n, args...)
}

// What is given up is kept aside first, once; where that fails nothing is given up.
func TestWhatIsGivenUpIsKeptAside(t *testing.T) {
	t.Parallel()
	r := seeded(t, two, cassandratest.NodesPerSite(2))
	r.DeleteAt("dc1", "dev.changeset", 1)
	p, tool := planned(t, r, second), r.Nodetool()
	if _, err := rebuild(t, r, p, snapshotless{tool}, 5*time.Second); err == nil || !strings.Contains(err.Error(), "nodetool snapshot: exit status 1: No space left on device") {
		t.Errorf("without a snapshot: %v", err)
	}
	if x := compare(t, r, quickly()); x.Rows("dc2") != 100 {
		t.Errorf("rows were given up without one: %s", x)
	}
	if _, err := rebuild(t, r, p, tool, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, call := range tool.Calls() {
		if strings.Contains(call, " snapshot -t "+p.Snapshot()+" -kt dev.") {
			taken++
		}
	}
	if taken != 2 {
		t.Errorf("%d snapshots were taken of two nodes: %v", taken, tool.Calls())
	}
	ring, err := open(t, r.Config()).Ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range ring.Views {
		text, err := tool.Run(t.Context(), v.Node, "listsnapshots")
		if kept := strings.Contains(text, p.Snapshot()+" dev changeset "); err != nil || kept != (v.Node.Site == "dc2") {
			t.Errorf("%s at %s: kept %t, %v", v.Node.Address, v.Node.Site, kept, err)
		}
	}
	emptied := p
	if emptied.Emptied = true; emptied.Snapshot() != "" {
		t.Error("of what is gone already a snapshot is told")
	}
}

// The trap itself: nodetool calls a second rebuild a success that streamed nothing.
func TestRebuildTwiceStreamsNothing(t *testing.T) {
	t.Parallel()
	r := seeded(t, two)
	tool := r.Nodetool()
	if _, err := rebuild(t, r, planned(t, r, second), tool, time.Minute); err != nil {
		t.Fatal(err)
	}
	r.DeleteAt("dc2", "dev.changeset", 1)
	ring, err := open(t, r.Config()).Ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tool.Run(t.Context(), ring.Views[1].Node, "rebuild", "-ks", "dev", "--", "dc1"); err != nil {
		t.Fatalf("nodetool does not call it a success: %v", err)
	}
	if x := compare(t, r, quickly()); x.Equality != cassandra.Different {
		t.Fatalf("the trap does not bite: %s", x)
	}
	what := second
	what.Emptied = true
	if _, err := rebuild(t, r, planned(t, r, what), tool, time.Minute); err != nil {
		t.Fatal(err)
	}
	if x := compare(t, r, quickly()); x.Equality != cassandra.Equal {
		t.Error(x)
	}
}

// A row that a site gave up stays gone when its node crashes later: cleanup drops files whole, and with them what they said
// of the commit log.
func TestWhatWasGivenUpIsNotReplayed(t *testing.T) {
	t.Parallel()
	how := quickly()
	how.EveryReplica = true
	by := map[string]func(*testing.T, *cassandratest.Ring){
		"by hand": func(t *testing.T, r *cassandratest.Ring) {
			ring, err := open(t, r.Config()).Ring(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			alter(t, r, "{'class': 'NetworkTopologyStrategy', 'dc1': '1'}")
			for _, verb := range []string{"flush", "cleanup"} {
				if _, err := r.Nodetool().Run(t.Context(), ring.Views[1].Node, verb, "dev"); err != nil {
					t.Fatal(err)
				}
			}
			alter(t, r, "{'class': 'NetworkTopologyStrategy', 'dc1': '1', 'dc2': '1'}")
			if _, err := r.Nodetool().Run(t.Context(), ring.Views[1].Node, "rebuild", "-ks", "dev", "--", "dc1"); err != nil {
				t.Fatal(err)
			}
		},
		"by the stage": func(t *testing.T, r *cassandratest.Ring) {
			if _, err := rebuild(t, r, planned(t, r, second), r.Nodetool(), time.Minute); err != nil {
				t.Fatal(err)
			}
		},
	}
	// The node restarted between the plan and the day, and the first run dies when it has taken the keyspace.
	for name, noted := range map[string]bool{"killed": false, "killed when that was noted": true, "killed, and somebody gives it back": true} {
		by[name] = func(t *testing.T, r *cassandratest.Ring) {
			p := planned(t, r, second)
			if err := r.Restart(t.Context(), p.Nodes[0]); err != nil {
				t.Fatal(err)
			}
			dies := func(_ context.Context, given cassandra.RebuildPlan) error {
				if noted {
					p = given
				}
				return errors.New("killed")
			}
			stage, err := open(t, r.Config()).RebuildStage(p, r.Nodetool(), r, p.Confirmation(), time.Minute, dies)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := (geored.Runbook{Name: "rebuild", Stages: []geored.Stage{stage}}).Run(t.Context(), geored.RunConfig{}); err == nil || p.GivenUp || noted != (p.Taken != nil) {
				t.Fatalf("%v %+v", err, p)
			}
			if strings.Contains(name, "gives it back") { // the site serves again, and a row is written that is gone in dc1
				alter(t, r, "{'class': 'NetworkTopologyStrategy', 'dc1': '1', 'dc2': '1'}")
				if err := r.Restart(t.Context(), p.Nodes[0]); err != nil {
					t.Fatal(err)
				}
				r.InsertAt("dc2", "dev.changeset", 1000, "of a time that is given up")
			}
			if _, err := rebuild(t, r, p, r.Nodetool(), time.Minute); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, want := range map[string]cassandra.Equality{"by hand": cassandra.Different, "by the stage": cassandra.Equal, "killed": cassandra.Equal,
		"killed when that was noted": cassandra.Equal, "killed, and somebody gives it back": cassandra.Equal} {
		t.Run(name, func(t *testing.T) {
			r := seeded(t, two)
			r.DeleteAt("dc1", "dev.changeset", 0)
			by[name](t, r)
			if x := compare(t, r, how); x.Equality != cassandra.Equal {
				t.Fatal(x)
			}
			r.Node("dc2", 0).Crash()
			if x := compare(t, r, how); x.Equality != want {
				t.Errorf("after a crash: %s, want %s", x, want)
			}
		})
	}
}

// alter changes the replication of keyspace dev.
func alter(t *testing.T, r *cassandratest.Ring, replication string) {
	t.Helper()
	session, err := cassandra.GoCQL(r.Config())(t.Context(), netip.MustParseAddrPort(r.Node("dc1", 0).Address()))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.Query(t.Context(), cassandra.Query{CQL: "ALTER KEYSPACE dev WITH replication = " + replication}, func(cassandra.Row) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestRebuildOfOneNode(t *testing.T) {
	t.Parallel()
	r := seeded(t, two, cassandratest.NodesPerSite(2))
	lost := r.Node("dc2", 1)
	lost.LoseRows("dev")
	how := quickly()
	how.EveryReplica = true
	if x := compare(t, r, how); x.Equality != cassandra.Different {
		t.Fatalf("the loss does not bite: %s", x)
	}
	ring, err := open(t, r.Config()).Ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(ring.Views, func(v cassandra.View) bool { return v.Node.Address.String() == lost.Address() })
	tool := r.Nodetool()
	result, err := rebuild(t, r, planned(t, r, cassandra.Rebuilding{Keyspace: "dev", Site: "dc2", From: "dc1", Node: ring.Views[i].Node.HostID, Emptied: true}), tool, time.Minute)
	if err != nil || result.Count(geored.Changed) != 1 {
		t.Fatalf("%+v: %v", result, err)
	}
	if calls := tool.Calls(); len(calls) != 1 || calls[0] != lost.Address()+" rebuild -ks dev -- dc1" {
		t.Errorf("%v", calls)
	}
	if x := compare(t, r, how); x.Equality != cassandra.Equal {
		t.Error(x)
	}
}

func TestRebuildIsFenced(t *testing.T) {
	t.Parallel()
	r := seeded(t, two)
	p, tool := planned(t, r, second), r.Nodetool()
	r.Node("dc2", 0).Visit("shop")
	result, err := rebuild(t, r, p, tool, 5*time.Second)
	if err == nil || !strings.Contains(err.Error(), `a client is connected as "shop"`) || result.Count(geored.Pending) != 3 || len(tool.Calls()) > 0 {
		t.Errorf("%+v: %v; calls %v", result, err, tool.Calls())
	}
	r.Node("dc2", 0).Visit()
	r.Node("dc2", 0).CloseTable("system_views.clients", true)
	if _, err := rebuild(t, r, p, tool, 5*time.Second); err == nil || !strings.Contains(err.Error(), "read system_views.clients") || len(tool.Calls()) > 0 {
		t.Errorf("who is connected cannot be told, and still: %v; calls %v", err, tool.Calls())
	}
}

func TestRebuildIsConfirmedByValue(t *testing.T) {
	r := seeded(t, two)
	p := planned(t, r, second)
	if _, err := open(t, r.Config()).RebuildStage(p, r.Nodetool(), nil, p.Confirmation(), time.Minute, nil); err == nil || !strings.Contains(err.Error(), "restarter") {
		t.Errorf("nobody restarts the nodes: %v", err)
	}
	other := second
	other.From, other.Site = "dc1", "dc2"
	other.Emptied = true
	for _, value := range []string{"", "yes", "dev", planned(t, r, other).Confirmation()} {
		if _, err := open(t, r.Config()).RebuildStage(p, r.Nodetool(), r, value, time.Minute, nil); err == nil || !strings.Contains(err.Error(), p.Confirmation()) {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestRebuildFails(t *testing.T) {
	t.Parallel()
	r := seeded(t, two)
	p, tool := planned(t, r, second), r.Nodetool()
	tool.FailRepairs("stream failed")
	if _, err := rebuild(t, r, p, tool, time.Minute); err == nil || !strings.Contains(err.Error(), "stream failed") {
		t.Fatal(err)
	}
	if x := compare(t, r, quickly()); x.Equality != cassandra.Different {
		t.Fatalf("the site is not empty: %s", x)
	}
	tool.FailRepairs("")
	if result, err := rebuild(t, r, p, tool, time.Minute); err != nil {
		t.Errorf("the same plan goes on: %+v: %v", result, err)
	}
}

func TestRebuildIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		what  cassandra.Rebuilding
		fault func(*cassandratest.Ring)
		want  string
	}{
		"unknown site":     {cassandra.Rebuilding{Keyspace: "dev", Site: "dc9", From: "dc1"}, nil, "is no site of the configuration"},
		"from itself":      {cassandra.Rebuilding{Keyspace: "dev", Site: "dc1", From: "dc1"}, nil, "is the site that is to be rebuilt"},
		"logins":           {cassandra.Rebuilding{Keyspace: "system_auth", Site: "dc2", From: "dc1"}, nil, "repair system_auth instead"},
		"no keyspace":      {cassandra.Rebuilding{Keyspace: "none", Site: "dc2", From: "dc1"}, nil, "has no keyspace none"},
		"one full node":    {cassandra.Rebuilding{Keyspace: "dev", Site: "dc2", From: "dc1", Node: "x"}, nil, "say Emptied"},
		"node of no site":  {cassandra.Rebuilding{Keyspace: "dev", Site: "dc2", From: "dc1", Node: "x", Emptied: true}, nil, "none of its nodes"},
		"silent node":      {second, func(r *cassandratest.Ring) { r.Node("dc1", 0).Stop() }, "bring it back first"},
		"split view":       {second, func(r *cassandratest.Ring) { r.Node("dc1", 0).Forget(r.Node("dc2", 0), true) }, "reloadseeds"},
		"split schema":     {second, func(r *cassandratest.Ring) { r.Node("dc1", 0).SplitSchema(true) }, "schema: is not the same"},
		"repair runs":      {second, func(r *cassandratest.Ring) { r.Node("dc1", 0).StartRepair("dev") }, "is running"},
		"streams untold":   {second, func(r *cassandratest.Ring) { r.Node("dc2", 0).CloseTable("system_views.streaming", true) }, "4.1 or newer"},
		"nowhere to begin": {cassandra.Rebuilding{}, nil, "is Cassandra's own, or missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := seeded(t, two)
			if test.fault != nil {
				test.fault(r)
			}
			_, err := open(t, impatient(r)).PlanRebuild(t.Context(), test.what)
			if _, ok := geored.AsFaults(err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v; want %q", err, test.want)
			}
		})
	}
}

// A site that gave its rows up is not emptied again by a run that is taken up later: what it holds by then is new, though its
// nodes restarted and know of no rebuild.
func TestASiteIsEmptiedOnce(t *testing.T) {
	t.Parallel()
	r := seeded(t, two)
	r.DeleteAt("dc1", "dev.changeset", 1)
	p, tool := planned(t, r, second), r.Nodetool()
	var kept cassandra.RebuildPlan
	carry := func(p cassandra.RebuildPlan) error {
		t.Helper()
		stage, err := open(t, r.Config()).RebuildStage(p, tool, r, p.Confirmation(), 20*time.Second, func(_ context.Context, p cassandra.RebuildPlan) error {
			kept = p
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = geored.Runbook{Name: "rebuild", Stages: []geored.Stage{stage}}.Run(t.Context(), geored.RunConfig{})
		return err
	}
	if err := carry(p); err != nil {
		t.Fatal(err)
	}
	if !kept.GivenUp || kept.Confirmation() != p.Confirmation() || kept.Snapshot() != p.Snapshot() {
		t.Fatalf("%+v", kept)
	}
	ring, err := open(t, r.Config()).Ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range ring.Views {
		if v.Node.Site == "dc2" {
			if err := r.Restart(t.Context(), v.Node); err != nil {
				t.Fatal(err)
			}
		}
	}
	cleanups := func() int {
		n := 0
		for _, call := range tool.Calls() {
			if strings.Contains(call, "cleanup") {
				n++
			}
		}
		return n
	}
	before := cleanups()
	if err := carry(kept); err != nil || cleanups() != before {
		t.Errorf("%d cleanups, there were %d: %v", cleanups(), before, err)
	}
	if x := compare(t, r, quickly()); x.Equality != cassandra.Equal || x.Rows("dc2") != 99 {
		t.Errorf("%s", x)
	}
}

// What clients wrote after a snapshot of a run that was killed is in another one.
func TestEverySnapshotIsOfItsOwnTime(t *testing.T) {
	t.Parallel()
	r := seeded(t, two)
	p, tool := planned(t, r, second), r.Nodetool()
	ring, err := open(t, r.Config()).Ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := ring.Views[slices.IndexFunc(ring.Views, func(v cassandra.View) bool { return v.Node.Site == "dc2" })].Node
	if _, err := tool.Run(t.Context(), at, "snapshot", "-t", p.Snapshot(), "-kt", "dev.changeset"); err != nil {
		t.Fatal(err)
	}
	if _, err := rebuild(t, r, p, tool, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	kept, err := p.KeptAside(t.Context(), tool, at)
	if err != nil || len(kept[p.Snapshot()]) != 1 || !slices.Contains(kept[p.Snapshot()+"-2"], "changeset") {
		t.Errorf("%v, %v", kept, err)
	}
}
