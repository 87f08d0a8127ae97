//go:build lab

package kube_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory/joined"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/broker"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/stream"
	strimzikube "github.com/georedkit/georedkit/kafka/strimzi/kube"
)

var lab = joined.Shared{Shared: labtest.Shared{Sites: 2, Stores: []string{"kafka"}}}

func TestMain(m *testing.M) { lab.Main(m) }

const (
	namespace = "ice-kafka"
	topic     = kafka.CanaryTopic
)

// rig is Kafka with MirrorMaker 2 each way, in both sites, as the machine of an operator reaches it.
type rig struct {
	*joined.Sites
	t         *testing.T
	brokers   map[geored.SiteName]*broker.Cluster
	workers   map[geored.SiteName]*connect.Client
	resources map[geored.SiteName]strimzikube.Resource
	r         *kafka.Replication
	said      string
}

var install sync.Once

func up(t *testing.T) *rig {
	r := &rig{Sites: lab.Up(t), t: t, brokers: map[geored.SiteName]*broker.Cluster{}, workers: map[geored.SiteName]*connect.Client{}, resources: map[geored.SiteName]strimzikube.Resource{}}
	install.Do(func() {
		began := time.Now()
		r.Install("ice-kafka", func(site geored.SiteName) map[string]any {
			return map[string]any{"lab": map[string]any{"reconciliationInterval": 5}, "multidatacenter": map[string]any{"enabled": true, "currentDC": string(site), "remoteDC": string(r.other(site))}}
		})
		t.Logf("Kafka, workers and operators: %s", time.Since(began).Round(100*time.Millisecond))
	})
	config := kafka.Config{Mirrors: kafka.MirrorsBothWays(r.Names...), Limits: kafka.Limits{Age: 3 * time.Second}}
	for _, name := range r.Names {
		config.Sites = append(config.Sites, r.site(name))
	}
	var err error
	r.r, err = kafka.New(config)
	must(t, err)
	return r
}

