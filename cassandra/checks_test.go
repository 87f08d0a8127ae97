package cassandra_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

var (
	two   = []geored.SiteName{"dc1", "dc2"}
	three = []geored.SiteName{"dc1", "dc2", "dc3"}
)

func open(t testing.TB, c cassandra.Config) *cassandra.Cluster {
	t.Helper()
	cluster, err := cassandra.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

// impatient gives up early on a node that hangs.
func impatient(r *cassandratest.Ring) cassandra.Config {
	c := r.Config()
	c.ConnectTimeout, c.Timeout = 2*time.Second, 2*time.Second
	return c
}

// prove runs one check.
func prove(t *testing.T, c *cassandra.Cluster, id geored.CheckID) []geored.Finding {
	t.Helper()
	checks := c.Checks()
	i := slices.IndexFunc(checks, func(c geored.Check) bool { return c.ID == id })
	report, err := geored.Prove(t.Context(), geored.CheckConfig{}, checks[i])
	if err != nil {
		t.Fatal(err)
	}
	return report.Findings
}

// Each check is shown to pass, to fail and, where that can be, not to know.
func TestChecks(t *testing.T) {
	first := func(r *cassandratest.Ring) *cassandratest.Node { return r.Node("dc1", 0) }
	second := func(r *cassandratest.Ring) *cassandratest.Node { return r.Node("dc2", 0) }
	for _, test := range []struct {
		name  string
		check geored.CheckID
		fault func(*cassandratest.Ring)
		want  geored.Verdict
		says  string // a part of a finding's message, evidence or reasons
	}{
		{"stopped", cassandra.CheckNodes, func(r *cassandratest.Ring) { second(r).Stop() }, geored.Fail, "cannot be reached"},
		{"paused", cassandra.CheckNodes, func(r *cassandratest.Ring) { second(r).Pause() }, geored.Fail, "dc2 node"},
		{"login refused", cassandra.CheckNodes, func(r *cassandratest.Ring) { second(r).RefuseLogin(true) }, geored.Fail, "check user and password"},
		{"old protocol", cassandra.CheckNodes, func(r *cassandratest.Ring) { second(r).SpeakVersion3(true) }, geored.Fail, "does not speak CQL protocol version 4"},
		{"empty site", cassandra.CheckNodes, func(r *cassandratest.Ring) { second(r).MoveTo("dc1") }, geored.Fail, "no node is in data center dc2"},
		{"other data center", cassandra.CheckNames, func(r *cassandratest.Ring) { second(r).MoveTo("dc9") }, geored.Fail, "dc9, which is that of no site"},
		{"wrong site", cassandra.CheckNames, func(r *cassandratest.Ring) { second(r).MoveTo("dc1") }, geored.Fail, "named for site dc2"},
		{"names unknown", cassandra.CheckNames, func(r *cassandratest.Ring) { second(r).Stop() }, geored.Unknown, ""},
		{"unknown to another", cassandra.CheckView, func(r *cassandratest.Ring) { first(r).Forget(second(r), true) }, geored.Fail, "does not know"},
		{"old address", cassandra.CheckView, func(r *cassandratest.Ring) { first(r).Remember(second(r), true) }, geored.Fail, "old address"},
		{"view unknown", cassandra.CheckView, func(r *cassandratest.Ring) { second(r).Stop() }, geored.Unknown, ""},
		{"not heard", cassandra.CheckGossip, func(r *cassandratest.Ring) { first(r).Deafen(second(r), true) }, geored.Fail, "has heard nothing of"},
		{"gossip closed", cassandra.CheckGossip, func(r *cassandratest.Ring) { second(r).CloseTable("system_views.gossip_info", true) }, geored.Unknown, "read system_views.gossip_info"},
		{"schema split", cassandra.CheckSchema, func(r *cassandratest.Ring) { second(r).SplitSchema(true) }, geored.Fail, "2 versions"},
		{"schema unknown", cassandra.CheckSchema, func(r *cassandratest.Ring) { second(r).Stop() }, geored.Unknown, ""},
		{"one token twice", cassandra.CheckTokens, func(r *cassandratest.Ring) { second(r).TakeTokenOf(first(r)) }, geored.Fail, "belongs to node"},
		{"other rack", cassandra.CheckTokens, func(r *cassandratest.Ring) { first(r).Misplace(second(r), true) }, geored.Fail, "dc2/rack9"},
		{"tokens unknown", cassandra.CheckTokens, func(r *cassandratest.Ring) { second(r).Stop() }, geored.Unknown, ""},
		{"mixed versions", cassandra.CheckVersions, func(r *cassandratest.Ring) { second(r).SetVersion("5.0.9") }, geored.Warn, "5.0.9"},
		{"versions unknown", cassandra.CheckVersions, func(r *cassandratest.Ring) { second(r).Stop() }, geored.Unknown, ""},
		{"one site has no replica", cassandra.CheckReplication, func(r *cassandratest.Ring) {
			r.SetReplication(cassandra.Keyspace{Name: "dev", Class: "NetworkTopologyStrategy", Replication: map[string]string{"dc1": "1"}})
		}, geored.Fail, "no replica in site dc2"},
		{"simple strategy", cassandra.CheckReplication, func(r *cassandratest.Ring) {
			r.SetReplication(cassandra.Keyspace{Name: "system_auth", Class: "SimpleStrategy", Replication: map[string]string{"replication_factor": "1"}})
		}, geored.Fail, "SimpleStrategy"},
		{"keyspaces closed", cassandra.CheckReplication, func(r *cassandratest.Ring) { second(r).CloseTable("system_schema.keyspaces", true) }, geored.Unknown, "read system_schema.keyspaces"},
		{"hints wait", cassandra.CheckHints, func(r *cassandratest.Ring) { first(r).KeepHints(second(r), 3) }, geored.Warn, "3 files of hints"},
		{"hints off", cassandra.CheckHints, func(r *cassandratest.Ring) { first(r).Set("hinted_handoff_enabled", "false") }, geored.Fail, "keeps no hints"},
		{"no hint window", cassandra.CheckHints, func(r *cassandratest.Ring) { first(r).Set("max_hint_window", "0ms") }, geored.Fail, "its window is zero"},
		{"hint window unknown", cassandra.CheckHints, func(r *cassandratest.Ring) { first(r).Set("max_hint_window", "long") }, geored.Unknown, "is no duration"},
		{"settings closed", cassandra.CheckHints, func(r *cassandratest.Ring) { first(r).CloseTable("system_views.settings", true) }, geored.Unknown, "read system_views.settings"},
		{"hints closed", cassandra.CheckHints, func(r *cassandratest.Ring) { second(r).CloseTable("system_views.pending_hints", true) }, geored.Unknown, "read system_views.pending_hints"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := cassandratest.New(t, two)
			if before := geored.Join(verdicts(prove(t, open(t, r.Config()), test.check))...); before != geored.Pass {
				t.Fatalf("%s before the fault", before)
			}
			test.fault(r)
			findings := prove(t, open(t, impatient(r)), test.check)
			if got := geored.Join(verdicts(findings)...); got != test.want {
				t.Errorf("%s, want %s: %+v", got, test.want, findings)
			}
			if !slices.ContainsFunc(findings, func(f geored.Finding) bool { return f.Verdict == test.want && says(f, test.says) }) {
				t.Errorf("none says %q: %+v", test.says, findings)
			}
		})
	}
}

