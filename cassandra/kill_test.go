package cassandra_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// mortal is a ring whose effects a run can be killed between. Each effect is counted.
type mortal struct {
	*cassandratest.Ring
	t      testing.TB
	tool   *cassandratest.Nodetool
	starts sync.WaitGroup // of nodes
	place  *cassandratest.Replacer

	mu       sync.Mutex
	effects  map[string]int
	sessions map[netip.AddrPort]cassandra.Session // processes share them, to save time
}

func newMortal(t testing.TB, sites []geored.SiteName, lose bool) *mortal {
	r := seeded(t, sites)
	m := &mortal{Ring: r, t: t, tool: r.Nodetool(), effects: map[string]int{}, sessions: map[netip.AddrPort]cassandra.Session{}}
	m.tool.LoseConnections(lose)
	t.Cleanup(m.starts.Wait)
	return m
}

// count does an effect between two points.
func (m *mortal) count(ctx context.Context, what string, effect func() error) error {
	return geotest.Inside(ctx, what, func() error {
		m.mu.Lock()
		m.effects[what]++
		m.mu.Unlock()
		return effect()
	})
}

// Run is nodetool's.
func (m *mortal) Run(ctx context.Context, n cassandra.Node, args ...string) (output string, err error) {
	run := func() error {
		output, err = m.tool.Run(ctx, n, args...)
		return err
	}
	switch args[0] {
	case "repair", "cleanup", "rebuild":
		err = m.count(ctx, string(n.Site)+" "+args[0], run)
	default: // done twice it is done once
		err = geotest.Inside(ctx, args[0], run)
	}
	return output, err
}

// Restart takes its time, like that of a server, and goes on without who asked for it.
func (m *mortal) Restart(ctx context.Context, n cassandra.Node) error {
	return m.count(ctx, string(n.Site)+" restart", func() error {
		m.Node(n.Site, 0).Stop()
		m.starts.Add(1)
		time.AfterFunc(30*time.Millisecond, func() {
			defer m.starts.Done()
			if err := m.Ring.Restart(context.WithoutCancel(ctx), n); err != nil {
				m.t.Error(err)
			}
		})
		return nil
	})
}

// quick is a clock whose pauses are short, and whose budgets are as long as they are.
type quick struct{ geored.Clock }

func (q quick) Sleep(ctx context.Context, d time.Duration) error {
	if d <= cassandra.GossipPause {
		d = 2 * time.Millisecond
	}
	return q.Clock.Sleep(ctx, d)
}

// session passes changes of the schema through a point each; done again they change nothing.
type session struct {
	cassandra.Session
	close func()
}

func (s *session) Query(ctx context.Context, q cassandra.Query, each func(cassandra.Row) error) error {
	query := func() error { return s.Session.Query(ctx, q, each) }
	if strings.HasPrefix(q.CQL, "SELECT") {
		return query()
	}
	return geotest.Inside(ctx, q.CQL, query)
}

func (s *session) Close() { s.close() }

// cluster is the ring as a new process opens it.
func (m *mortal) cluster() *cassandra.Cluster {
	m.t.Helper()
	c := m.Config()
	dial := cassandra.GoCQL(c)
	c.Clock = quick{geored.SystemClock()}
	c.Connect = func(ctx context.Context, node netip.AddrPort) (cassandra.Session, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.sessions[node] == nil {
			s, err := dial(ctx, node)
			if err != nil {
				return nil, err
			}
			m.sessions[node] = s
		}
		s := m.sessions[node]
		return &session{s, func() { m.forget(node, s) }}, nil
	}
	return open(m.t, c)
}

// forget closes a session, of which a broken connection or the end of the test is the reason.
func (m *mortal) forget(node netip.AddrPort, s cassandra.Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sessions[node] == s {
		delete(m.sessions, node)
		s.Close()
	}
}

func (m *mortal) rehearsal(t testing.TB, stage func(*cassandra.Cluster) (geored.Stage, error)) geotest.Rehearsal {
	return geotest.Rehearsal{
		Runbook: func() geored.Runbook {
			s, err := stage(m.cluster())
			if err != nil {
				t.Fatal(err)
			}
			return geored.Runbook{Name: "kill", Stages: []geored.Stage{s}}
		},
		Config:  geored.RunConfig{Clock: geored.SystemClock(), Poll: time.Millisecond},
		Effects: func() map[string]int { m.mu.Lock(); defer m.mu.Unlock(); return m.effects },
		State: func() string {
			how := quickly()
			how.EveryReplica = true
			m.starts.Wait()
			c := m.cluster()
			x, err := c.Compare(t.Context(), how)
			ring, ringErr := c.Ring(t.Context())
			c.Close()
			return fmt.Sprint(x.Equality, x.Rows("dc1"), x.Rows("dc2"), err, len(ring.Schema()), ringErr)
		},
	}
}

// killed kills a runbook everywhere.
func killed(t *testing.T, least int, rehearse func(t testing.TB) geotest.Rehearsal) {
	t.Helper()
	points := geotest.KillAnywhere(t, rehearse)
	if points < least {
		t.Errorf("only %d points", points)
	}
	t.Logf("killed at %d points", points)
}

// What nodetool began goes on in the server when the run that called it is dead.
func TestARepairIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	killed(t, 20, func(t testing.TB) geotest.Rehearsal {
		m := newMortal(t, two, true)
		m.DeleteAt("dc2", "dev.changeset", 5)
		p, err := m.cluster().PlanRepair(t.Context(), "dev", 0)
		if err != nil {
			t.Fatal(err)
		}
		return m.rehearsal(t, func(c *cassandra.Cluster) (geored.Stage, error) { return c.RepairStage(p, m, time.Minute), nil })
	})
}

func TestARebuildIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	killed(t, 40, func(t testing.TB) geotest.Rehearsal {
		m := newMortal(t, two, true)
		m.DeleteAt("dc1", "dev.changeset", 5)
		p, err := m.cluster().PlanRebuild(t.Context(), second)
		if err != nil {
			t.Fatal(err)
		}
		return m.rehearsal(t, func(c *cassandra.Cluster) (geored.Stage, error) {
			return c.RebuildStage(p, m, m, p.Confirmation(), time.Minute, func(_ context.Context, given cassandra.RebuildPlan) error {
				p = given
				return nil
			})
		})
	})
}

func TestASchemaCureIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	killed(t, 40, func(t testing.TB) geotest.Rehearsal {
		m := newMortal(t, three, false)
		for _, site := range []geored.SiteName{"dc2", "dc3"} {
			m.Node(site, 0).SplitSchema(true)
		}
		m.Node("dc3", 0).KeepSplit(true)
		p, err := m.cluster().PlanSchemaCure(t.Context(), "dc1")
		if err != nil {
			t.Fatal(err)
		}
		return m.rehearsal(t, func(c *cassandra.Cluster) (geored.Stage, error) { return c.CureStage(p, m, m, time.Minute), nil })
	})
}
