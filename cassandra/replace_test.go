package cassandra_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// hurried is a cluster whose clock does not wait between two looks.
func hurried(t testing.TB, r *cassandratest.Ring) *cassandra.Cluster {
	t.Helper()
	config := r.Config() // its budgets are longer than what the clock cuts short
	config.Clock = quick{geored.SystemClock()}
	return open(t, config)
}

// hostID is that of a node which answers.
func hostID(t testing.TB, r *cassandratest.Ring, n *cassandratest.Node) string {
	t.Helper()
	ring, err := hurried(t, r).Ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(ring.Views, func(v cassandra.View) bool { return v.Node.Address.String() == n.Address() })
	if i < 0 {
		t.Fatalf("%s does not answer: %v", n.Address(), ring.Silent)
	}
	return ring.Views[i].Node.HostID
}

func replace(t *testing.T, r *cassandratest.Ring, p cassandra.ReplacePlan, replacer cassandra.Replacer) (geored.Result, error) {
	t.Helper()
	return replaceUntil(t, r, p, replacer, "\x00")
}

// replaceUntil stops as soon as a step waits for that.
func replaceUntil(t *testing.T, r *cassandratest.Ring, p cassandra.ReplacePlan, replacer cassandra.Replacer, reason string) (geored.Result, error) {
	t.Helper()
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	if u, ok := replacer.(unending); ok {
		replacer = unending{u.Replacer, stop}
	}
	stage, err := hurried(t, r).ReplaceStage(p, replacer, p.Confirmation(), 2*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return geored.Runbook{Name: "replace", Stages: []geored.Stage{stage}}.Run(ctx, geored.RunConfig{Observer: func(e geored.Event) {
		if e.Kind == geored.StepWaiting && strings.Contains(e.Detail, reason) {
			stop(errors.New(e.Detail))
		}
	}})
}

func TestReplaceBringsTheRowsBack(t *testing.T) {
	t.Parallel()
	for _, moved := range []bool{false, true} {
		for _, nodes := range []int{1, 2} {
			r := seeded(t, three, cassandratest.NodesPerSite(nodes))
			lost := r.Node("dc2", nodes-1)
			what := cassandra.Replacing{Site: "dc2", Node: hostID(t, r, lost)}
			replacer := r.Replacer()
			replacer.Move(moved)
			replacer.LeaveGhosts(true)
			replacer.KeepSettings(nodes == 2)
			lost.Lose()
			p, err := hurried(t, r).PlanReplace(t.Context(), what, replacer)
			if err != nil || !slices.Equal(p.Keyspaces, []string{"dev"}) || p.Evidence == "" {
				t.Fatalf("%+v: %v", p, err)
			}
			result, err := replace(t, r, p, replacer)
			if err != nil || result.Count(geored.Changed, geored.Unchanged) != 4 {
				t.Fatalf("%+v: %v", result, err)
			}
			how := quickly()
			how.EveryReplica = true
			if x := compare(t, r, how); x.Equality != cassandra.Equal || x.Rows("dc2") != 100 {
				t.Errorf("moved %v, %d nodes: %s, %d rows", moved, nodes, x, x.Rows("dc2"))
			}
			if progress, err := replacer.Progress(t.Context(), p.Lost); progress != cassandra.ReplaceEnded {
				t.Errorf("what its first start needed is still set: %v, %v", progress, err)
			}
			if listed := listing(t, r, what.Node); moved && len(listed) > 0 {
				t.Errorf("the old node is still a peer of %v", listed)
			}
			if same := hostID(t, r, lost) == what.Node; same == moved {
				t.Errorf("moved %v, and the host ID is the same: %v", moved, same)
			}
		}
	}
}

// listing are the nodes that have another one among their peers.
func listing(t testing.TB, r *cassandratest.Ring, hostID string) (nodes []string) {
	t.Helper()
	ring, err := hurried(t, r).Ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range ring.Views {
		if slices.ContainsFunc(v.Peers, func(p cassandra.Node) bool { return p.HostID == hostID }) {
			nodes = append(nodes, v.Node.Address.String())
		}
	}
	return nodes
}

// What the replacement leaves behind bites when it is not taken away: the stage does not end before.
func TestReplaceLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	r := seeded(t, two)
	lost, replacer := r.Node("dc2", 0), r.Replacer()
	what := cassandra.Replacing{Site: "dc2", Node: hostID(t, r, lost)}
	replacer.Move(true)
	replacer.LeaveGhosts(true)
	replacer.KeepSettings(true)
	lost.Lose()
	p, err := hurried(t, r).PlanReplace(t.Context(), what, replacer)
	if err != nil {
		t.Fatal(err)
	}
	if result, err := replaceUntil(t, r, p, unending{Replacer: replacer}, "cannot be taken away"); err == nil || result.Count(geored.Changed, geored.Unchanged) != 2 {
		t.Errorf("settings that stay: %+v, %v", result, err)
	}
	if listed := listing(t, r, what.Node); len(listed) != 1 {
		t.Fatalf("the fault does not bite: the old node is a peer of %v", listed)
	}
	result, err := replace(t, r, p, replacer)
	if err != nil || result.Count(geored.Changed, geored.Unchanged) != 4 || len(listing(t, r, what.Node)) > 0 {
		t.Errorf("%+v: %v; it is a peer of %v", result, err, listing(t, r, what.Node))
	}
}

