//go:build lab

package ice

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/internal/laboratory/cql"
	"github.com/georedkit/georedkit/internal/laboratory/joined"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/broker"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/objectstore"
)

var recoverLab = joined.Shared{Shared: labtest.Shared{Sites: 2, Stores: []string{"cassandra", "kafka", "minio"}}}

func TestMain(m *testing.M) { recoverLab.Main(m) }

// storesRig is all three stores in two joined sites.
type storesRig struct {
	*joined.Sites
	t *testing.T
	d *Deployment
}

const (
	labUser     = "ice"
	labPassword = "laboratory"
	everywhere  = "{'class': 'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 1}"
)

func newStores(t *testing.T) *storesRig {
	r := &storesRig{Sites: recoverLab.Up(t), t: t}
	text, err := os.ReadFile(r.Topology())
	r.must(err)
	topology, err := ParseTopology(text)
	r.must(err)
	r.d, err = Open(topology, Options{Images: Images{Probe: r.Probe}})
	r.must(err)
	began := time.Now()
	multi := func(site geored.SiteName) map[string]any {
		return map[string]any{"enabled": true, "currentDC": string(site), "remoteDC": string(r.other(site))}
	}
	r.Install("ice-cassandra", func(site geored.SiteName) map[string]any {
		return map[string]any{"lab": map[string]any{"initialToken": fmt.Sprint(-9223372036854775807 + int64(1000*slices.Index(r.Names, site)))},
			"multidatacenter": map[string]any{"currentDC": string(site), "dcs": []any{map[string]any{"name": "dc1"}, map[string]any{"name": "dc2"}}}}
	})
	r.Install("ice-kafka", func(site geored.SiteName) map[string]any {
		return map[string]any{"lab": map[string]any{"reconciliationInterval": 5}, "multidatacenter": multi(site)}
	})
	r.Install("ice-minio", func(site geored.SiteName) map[string]any {
		return map[string]any{"lab": map[string]any{"user": labUser, "password": labPassword}, "multidatacenter": multi(site)}
	})
	for _, name := range r.Names {
		objects, err := kube.ReadObjects(fmt.Appendf(nil, "{apiVersion: v1, kind: Secret, metadata: {name: %s, namespace: %s}, stringData: {user: %s, password: %s}}", cassandraSecret, cassandraNamespace, labUser, labPassword))
		r.must(err)
		r.must(r.Clusters[name].Apply(t.Context(), objects...))
	}
	r.Await("the first user can change things", func() (string, bool) {
		err := r.execute("dc1", "cassandra", "cassandra", gocql.Quorum, "ALTER KEYSPACE system_auth WITH replication = "+everywhere,
			"ALTER KEYSPACE system_distributed WITH replication = "+everywhere, "ALTER KEYSPACE system_traces WITH replication = "+everywhere,
			"CREATE ROLE IF NOT EXISTS "+labUser+" WITH SUPERUSER = true AND LOGIN = true AND PASSWORD = '"+labPassword+"'")
		return fmt.Sprint(err), err == nil
	})
	r.cql("dc1", gocql.All, "CREATE KEYSPACE IF NOT EXISTS dev WITH replication = "+everywhere,
		"CREATE TABLE IF NOT EXISTS dev.message (id text PRIMARY KEY, object_key text, document_id text)")
	t.Logf("stores ready: %s", time.Since(began).Round(100*time.Millisecond))
	return r
}

func (r *storesRig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *storesRig) other(site geored.SiteName) geored.SiteName {
	if site == r.Names[0] {
		return r.Names[1]
	}
	return r.Names[0]
}

func (r *storesRig) execute(site geored.SiteName, user, password string, consistency gocql.Consistency, statements ...string) error {
	found, err := r.Clusters[site].Resolve(r.t.Context(), ringName(site)+"."+cassandraNamespace+".svc")
	if err != nil {
		return err
	}
	node := cql.Node{Address: found[0].String(), User: user, Password: password, Dial: kube.DialAny(r.d.inOrder()...)}
	return node.Execute(r.t.Context(), consistency, statements...)
}

func (r *storesRig) cql(site geored.SiteName, consistency gocql.Consistency, statements ...string) {
	r.t.Helper()
	r.must(r.execute(site, labUser, labPassword, consistency, statements...))
}