// gossipClock goes on at once when somebody waits for gossip, and stands still for those who wait for a node.
type gossipClock struct {
	*geotest.Clock
	slept int
	woken func(times int)
}

func (c *gossipClock) Sleep(ctx context.Context, d time.Duration) error {
	if d > cassandra.GossipPause {
		return c.Clock.Sleep(ctx, d)
	}
	c.slept++
	c.Advance(d)
	c.woken(c.slept)
	return ctx.Err()
}

// Gossip is looked for until everybody is heard, and nobody is given up before the pause is over.
func TestGossipIsLookedForAgain(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		heardAfter int // sleeps; 0: never
		want       geored.Verdict
	}{
		"at the first look":   {1, geored.Pass},
		"at the third look":   {3, geored.Pass},
		"when the pause ends": {int(cassandra.GossipPause / time.Second), geored.Pass},
		"never":               {0, geored.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := cassandratest.New(t, two)
			listener, silent := r.Node("dc1", 0), r.Node("dc2", 0)
			listener.Deafen(silent, true)
			clock := &gossipClock{Clock: geotest.StoppedClock(began), woken: func(times int) { listener.Deafen(silent, times != c.heardAfter) }}
			config := r.Config()
			config.Clock = clock
			findings := prove(t, open(t, config), cassandra.CheckGossip)
			if got := geored.Join(verdicts(findings)...); got != c.want {
				t.Errorf("%s, want %s: %+v", got, c.want, findings)
			}
			switch passed := clock.Now().Sub(began); {
			case c.heardAfter == 0 && passed < cassandra.GossipPause:
				t.Errorf("given up after %s", passed)
			case c.heardAfter != 0 && clock.slept != c.heardAfter:
				t.Errorf("heard after %d looks, ended after %d", c.heardAfter, clock.slept)
			}
		})
	}
}

