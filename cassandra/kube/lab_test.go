//go:build lab

package kube_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gocql/gocql"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/cassandra"
	cassandrakube "github.com/georedkit/georedkit/cassandra/kube"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/internal/laboratory/cql"
	"github.com/georedkit/georedkit/internal/laboratory/joined"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

// version of Cassandra that all tests here run on; the drill takes them through 5.0 too.
var version = cmp.Or(os.Getenv("GEOREDKIT_CASSANDRA"), "4.1")

var lab = joined.Shared{Shared: labtest.Shared{Sites: 2, Stores: []string{map[string]string{"4.1": "cassandra", "5.0": "cassandra-5.0"}[version]}}}

func TestMain(m *testing.M) { lab.Main(m) }

const (
	namespace = "ice-cassandra"
	user      = "ice"
	everyone  = "{'class': 'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 1}"
)

var password = sync.OnceValue(rand.Text)

var changeset = cassandra.Table{Keyspace: "dev", Name: "changeset"}

// rig is one ring over both sites, a node at each, as the machine of an operator reaches it.
type rig struct {
	*joined.Sites
	t    *testing.T
	pods cassandrakube.Pods
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

var install sync.Once

func up(t *testing.T) *rig {
	r := &rig{Sites: lab.Up(t), t: t, pods: cassandrakube.Pods{Namespace: namespace, Container: "cassandra"}}
	for _, name := range r.Names {
		r.pods.Clusters = append(r.pods.Clusters, r.Clusters[name])
	}
	r.dial = kube.DialAny(r.pods.Clusters...)
	install.Do(r.install)
	return r
}

func (r *rig) install() {
	began := time.Now()
	r.Install("ice-cassandra", func(site geored.SiteName) map[string]any {
		number := slices.Index(r.Names, site)
		return map[string]any{"lab": map[string]any{"version": version, "initialToken": fmt.Sprint(-9223372036854775807 + int64(1000*number))},
			"multidatacenter": map[string]any{"currentDC": string(site), "dcs": []any{map[string]any{"name": "dc1"}, map[string]any{"name": "dc2"}}}}
	})
	r.t.Logf("Cassandra ready: %s", time.Since(began).Round(100*time.Millisecond))
	r.Await("the first user can change things", func() (string, bool) {
		err := r.execute("dc1", "cassandra", "cassandra", gocql.Quorum,
			"ALTER KEYSPACE system_auth WITH replication = "+everyone, "ALTER KEYSPACE system_distributed WITH replication = "+everyone,
			"ALTER KEYSPACE system_traces WITH replication = "+everyone,
			"CREATE ROLE IF NOT EXISTS "+user+" WITH SUPERUSER = true AND LOGIN = true AND PASSWORD = '"+password()+"'")
		return strings.ReplaceAll(fmt.Sprint(err), password(), "[redacted]"), err == nil
	})
	r.t.Logf("ring and user: %s", time.Since(began).Round(100*time.Millisecond))
	r.cql("dc1", gocql.All, "CREATE KEYSPACE IF NOT EXISTS dev WITH replication = "+everyone,
		"CREATE TABLE IF NOT EXISTS dev.changeset (id bigint PRIMARY KEY, v text)")
	for site, n := range r.nodes(r.healthy()) {
		if !strings.HasPrefix(n.Version, version+".") {
			r.t.Fatalf("site %s has %s, not %s", site, n.Version, version)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// address is where the pod of a site is now.
func (r *rig) address(site geored.SiteName) netip.Addr {
	r.t.Helper()
	var found []netip.Addr
	r.Await("an address of "+string(site), func() (string, bool) {
		var err error
		found, err = r.Clusters[site].Resolve(r.t.Context(), fmt.Sprintf("ice-%s-rack1.%s.svc", site, namespace))
		return fmt.Sprint(found, err), err == nil && len(found) == 1
	})
	return found[0]
}

// ring is the ring as the package under test sees it; names lead to the pods' present addresses.
func (r *rig) ring() *cassandra.Cluster {
	r.t.Helper()
	config := cassandra.Config{User: user, Password: cassandra.NewPassword(password()), Dial: r.dial, Resolve: r.pods.Resolve, ConnectTimeout: 3 * time.Second, Timeout: 20 * time.Second}
	for _, name := range r.Names {
		config.Sites = append(config.Sites, cassandra.Site{Name: name, Nodes: []string{fmt.Sprintf("ice-%s-rack1.%s.svc", name, namespace)}})
	}
	c, err := cassandra.Open(config)
	must(r.t, err)
	r.t.Cleanup(c.Close)
	return c
}

// execute runs statements at one site's node, apart from the package under test.
func (r *rig) execute(site geored.SiteName, user, password string, consistency gocql.Consistency, statements ...string) error {
	node := cql.Node{Address: r.address(site).String(), User: user, Password: password, Dial: r.dial}
	return node.Execute(r.t.Context(), consistency, statements...)
}

func (r *rig) cql(site geored.SiteName, consistency gocql.Consistency, statements ...string) {
	r.t.Helper()
	must(r.t, r.execute(site, user, password(), consistency, statements...))
}

func inserts(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("INSERT INTO dev.changeset (id, v) VALUES (%d, 'row %[1]d')", i))
	}
	return all
}

func (r *rig) report(c *cassandra.Cluster, ids ...geored.CheckID) geored.Report {
	r.t.Helper()
	checks := slices.DeleteFunc(c.Checks(), func(c geored.Check) bool { return len(ids) > 0 && !slices.Contains(ids, c.ID) })
	report, err := geored.Prove(r.t.Context(), geored.CheckConfig{Budget: time.Minute}, checks...)
	must(r.t, err)
	return report
}

// healthy waits until the whole ring is, in everybody's view.
func (r *rig) healthy() *cassandra.Cluster {
	r.t.Helper()
	var c *cassandra.Cluster
	r.Await("the ring", func() (string, bool) {
		c = r.ring()
		report := r.report(c, cassandra.CheckNodes, cassandra.CheckNames, cassandra.CheckView, cassandra.CheckGossip, cassandra.CheckSchema, cassandra.CheckReplication)
		return fmt.Sprintf("%+v", report.Findings), report.Verdict() == geored.Pass
	})
	return c
}

// nodes are the ring's nodes by site, as they describe themselves, when all answer.
func (r *rig) nodes(c *cassandra.Cluster) map[geored.SiteName]cassandra.Node {
	r.t.Helper()
	all := map[geored.SiteName]cassandra.Node{}
	r.Await("an answer of every node", func() (string, bool) {
		ring, err := c.Ring(r.t.Context())
		must(r.t, err)
		for _, v := range ring.Views {
			all[v.Node.Site] = v.Node
		}
		return fmt.Sprint(ring.Silent), len(ring.Views) == len(r.Names)
	})
	return all
}

func (r *rig) nodetool(n cassandra.Node, args ...string) string {
	r.t.Helper()
	output, err := r.pods.Run(context.WithoutCancel(r.t.Context()), n, args...) // in cleanups too
	must(r.t, err)
	return output
}

func (r *rig) compare(c *cassandra.Cluster) cassandra.Comparison {
	r.t.Helper()
	found, err := c.Compare(r.t.Context(), cassandra.Comparing{Reading: cassandra.Reading{Table: changeset}, Settle: time.Second})
	must(r.t, err)
	return found
}

// Rows that are written on both sides while the link is cut, without hints: named by key and direction, then repaired in the
// pods, and proven.
func TestRowsWrittenDuringACut(t *testing.T) {
	r := up(t)
	c := r.healthy()
	r.cql("dc1", gocql.All, "TRUNCATE dev.changeset")
	r.cql("dc1", gocql.All, inserts(0, 100)...)
	if found := r.compare(c); found.Equality != cassandra.Equal {
		t.Fatalf("before the cut: %s", found)
	}
	nodes := r.nodes(c)
	for _, n := range nodes {
		r.nodetool(n, "disablehandoff")
		r.nodetool(n, "settimeout", "write", "2000")
		t.Cleanup(func() {
			r.nodetool(n, "enablehandoff")
			r.nodetool(n, "settimeout", "write", "20000")
		})
	}
	r.Fault("cut", "dc1", "dc2")
	status := r.nodetool(nodes["dc1"], "status")
	t.Logf("nodetool, a moment after the cut, says UN of %d nodes", strings.Count(status, "\nUN "))
	r.Await("gossip tells of the cut", func() (string, bool) {
		report := r.report(c, cassandra.CheckGossip)
		return fmt.Sprintf("%+v", report.Findings), report.Verdict() == geored.Fail
	})
	r.cql("dc1", gocql.LocalOne, inserts(1000, 1030)...)
	r.cql("dc2", gocql.LocalOne, inserts(2000, 2020)...)
	time.Sleep(4 * time.Second) // what is under way for longer than the time-out is dropped, else it would arrive after the mend
	r.Mend()
	c = r.healthy()
	found := r.compare(c)
	way := map[string]int{}
	for _, d := range found.Differences {
		way[fmt.Sprintf("missing at %v", d.Missing())]++
	}
	if found.Equality != cassandra.Different || way["missing at [dc2]"] != 30 || way["missing at [dc1]"] != 20 || found.Rows("dc1") != 130 || found.Rows("dc2") != 120 {
		t.Errorf("after the mend: %s, %d rows at dc1, %d at dc2, %v", found, found.Rows("dc1"), found.Rows("dc2"), way)
	}
	t.Logf("differences: %v", way)

	plan, err := c.PlanRepair(t.Context(), "dev", 0)
	must(t, err)
	began := time.Now()
	result, err := geored.Runbook{Name: "repair", Stages: []geored.Stage{c.RepairStage(plan, r.pods, 2*time.Minute)}}.Run(t.Context(), geored.RunConfig{Poll: 200 * time.Millisecond})
	if err != nil {
		t.Fatalf("%v\n%+v", err, result.Outcomes)
	}
	t.Logf("repaired %d nodes in %s", len(plan.Nodes), time.Since(began).Round(100*time.Millisecond))
	if found := r.compare(c); found.Equality != cassandra.Equal || found.Rows("dc1") != 150 || found.Rows("dc2") != 150 {
		t.Errorf("after the repair: %s, %d rows at dc1, %d at dc2", found, found.Rows("dc1"), found.Rows("dc2"))
	}
	count, err := c.Count(t.Context(), cassandra.Reading{Table: changeset})
	if err != nil || count.Verdict() != geored.Pass || len(count.Sites) != 2 || count.Sites[0].Rows != 150 {
		t.Errorf("after the repair: %+v, %v", count, err)
	}
}

// Both pods get new addresses while they cannot tell each other: the ring stays split after the mend, until seeds are looked
// up again at one of them.
func TestBothPodsRestartedDuringACut(t *testing.T) {
	r := up(t)
	r.healthy()
	nodes, before := r.nodes(r.ring()), map[geored.SiteName]netip.Addr{}
	for _, name := range r.Names {
		before[name] = r.address(name)
	}
	r.Fault("cut", "dc1", "dc2")
	for _, name := range r.Names {
		must(t, r.pods.Restart(t.Context(), nodes[name]))
	}
	for _, name := range r.Names {
		r.Await("the pod of "+string(name)+" is another, and ready", func() (string, bool) {
			p, err := r.Clusters[name].Client().CoreV1().Pods(namespace).Get(t.Context(), fmt.Sprintf("ice-%s-rack1-0", name), metav1.GetOptions{})
			if err != nil {
				return err.Error(), false
			}
			ready := len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].Ready
			return p.Status.String(), ready && p.DeletionTimestamp == nil && p.Status.PodIP != before[name].String()
		})
	}
	r.Mend()
	// Longer than gossip needs when it can.
	var last geored.Report
	split := 0
	for began := time.Now(); time.Since(began) < 25*time.Second; time.Sleep(time.Second) {
		if last = r.report(r.ring(), cassandra.CheckNodes, cassandra.CheckView); last.Verdict() == geored.Pass {
			break
		}
		split++
	}
	if split < 3 {
		t.Fatalf("the ring is not split: %+v", last.Findings)
	}
	for _, f := range last.Findings {
		t.Logf("%s %s: %s: %s %q", f.Check, f.Site, f.Verdict, f.Message, f.Evidence)
	}
	c := r.ring()
	r.nodetool(r.nodes(c)["dc1"], "reloadseeds")
	began := time.Now()
	c = r.healthy()
	t.Logf("whole %s after reloadseeds", time.Since(began).Round(100*time.Millisecond))
	if found := r.compare(c); found.Equality != cassandra.Equal {
		t.Errorf("after the cure: %s", found)
	}
}

// A rebuild restarts the pod of the site that gives its rows up, which is at another address then; and a pod that is killed
// afterwards does not bring them back.
func TestARebuildInPods(t *testing.T) {
	r := up(t)
	c := r.healthy()
	replicated := func(where string) {
		r.cql("dc1", gocql.LocalOne, "ALTER KEYSPACE dev WITH replication = {'class': 'NetworkTopologyStrategy', "+where+"}")
	}
	r.cql("dc1", gocql.All, "TRUNCATE dev.changeset")
	r.cql("dc1", gocql.All, inserts(0, 20)...)
	replicated("'dc2': '1'")
	r.cql("dc2", gocql.LocalOne, inserts(100, 110)...)
	replicated("'dc1': '1', 'dc2': '1'")
	if found := r.compare(c); found.Equality != cassandra.Different || found.Rows("dc1") != 20 || found.Rows("dc2") != 30 {
		t.Fatalf("the rows are not at dc2 alone: %s", found)
	}
	before := r.address("dc2")
	plan, err := c.PlanRebuild(t.Context(), cassandra.Rebuilding{Keyspace: "dev", Site: "dc2", From: "dc1"})
	must(t, err)
	stage, err := c.RebuildStage(plan, r.pods, r.pods, plan.Confirmation(), 4*time.Minute, nil)
	must(t, err)
	result, err := geored.Runbook{Name: "rebuild", Stages: []geored.Stage{stage}}.Run(t.Context(), geored.RunConfig{Poll: 200 * time.Millisecond})
	for _, o := range result.Outcomes {
		t.Logf("%s: %s %s in %s", o.ID, o.Status, o.Detail, o.Took.Round(100*time.Millisecond))
	}
	must(t, err)
	if r.address("dc2") == before {
		t.Error("the pod was not restarted")
	}
	given := func(when string) {
		t.Helper()
		if found := r.compare(r.healthy()); found.Equality != cassandra.Equal || found.Rows("dc1") != 20 || found.Rows("dc2") != 20 {
			t.Errorf("%s: %s, %d rows at dc1, %d at dc2", when, found, found.Rows("dc1"), found.Rows("dc2"))
		}
	}
	given("rebuilt")
	before = r.address("dc2")
	now := int64(0)
	must(t, r.Clusters["dc2"].Client().CoreV1().Pods(namespace).Delete(t.Context(), "ice-dc2-rack1-0", metav1.DeleteOptions{GracePeriodSeconds: &now}))
	r.Await("another pod", func() (string, bool) {
		is := r.address("dc2")
		return is.String(), is != before
	})
	given("rebuilt, and killed")
}