// unending cannot take away what the first start needs; then the run is stopped.
type unending struct {
	*cassandratest.Replacer
	stop context.CancelCauseFunc
}

func (u unending) End(context.Context, cassandra.Node) error {
	err := errors.New("cannot be taken away")
	u.stop(err)
	return err
}

// A server that began without rows has the place, and is not taken for a replacement.
func TestReplaceIsProvenByComparing(t *testing.T) {
	t.Parallel()
	r := seeded(t, two)
	lost, replacer := r.Node("dc2", 0), r.Replacer()
	what := cassandra.Replacing{Site: "dc2", Node: hostID(t, r, lost)}
	replacer.StreamNothing(true)
	lost.Lose()
	p, err := hurried(t, r).PlanReplace(t.Context(), what, replacer)
	if err != nil {
		t.Fatal(err)
	}
	result, err := replaceUntil(t, r, p, replacer, "100 rows differ")
	if err == nil || !strings.Contains(err.Error(), "100 rows differ") || result.Count(geored.Changed, geored.Unchanged) != 3 {
		t.Errorf("%+v: %v", result, err)
	}
}

func TestReplaceIsConfirmedByValue(t *testing.T) {
	r := seeded(t, two)
	lost, replacer := r.Node("dc2", 0), r.Replacer()
	what := cassandra.Replacing{Site: "dc2", Node: hostID(t, r, lost)}
	lost.Lose()
	c := hurried(t, r)
	p, err := c.PlanReplace(t.Context(), what, replacer)
	if err != nil {
		t.Fatal(err)
	}
	other := p
	other.Generation++
	for _, value := range []string{"", "yes", what.Node, other.Confirmation()} {
		if _, err := c.ReplaceStage(p, replacer, value, time.Minute); err == nil || !strings.Contains(err.Error(), p.Confirmation()) {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// Between plan and run the node may come back to life: then nothing is started in its place.
func TestReplaceOfANodeThatCameBack(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]struct {
		how  func(*cassandratest.Node)
		want string
	}{
		"it answers":       {func(n *cassandratest.Node) { n.Start() }, "it is not dead"},
		"others hear it":   {func(n *cassandratest.Node) { n.RefuseLogin(true); n.Start() }, "its server runs"},
		"evidence is lost": {nil, "no evidence any more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := seeded(t, two)
			lost := r.Node("dc2", 0)
			what := cassandra.Replacing{Site: "dc2", Node: hostID(t, r, lost)}
			lost.Lose()
			replacer := &fickle{Replacer: r.Replacer()}
			p, err := hurried(t, r).PlanReplace(t.Context(), what, replacer)
			if err != nil {
				t.Fatal(err)
			}
			if replacer.gone = back.how == nil; !replacer.gone {
				back.how(lost)
			}
			result, err := replaceUntil(t, r, p, replacer, back.want)
			if err == nil || !strings.Contains(err.Error(), back.want) || result.Count(geored.Pending) != 3 {
				t.Errorf("%+v: %v; want %q", result, err, back.want)
			}
			if progress, _ := replacer.Progress(t.Context(), p.Lost); progress != cassandra.ReplaceNotBegun {
				t.Error("a server was started in its place")
			}
		})
	}
}

// fickle has evidence until it is gone.
type fickle struct {
	*cassandratest.Replacer
	gone bool
}

func (f *fickle) Lost(ctx context.Context, n cassandra.Node) (string, error) {
	if f.gone {
		return "", errors.New("no evidence any more")
	}
	return f.Replacer.Lost(ctx, n)
}

func TestReplaceIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault func(*cassandratest.Ring, *cassandratest.Node)
		want  string
	}{
		"it answers":        {func(*cassandratest.Ring, *cassandratest.Node) {}, "it is not dead"},
		"lost contact only": {func(_ *cassandratest.Ring, n *cassandratest.Node) { n.Stop() }, "nothing shows that it is gone for good: node"},
		"others hear it":    {func(_ *cassandratest.Ring, n *cassandratest.Node) { n.RefuseLogin(true) }, "its server runs"},
		"hearing untold": {func(r *cassandratest.Ring, n *cassandratest.Node) {
			n.Lose()
			r.Node("dc1", 0).CloseTable("system_views.gossip_info", true)
		}, "cannot say whether it hears"},
		"another is silent": {func(r *cassandratest.Ring, n *cassandratest.Node) { n.Lose(); r.Node("dc1", 1).Stop() }, "bring it back first"},
		"schema split":      {func(r *cassandratest.Ring, n *cassandratest.Node) { n.Lose(); r.Node("dc1", 1).SplitSchema(true) }, "cure it first"},
		"rows nowhere else": {func(r *cassandratest.Ring, n *cassandratest.Node) {
			n.Lose()
			r.SetReplication(cassandra.Keyspace{Name: "dev", Class: "NetworkTopologyStrategy", Replication: map[string]string{"dc2": "1"}})
		}, "keyspace dev: has rows on no other node"},
		"one replica anywhere": {func(r *cassandratest.Ring, n *cassandratest.Node) {
			n.Lose()
			r.SetReplication(cassandra.Keyspace{Name: "dev", Class: "SimpleStrategy", Replication: map[string]string{"replication_factor": "1"}})
		}, "has one replica of each row"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := seeded(t, two, cassandratest.NodesPerSite(2))
			lost := r.Node("dc2", 1)
			what := cassandra.Replacing{Site: "dc2", Node: hostID(t, r, lost)}
			test.fault(r, lost)
			_, err := hurried(t, r).PlanReplace(t.Context(), what, r.Replacer())
			if _, ok := geored.AsFaults(err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v; want %q", err, test.want)
			}
		})
	}
	r := seeded(t, two)
	for _, what := range []cassandra.Replacing{{}, {Site: "dc2", Node: "x"}, {Site: "dc9"}} {
		if _, err := hurried(t, r).PlanReplace(t.Context(), what, r.Replacer()); err == nil || !strings.Contains(err.Error(), "is no node that any other knows") {
			t.Errorf("%+v: %v", what, err)
		}
	}
}