func verdicts(findings []geored.Finding) []geored.Verdict {
	var all []geored.Verdict
	for _, f := range findings {
		all = append(all, f.Verdict)
	}
	return all
}

func says(f geored.Finding, what string) bool {
	text := f.Message + strings.Join(f.Evidence, " ")
	for _, s := range f.Unanswered {
		text += s.Reason
	}
	return strings.Contains(text, what)
}

// Whoever is left out, no check passes as if it had been there.
func TestChecksWithoutOneNode(t *testing.T) {
	for _, silent := range three {
		t.Run(string(silent), func(t *testing.T) {
			t.Parallel()
			r := cassandratest.New(t, three)
			r.Node(silent, 0).Stop()
			c := open(t, r.Config())
			for _, check := range c.Checks() {
				findings := prove(t, c, check.ID)
				if v := geored.Join(verdicts(findings)...); v == geored.Pass || v == geored.Warn {
					t.Errorf("%s is %s without %s", check.ID, v, silent)
				}
			}
		})
	}
}

func TestRingFindsWhomItWasNotTold(t *testing.T) {
	r := cassandratest.New(t, two, cassandratest.NodesPerSite(3))
	c := open(t, r.Config())
	ring, err := c.Ring(t.Context())
	if err != nil || len(ring.Views) != 6 || len(ring.Silent) != 0 {
		t.Fatalf("%d views, %v silent: %v", len(ring.Views), ring.Silent, err)
	}
	r.Node("dc2", 2).Stop()
	ring, err = c.Ring(t.Context())
	if err != nil || len(ring.Views) != 5 || len(ring.Silent) != 1 {
		t.Fatalf("%d views, %v silent: %v", len(ring.Views), ring.Silent, err)
	}
	if got, want := ring.Silent[0].Target, (geored.Target{Site: "dc2", Name: "node " + r.Node("dc2", 2).Address()}); got != want {
		t.Errorf("silent: %v, want %v", got, want)
	}
	r.Node("dc2", 2).Start()
	if ring, err = c.Ring(t.Context()); err != nil || len(ring.Views) != 6 {
		t.Errorf("%d views after the node is back: %v", len(ring.Views), err)
	}
}

// An address that a node no longer has is told from a node that is down.
func TestOldContactPoint(t *testing.T) {
	r := cassandratest.New(t, two)
	config := r.Config()
	config.Sites[1].Nodes = append(config.Sites[1].Nodes, "127.0.0.1:1")
	findings := prove(t, open(t, config), cassandra.CheckNodes)
	i := slices.IndexFunc(findings, func(f geored.Finding) bool { return f.Verdict == geored.Fail })
	if i < 0 || len(findings) != 3 || findings[i].Site != "dc2" || !strings.Contains(findings[i].Remedy, r.Node("dc2", 0).Address()) {
		t.Errorf("%+v", findings)
	}
}

func TestAwaitSchema(t *testing.T) {
	r := cassandratest.New(t, two)
	c := open(t, r.Config())
	r.Node("dc2", 0).SplitSchema(true)
	split, err := c.Ring(t.Context())
	if err != nil || len(split.Schema()) != 2 {
		t.Fatal(split.Schema(), err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := c.AwaitSchema(t.Context(), time.Millisecond)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("came back while the schema is split: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	r.Node("dc2", 0).SplitSchema(false)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What was heard before the look of the other checks is no proof of what is heard now.
func TestGossipIsLookedAtAnew(t *testing.T) {
	t.Parallel()
	r := cassandratest.New(t, two)
	config := r.Config()
	config.Clock = &gossipClock{Clock: geotest.StoppedClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), woken: func(int) {}}
	checks := open(t, config).Checks()
	run := func(id geored.CheckID) []geored.Finding {
		return checks[slices.IndexFunc(checks, func(c geored.Check) bool { return c.ID == id })].Run(t.Context())
	}
	run(cassandra.CheckNodes)
	listener, silent := r.Node("dc1", 0), r.Node("dc2", 0)
	listener.Deafen(silent, true)
	if findings := run(cassandra.CheckGossip); geored.Join(verdicts(findings)...) != geored.Fail {
		t.Errorf("%+v", findings)
	}
}