// site reaches everything through the site's API server, by the names that the brokers advertise.
func (r *rig) site(name geored.SiteName) kafka.Site {
	cluster := r.Clusters[name]
	access := kafka.Access{Site: name, Bootstrap: []string{fmt.Sprintf("kafka-%s-0.kafka-%[1]s.%s.svc.cluster.local:9092", name, namespace)}, Dial: cluster.Dial}
	brokers, err := broker.Open(access)
	must(r.t, err)
	r.t.Cleanup(brokers.Close)
	records, err := stream.Open(access)
	must(r.t, err)
	mm := "mm-" + string(r.other(name))
	worker, err := connect.New(connect.Config{URL: fmt.Sprintf("http://%s-mirrormaker2-api.%s.svc:8083", mm, namespace),
		HTTP: &http.Client{Transport: &http.Transport{DialContext: cluster.Dial, DisableKeepAlives: true}}})
	must(r.t, err)
	resource := strimzikube.Resource{Cluster: cluster, Namespace: namespace, Name: mm}
	r.brokers[name], r.workers[name], r.resources[name] = brokers, worker, resource
	return kafka.Site{Name: name, Brokers: brokers, Records: records, Worker: worker, Messenger: brokers, Resource: resource,
		Pods: strimzikube.Workers{resource}, Control: strimzikube.Control{Control: worker, Resource: resource}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) other(site geored.SiteName) geored.SiteName {
	if site == r.Names[0] {
		return r.Names[1]
	}
	return r.Names[0]
}

// fly sends a canary each way and gives how many arrived.
func (r *rig) fly(wait time.Duration) int {
	r.t.Helper()
	flights, _ := r.r.Canaries(r.t.Context(), kafka.CanaryPlan{Wait: wait, Keep: true})
	arrived := 0
	for _, f := range flights {
		switch {
		case f.Err == nil:
			arrived++
			r.t.Logf("canary %s -> %s: %s", f.From, f.To, f.Latency.Round(time.Millisecond))
		case !errors.Is(f.Err, kafka.ErrNotArrived):
			r.t.Logf("canary %s -> %s: %v", f.From, f.To, f.Err)
		}
	}
	return arrived
}

func (r *rig) mirroring() {
	r.t.Helper()
	r.Await("a canary arrives each way", func() (string, bool) { return "not both arrived", r.fly(20*time.Second) == 2 })
}

// verdicts of one check, by who was asked; what it said last stands in said.
func (r *rig) verdicts(id geored.CheckID) map[string]geored.Verdict {
	r.t.Helper()
	found := map[string]geored.Verdict{}
	r.said = ""
	for _, c := range r.r.Checks(nil) {
		if c.ID != id {
			continue
		}
		for _, f := range c.Run(r.t.Context()) {
			found[geored.Target{Site: f.Site, To: f.To}.String()] = f.Verdict
			r.said += fmt.Sprintf("%s %s %s: %s: %s %q\n", id, f.Site, f.To, f.Verdict, f.Message, f.Evidence)
		}
	}
	return found
}

func (r *rig) each(found map[string]geored.Verdict, want geored.Verdict) bool {
	for _, v := range found {
		if v != want {
			return false
		}
	}
	return len(found) == 2
}

func (r *rig) podUID(site geored.SiteName) string {
	r.t.Helper()
	list, err := r.Clusters[site].Client().CoreV1().Pods(namespace).List(r.t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=kafka-mirror-maker-2"})
	must(r.t, err)
	if len(list.Items) == 0 {
		return ""
	}
	return string(list.Items[0].UID)
}

func (r *rig) connectorState(site geored.SiteName) string {
	connectors, err := r.workers[site].Connectors(r.t.Context())
	if err != nil {
		return err.Error()
	}
	var states []string
	for _, c := range connectors {
		states = append(states, string(c.State))
		for _, task := range c.Tasks {
			states = append(states, string(task.State))
		}
	}
	return strings.Join(states, " ")
}

// A cut under running workers: all say RUNNING, the positions tell. What was written meanwhile arrives by itself.
func TestACutThatNobodyReports(t *testing.T) {
	r := up(t)
	r.mirroring()
	r.Await("all that runs is told by everybody", func() (string, bool) {
		ok := r.each(r.verdicts(kafka.CheckStatus), geored.Pass) && r.each(r.verdicts(kafka.CheckResource), geored.Pass) && r.each(r.verdicts(kafka.CheckPosition), geored.Pass)
		return r.said, ok
	})

	r.Fault("cut", "dc1", "dc2")
	if arrived := r.fly(6 * time.Second); arrived != 0 {
		t.Fatalf("the cut does not bite: %d canaries arrived", arrived)
	}
	const written = 200
	for i := range written {
		for _, name := range r.Names {
			must(t, r.brokers[name].Send(t.Context(), topic, []byte(fmt.Sprintf("%s-%d", name, i)), []byte("written during the cut")))
		}
	}
	if !r.each(r.verdicts(kafka.CheckStatus), geored.Pass) || !r.each(r.verdicts(kafka.CheckResource), geored.Pass) {
		t.Error("Connect or Strimzi saw the cut; the README's table says that they do not")
	}
	r.Await("the positions tell", func() (string, bool) {
		ok := r.each(r.verdicts(kafka.CheckPosition), geored.Fail)
		return r.said, ok
	})

	r.Mend()
	began := time.Now()
	r.Await("the mirrors catch up", func() (string, bool) {
		ok := r.each(r.verdicts(kafka.CheckPosition), geored.Pass)
		return r.said, ok
	})
	t.Logf("caught up %s after the mend", time.Since(began).Round(100*time.Millisecond))
	for _, m := range r.r.Mirrors() {
		comparisons, err := r.r.Compare(t.Context(), m, topic)
		must(t, err)
		for _, c := range comparisons {
			if c.Verdict() != geored.Pass || c.Matched < written {
				t.Errorf("%s: %v", m, c)
			}
			t.Logf("%s: %v", m, c)
		}
	}
	r.mirroring()
}

// A worker that starts while the other site's names are not known fails, and stays so after the mend: an annotation cures
// it, which the operator obeys and takes away.
func TestAWorkerStartedDuringACut(t *testing.T) {
	r := up(t)
	r.mirroring()
	site := r.Names[0]
	before := r.podUID(site)
	r.Fault("cut", "dc1", "dc2")
	if arrived := r.fly(6 * time.Second); arrived != 0 {
		t.Fatalf("the cut does not bite: %d canaries arrived", arrived)
	}
	r.forgetNames(site)
	must(t, r.Clusters[site].Client().CoreV1().Pods(namespace).Delete(t.Context(), fmt.Sprintf("mm-%s-mirrormaker2-0", r.other(site)), metav1.DeleteOptions{}))
	r.Await("the worker is another", func() (string, bool) { now := r.podUID(site); return now, now != "" && now != before })
	r.Await("its connectors fail", func() (string, bool) {
		states := r.connectorState(site)
		return states, strings.Contains(states, "FAILED")
	})
	t.Logf("during the cut: %s", r.connectorState(site))
	if v := r.verdicts(kafka.CheckStatus); v["dc2 -> dc1"] != geored.Fail {
		t.Errorf("a FAILED connector: %v", v)
	}
	r.Mend()
	if arrived := r.fly(10 * time.Second); arrived == 2 {
		t.Error("what was FAILED mirrors again by itself; Kafka has changed, or nothing had failed")
	}
	tasks, err := r.r.RestartTasks(r.Names...)
	must(t, err)
	began := time.Now()
	r.Run(tasks...)
	t.Logf("restarted by annotation and seen to move: %s", time.Since(began).Round(100*time.Millisecond))
	r.mirroring()
	m, err := r.resources[site].MirrorMaker(t.Context())
	must(t, err)
	if verdict, said := m.Ready(); verdict != geored.Pass {
		t.Errorf("the resource after the cure: %s: %s", verdict, said)
	}
}

// forgetNames starts the name server of a site anew: while the link is cut, it does not know the other's names.
func (r *rig) forgetNames(site geored.SiteName) {
	r.t.Helper()
	pods := r.Clusters[site].Client().CoreV1().Pods(metav1.NamespaceSystem)
	must(r.t, pods.DeleteCollection(r.t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"}))
	r.Await("another name server of "+string(site), func() (string, bool) {
		list, err := pods.List(r.t.Context(), metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
		must(r.t, err)
		ready := len(list.Items) == 1 && list.Items[0].DeletionTimestamp == nil && len(list.Items[0].Status.ContainerStatuses) > 0 && list.Items[0].Status.ContainerStatuses[0].Ready
		return fmt.Sprintf("%d pods", len(list.Items)), ready
	})
}

func TestOrdersThatAreRefused(t *testing.T) {
	r := up(t)
	resource := r.resources[r.Names[0]]
	connector := kafka.Mirror{From: r.Names[1], To: r.Names[0]}.Connector(kafka.SourceConnector)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := resource.RestartTask(ctx, connector, 99); err == nil || !strings.Contains(err.Error(), "the operator refuses") {
		t.Errorf("a task that there is not: %v", err)
	}
	must(t, resource.Restart(ctx, connector, connect.RestartOptions{IncludeTasks: true}))
	missing := resource
	missing.Name = "mm-nowhere"
	if _, err := missing.MirrorMaker(ctx); err == nil || !strings.Contains(err.Error(), "site dc1: read kafkamirrormaker2 ice-kafka/mm-nowhere") {
		t.Errorf("a resource that there is not: %v", err)
	}
}

// The guide's way: the pods of one site, then those of the next.
func TestRestartOfWorkers(t *testing.T) {
	r := up(t)
	r.mirroring()
	before := map[geored.SiteName]string{}
	for _, name := range r.Names {
		before[name] = r.podUID(name)
	}
	began := time.Now()
	var after []string
	for range 2 { // once more changes nothing
		tasks, err := r.r.RestartWorkers("run-1", r.Names...)
		must(t, err)
		r.Run(tasks...)
		t.Logf("workers replaced: %s", time.Since(began).Round(100*time.Millisecond))
		var now []string
		for _, name := range r.Names {
			uid := r.podUID(name)
			if uid == before[name] {
				t.Errorf("%s: the pod is the same", name)
			}
			now = append(now, uid)
		}
		if after != nil && !slices.Equal(after, now) {
			t.Error("pods were replaced once more")
		}
		after = now
	}
	r.mirroring()
}