// Names of the lost node's site may lead nowhere until the new server is there; those of others are nodes that are missing.
func TestReplaceWhereNamesLeadNowhere(t *testing.T) {
	t.Parallel()
	for nowhere, want := range map[string]string{"second.test": "", "first.test": "no pod stands behind it"} {
		r := seeded(t, two)
		lost := r.Node("dc2", 0)
		what := cassandra.Replacing{Site: "dc2", Node: hostID(t, r, lost)}
		lost.Lose()
		config := r.Config()
		config.Clock = quick{geored.SystemClock()}
		_, port1, _ := net.SplitHostPort(r.Node("dc1", 0).Address())
		_, port2, _ := net.SplitHostPort(lost.Address())
		config.Sites[0].Nodes = append(config.Sites[0].Nodes, "first.test:"+port1)
		config.Sites[1].Nodes = []string{"second.test:" + port2}
		config.Resolve = func(_ context.Context, host string) ([]netip.Addr, error) {
			if host == nowhere {
				return nil, errors.New("no pod stands behind it")
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		_, err := open(t, config).PlanReplace(t.Context(), what, r.Replacer())
		if got := fmt.Sprint(err); (err == nil) != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s leads nowhere: %v, want %q", nowhere, err, want)
		}
	}
}

func (m *mortal) replacer() cassandra.Replacer { return mortalReplacer{m.place, m} }

// mortalReplacer lets a run be killed before and after a server is started in the place of a lost one.
type mortalReplacer struct {
	*cassandratest.Replacer
	m *mortal
}

func (x mortalReplacer) Begin(ctx context.Context, n cassandra.Node, option string) error {
	return x.m.count(ctx, fmt.Sprintf("%s replaced", n.Site), func() error { return x.Replacer.Begin(ctx, n, option) })
}

func (x mortalReplacer) End(ctx context.Context, n cassandra.Node) error {
	return x.m.count(ctx, fmt.Sprintf("%s settled", n.Site), func() error { return x.Replacer.End(ctx, n) })
}

func TestAReplacementIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	killed(t, 30, func(t testing.TB) geotest.Rehearsal {
		m := newMortal(t, two, false)
		m.place = m.Ring.Replacer()
		m.place.Move(true)
		m.place.LeaveGhosts(true)
		m.place.KeepSettings(true)
		what := cassandra.Replacing{Site: "dc2", Node: hostID(t, m.Ring, m.Node("dc2", 0))}
		m.Node("dc2", 0).Lose()
		p, err := m.cluster().PlanReplace(t.Context(), what, m.place)
		if err != nil {
			t.Fatal(err)
		}
		return m.rehearsal(t, func(c *cassandra.Cluster) (geored.Stage, error) {
			return c.ReplaceStage(p, m.replacer(), p.Confirmation(), time.Minute)
		})
	})
}