// write makes messages at one site, in all three stores.
func (r *storesRig) write(site geored.SiteName, what string, n int) {
	r.t.Helper()
	brokers, err := broker.Open(kafka.Access{Site: site, Bootstrap: []string{r.bootstrap(site)}, Dial: r.Clusters[site].Dial})
	r.must(err)
	defer brokers.Close()
	_, err = brokers.MakeTopic(r.t.Context(), "messages")
	r.must(err)
	store, err := r.d.store(r.t.Context(), site)
	r.must(err)
	var rows []string
	for i := range n {
		id := fmt.Sprintf("%s-%s-%d", site, what, i)
		rows = append(rows, fmt.Sprintf("INSERT INTO dev.message (id, object_key, document_id) VALUES ('%s', 'messages/%[1]s', '')", id))
		r.must(brokers.Send(r.t.Context(), "messages", []byte(id), []byte(id)))
		r.must(store.Put(r.t.Context(), objectstore.Ref{Bucket: filesBucket, Key: "messages/" + id}, int64(len(id)), objectstore.Metadata{}, bytes.NewReader([]byte(id))))
	}
	r.cql(site, gocql.LocalOne, rows...)
}

func (r *storesRig) bootstrap(site geored.SiteName) string { return brokers(site) }

// gates prove what the sites' own joining promises: packets to each other's probes, and each other's names.
func (r *storesRig) gates() []Gate {
	ask := func(question func(from, to geored.SiteName) error) func() []geored.Check {
		return func() []geored.Check {
			return []geored.Check{{ID: "lab/gate", Run: func(ctx context.Context) []geored.Finding {
				return geored.Ask(ctx, r.d.pairs(), func(ctx context.Context, t geored.Target) (struct{}, error) {
					return struct{}{}, question(t.Site, t.To)
				}).Each(func(geored.Target, struct{}) geored.Finding {
					return geored.Finding{Verdict: geored.Pass, Message: "answered"}
				})
			}}}
		}
	}
	return []Gate{
		{Name: "mesh", Reason: "packets pass", Checks: ask(func(from, to geored.SiteName) error { return r.reach(from, r.podIP(to)+":9092") })},
		{Name: "dns", Reason: "names are known", Checks: ask(func(from, to geored.SiteName) error { return r.reach(from, r.bootstrap(to)) })},
	}
}

// podIP is where the broker of a site is.
func (r *storesRig) podIP(site geored.SiteName) string {
	found, err := r.Clusters[site].Resolve(r.t.Context(), fmt.Sprintf("kafka-%s.%s.svc", site, kafkaNamespace))
	if err != nil || len(found) == 0 {
		return netip.IPv4Unspecified().String()
	}
	return found[0].String()
}

// reach connects from a site's probe.
func (r *storesRig) reach(from geored.SiteName, address string) error {
	ctx, cancel := context.WithTimeout(r.t.Context(), 8*time.Second)
	defer cancel()
	client := kube.Probe{Cluster: r.Clusters[from], Namespace: "georedkit-mesh", Pod: "probe", Container: "probe"}
	_, err := probe.Ask(ctx, client, probe.TCP{Address: address, Timeout: 3 * time.Second})
	return err
}

// recovered is one call of the program, from the assessment to the proof.
func (r *storesRig) recovered(said OutageSaid) (geored.Report, map[geored.StepID]geored.Status) {
	r.t.Helper()
	x, err := r.d.RecoverStores(r.t.Context(), RecoveryOptions{Said: said})
	r.must(err)
	x.Gates = r.gates()
	r.must(x.Assess(r.t.Context()))
	for _, d := range x.Note().Decisions {
		r.t.Logf("%s %s: %s", d.Store, d.Part, d.Reason())
	}
	for _, e := range x.Note().Evidence {
		r.t.Logf("evidence: %s", e)
	}
	book, err := x.Runbook()
	r.must(err)
	var journal geored.MemoryJournal
	watched, stop := x.Attend(r.t.Context(), &journal)
	began := time.Now()
	result, err := book.Run(watched, geored.RunConfig{Journal: &journal, StepTimeout: 3 * time.Minute})
	stop()
	for _, o := range result.Outcomes {
		r.t.Logf("%s: %s: %s (%s)", o.ID, o.Status, o.Detail, o.Took.Round(100*time.Millisecond))
	}
	r.must(err)
	r.t.Logf("recovered in %s", time.Since(began).Round(100*time.Millisecond))
	report, err := geored.Prove(r.t.Context(), geored.CheckConfig{Budget: 3 * time.Minute}, x.Checks()...)
	r.must(err)
	for _, f := range report.Findings {
		r.t.Logf("%s %s %s: %s: %s", f.Check, f.Site, f.To, f.Verdict, f.Message)
	}
	statuses := map[geored.StepID]geored.Status{}
	for _, o := range result.Outcomes {
		statuses[o.ID] = o.Status
	}
	return report, statuses
}

