package kube_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
	strimzikube "github.com/georedkit/georedkit/kafka/strimzi/kube"
)

// operator is an API server with one KafkaMirrorMaker2 resource, and what obeys its annotations.
type operator struct {
	client kubernetes.Interface

	mu          sync.Mutex
	version     string // "": Strimzi is not installed
	annotations map[string]string
	orders      []string // annotations that were set
	obey        func(o *operator, key, value string)
	warning     string
	pods        string
}

func (o *operator) Site() geored.SiteName        { return "dc1" }
func (o *operator) Client() kubernetes.Interface { return o.client }

func (o *operator) resource() strimzikube.Resource {
	return strimzikube.Resource{Cluster: o, Namespace: "ice-kafka", Name: "mm-dc2"}
}

func newOperator(t *testing.T, obey func(o *operator, key, value string)) *operator {
	t.Helper()
	o := &operator{version: "v1", annotations: map[string]string{}, obey: obey, pods: "[]"}
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	var err error
	if o.client, err = kubernetes.NewForConfig(&rest.Config{Host: server.URL}); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *operator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/apis/kafka.strimzi.io" && o.version != "":
		fmt.Fprintf(w, `{"kind":"APIGroup","apiVersion":"v1","versions":[{"version":%q}]}`, o.version)
	case r.URL.Path == "/apis/kafka.strimzi.io/"+o.version+"/namespaces/ice-kafka/kafkamirrormaker2s/mm-dc2":
		if r.Method == http.MethodPatch {
			o.patch(r)
		}
		o.show(w)
	case r.URL.Path == "/api/v1/namespaces/ice-kafka/pods":
		fmt.Fprintf(w, `{"kind":"PodList","apiVersion":"v1","items":%s}`, o.pods)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"not found","reason":"NotFound","code":404}`)
	}
}

func (o *operator) patch(r *http.Request) {
	var change struct {
		Metadata struct{ Annotations map[string]*string }
	}
	_ = json.NewDecoder(r.Body).Decode(&change) // a bad one changes nothing, and the test fails
	for key, value := range change.Metadata.Annotations {
		if value == nil {
			delete(o.annotations, key)
			continue
		}
		o.annotations[key] = *value
		o.orders = append(o.orders, key+"="+*value)
		if o.obey != nil {
			o.obey(o, key, *value)
		}
	}
}

func (o *operator) show(w http.ResponseWriter) {
	conditions := `{"type":"Ready","status":"True"}`
	if o.warning != "" {
		conditions += fmt.Sprintf(`,{"type":"Warning","status":"True","reason":"RestartConnector","message":%q}`, o.warning)
	}
	annotations, _ := json.Marshal(o.annotations)
	fmt.Fprintf(w, `{"apiVersion":"kafka.strimzi.io/%s","kind":"KafkaMirrorMaker2","metadata":{"name":"mm-dc2","namespace":"ice-kafka","generation":1,"annotations":%s},
"spec":{"replicas":1,"target":{"alias":"dc1"},"mirrors":[{"source":{"alias":"dc2"}}]},"status":{"observedGeneration":1,"conditions":[%s]}}`, o.version, annotations, conditions)
}

func (o *operator) state() (orders []string, left int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.orders, len(o.annotations)
}

const connector = "dc2->dc1.MirrorSourceConnector"

func accept(o *operator, key, _ string) { delete(o.annotations, key) }

func TestOrdersByAnnotation(t *testing.T) {
	for _, version := range []string{"v1", "v1beta2"} {
		o := newOperator(t, accept)
		o.version = version
		r := o.resource()
		for _, err := range []error{
			r.Restart(t.Context(), connector, connect.RestartOptions{IncludeTasks: true, OnlyFailed: true}),
			r.Restart(t.Context(), connector, connect.RestartOptions{}),
			r.RestartTask(t.Context(), connector, 1),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		orders, left := o.state()
		if want := fmt.Sprintf("[strimzi.io/restart-connector=%s:includeTasks,onlyFailed strimzi.io/restart-connector=%[1]s strimzi.io/restart-connector-task=%[1]s:1]", connector); fmt.Sprint(orders) != want || left != 0 {
			t.Errorf("%s: %v, %d left, want %s", version, orders, left, want)
		}
	}
}

// An operator that is down obeys nothing; nothing of ours is left for it to find later.
func TestAnOrderThatNobodyObeysIsTakenBack(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := newOperator(t, func(*operator, string, string) { cancel() }) // somebody interrupts
	err := o.resource().Restart(ctx, connector, connect.RestartOptions{})
	if err == nil || !strings.Contains(err.Error(), "kafkamirrormaker2 ice-kafka/mm-dc2") {
		t.Errorf("%v", err)
	}
	if orders, left := o.state(); len(orders) != 1 || left != 0 {
		t.Errorf("%v, %d left", orders, left)
	}
}

// Somebody else's order is waited for, and left alone.
func TestSomebodyElsesOrderStays(t *testing.T) {
	o := newOperator(t, nil)
	o.annotations["strimzi.io/restart-connector"] = "another"
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := o.resource().Restart(ctx, connector, connect.RestartOptions{}); err == nil {
		t.Error("it was not waited for")
	}
	if orders, left := o.state(); len(orders) != 0 || left != 1 {
		t.Errorf("%v, %d left", orders, left)
	}
}

func TestOrdersThatAreRefusedAtOnce(t *testing.T) {
	refuse := newOperator(t, func(o *operator, _, value string) { o.warning = "Invalid annotation format: " + value })
	old := newOperator(t, accept)
	old.warning = "of another time"
	paused := newOperator(t, accept)
	paused.annotations["strimzi.io/pause-reconciliation"] = "true"
	absent := newOperator(t, accept)
	absent.version = ""
	unknown := newOperator(t, accept)
	unknown.version = "v2"
	for want, o := range map[string]*operator{"the operator refuses: Invalid annotation format": refuse, "its reconciliation is paused": paused,
		"is Strimzi installed?": absent, "neither v1 nor v1beta2": unknown} {
		err := o.resource().Restart(t.Context(), connector, connect.RestartOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, left := refuse.state(); left != 0 {
		t.Error("what was refused was left")
	}
	if err := old.resource().Restart(t.Context(), connector, connect.RestartOptions{}); err != nil {
		t.Errorf("a warning of another time: %v", err)
	}
}

const podText = `[{"metadata":{"name":"mm-0","uid":%q},"status":{"conditions":[{"type":"Ready","status":%q}]}}]`

func (o *operator) setPods(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pods = text
}

// What a resumed run sees: the pods that it set out to replace, and no others.
func TestPodsAreReplacedOnce(t *testing.T) {
	o := newOperator(t, nil)
	o.setPods(fmt.Sprintf(podText, "old", "True"))
	workers := strimzikube.Workers{o.resource()}
	site := o.resource().Cluster.Site()
	restart := func(mark string) error { return workers.Restart(t.Context(), site, mark) }
	observe := func(done bool, want string) {
		t.Helper()
		state, err := workers.Running(t.Context(), site, "run-1")
		if err != nil || state.Done != done || !strings.Contains(state.Detail, want) {
			t.Errorf("%+v, %v, want %q", state, err, want)
		}
	}
	observe(false, "not replaced yet")
	if err := restart("run-1"); err != nil { // the pod is gone before it is deleted: no error
		t.Fatal(err)
	}
	observe(false, "pod mm-0 is still there")
	o.setPods("[]")
	observe(false, "0 of 1 new pods are ready")
	o.setPods(fmt.Sprintf(podText, "new", "False"))
	observe(false, "0 of 1 new pods are ready")
	o.setPods(fmt.Sprintf(podText, "new", "True"))
	observe(true, "1 of 1")
	if err := restart("run-1"); err != nil {
		t.Fatal(err)
	}
	if orders, _ := o.state(); fmt.Sprint(orders) != "[georedkit.io/restarted-for=run-1 old]" {
		t.Errorf("%v", orders)
	}
	if err := restart("two words"); err == nil {
		t.Error("a mark with a space was taken")
	}
}