// workerFailed says whether a connector of the worker that mirrors into a site has FAILED.
func (r *storesRig) workerFailed(site geored.SiteName) (string, bool) {
	r.t.Helper()
	config, err := r.d.kafkaConfig(r.Names)
	r.must(err)
	for _, s := range config.Sites {
		if s.Name != site {
			continue
		}
		connectors, err := s.Worker.Connectors(r.t.Context())
		if err != nil {
			return err.Error(), false
		}
		for _, c := range connectors {
			if c.State == connect.Failed {
				return c.Name, true
			}
		}
	}
	return "no connector failed", false
}

// rows counts the messages of each site, through that site alone.
func (r *storesRig) rows() map[geored.SiteName]int64 {
	r.t.Helper()
	ring, err := r.d.ring(r.t.Context())
	r.must(err)
	defer ring.Close()
	count, err := ring.Count(r.t.Context(), cassandra.Reading{Table: cassandra.Table{Keyspace: "dev", Name: "message"}})
	r.must(err)
	found := map[geored.SiteName]int64{}
	for _, site := range count.Sites {
		found[site.Site] = site.Rows
	}
	return found
}

// A cut with writes at both sites, both Cassandra pods restarted and a MirrorMaker worker started meanwhile: the ring is
// found split and healed, the worker FAILED and restarted, the deaf mirrors restarted, and both sites hold the same.
func TestRecoverAfterACut(t *testing.T) {
	r := newStores(t)
	r.write("dc1", "before", 5)
	r.Await("rows are at both sites", func() (string, bool) {
		found := r.rows()
		return fmt.Sprint(found), found["dc1"] == 5 && found["dc2"] == 5
	})
	since := time.Now()
	r.Fault("cut", "dc1", "dc2")
	r.Await("the cut bites", func() (string, bool) { return "", r.reach("dc1", r.podIP("dc2")+":9092") != nil })
	for _, name := range r.Names {
		r.Replaced(name, cassandraNamespace, ringName(name)+"-0")
		r.write(name, "during", 20)
	}
	if found := r.rows(); found["dc1"] != 25 || found["dc2"] != 25 {
		t.Fatalf("what was written during the cut is not at its own site alone: %v", found)
	}
	pods := r.Clusters["dc1"].Client().CoreV1().Pods(metav1.NamespaceSystem)
	r.must(pods.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"}))
	r.Replaced("dc1", kafkaNamespace, "mm-dc2-mirrormaker2-0")
	r.Await("the worker's connectors fail", func() (string, bool) { return r.workerFailed("dc1") })
	if rest := time.Minute - time.Since(since); rest > 0 {
		time.Sleep(rest)
	}
	r.Mend()
	report, statuses := r.recovered(OutageSaid{Since: since})
	for _, step := range []geored.StepID{"cassandra/ring", "kafka/restart/dc1/dc2", "objects/mirror/dc1", "objects/mirror/dc2"} {
		if statuses[step] != geored.Changed {
			t.Errorf("%s: %s: there was nothing to cure, or it was not seen", step, statuses[step])
		}
	}
	if v := report.Verdict(); v != geored.Pass && v != geored.Warn {
		t.Errorf("the proof: %s", v)
	}
	if found := r.rows(); found["dc1"] != 45 || found["dc2"] != 45 {
		t.Errorf("after the recovery: %v", found)
	}
	for _, name := range r.Names {
		store, err := r.d.store(t.Context(), name)
		r.must(err)
		for _, from := range r.Names {
			if _, err := store.Stat(t.Context(), objectstore.Ref{Bucket: filesBucket, Key: fmt.Sprintf("messages/%s-during-19", from)}); err != nil {
				t.Errorf("%s lacks what was written at %s: %v", name, from, err)
			}
		}
	}
	text := fmt.Sprintf("%+v", report.Findings)
	for _, want := range []string{"cassandra: RPO", "objects: RPO", "RTO "} {
		if !strings.Contains(text, want) {
			t.Errorf("no finding says %q", want)
		}
	}
}
