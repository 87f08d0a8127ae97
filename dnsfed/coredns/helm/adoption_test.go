package helm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/kube/helm"
)

// ExampleAdoption is what is done around a Helm release that brings the new name servers, as it is reviewed.
func ExampleAdoption() {
	cluster, err := kube.New("dc1", &rest.Config{Host: "https://dc1.example:6443"})
	if err != nil {
		fmt.Println(err)
	}
	adoption := Adoption{Releases: helm.Releases{Cluster: cluster}, Wanted: helm.Release{Name: "coredns-dc1", Namespace: "default"}}
	for _, step := range adoption.Steps() {
		fmt.Println(step.ID, step.Action, step.Target)
	}
	// Output:
	// dns/dc1/start install release coredns-dc1
	// dns/dc1/prove await pods of release coredns-dc1
	// dns/dc1/switch install service kube-system/kube-dns
	// dns/dc1/remove delete deployments of other name servers in kube-system
}

func objects(t *testing.T, text string) []*kube.Object {
	t.Helper()
	read, err := kube.ReadObjects([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

const chart = `
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, annotations: {a: b}}
spec: {selector: {app: new}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ice-coredns, namespace: kube-system}
`

const served = `
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, uid: x, resourceVersion: "7"}
spec: {selector: {k8s-app: kube-dns}}
status: {loadBalancer: {}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system, annotations: {deployment.kubernetes.io/revision: "3"}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: coredns, namespace: kube-system}
data: {Corefile: ". { }"}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "system:coredns"}
`

func selectorOf(o *kube.Object) string {
	text, _ := json.Marshal(o.Object["spec"].(map[string]any)["selector"])
	return string(text)
}

// While the new name servers start, the Service leads to where it leads now.
func TestTheServiceKeepsItsSelectorAtFirst(t *testing.T) {
	live := &corev1.Service{Spec: corev1.ServiceSpec{Selector: map[string]string{"k8s-app": "kube-dns"}}}
	kept, err := Adoption{}.kept(live).Edit(objects(t, chart))
	if err != nil || selectorOf(kept[0]) != `{"k8s-app":"kube-dns"}` {
		t.Error(kept, err)
	}
	other := strings.Replace(chart, "name: kube-dns", "name: other", 1)
	if _, err := (Adoption{}.kept(live).Edit(objects(t, other))); err == nil {
		t.Error("a chart without the Service was taken: it would be switched unseen")
	}
}

// Name servers that have the name or the labels of those that serve would be asked before they are proven.
func TestTheChartStandsBesideWhatServes(t *testing.T) {
	deployment := func(name, namespace, labels string) string {
		return "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " + name + ", namespace: " + namespace + "}\nspec: {template: {metadata: {labels: " + labels + "}}}\n"
	}
	adoption := Adoption{Releases: helm.Releases{Cluster: apiServer(t, nil)}, Wanted: helm.Release{Name: "coredns-dc1", Namespace: "default"}}
	live := &corev1.Service{Spec: corev1.ServiceSpec{Selector: map[string]string{"k8s-app": "kube-dns"}}}
	others := []coredns.Deployment{{Name: "coredns", ConfigMap: "coredns"}}
	for name, c := range map[string]struct{ chart, want string }{
		"beside":             {chart + deployment("ice-coredns", "kube-system", "{app: new}"), ""},
		"elsewhere":          {chart + deployment("coredns", "ice", "{k8s-app: kube-dns}"), ""},
		"the same name":      {chart + deployment("coredns", "kube-system", "{app: new}"), "Deployment coredns: is that of the name servers that serve"},
		"the same Corefile":  {chart + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: coredns, namespace: kube-system}\n", "ConfigMap coredns: is that of the name servers that serve"},
		"the Service's pods": {chart + deployment("ice-coredns", "kube-system", "{app: new, k8s-app: kube-dns}"), "they would be asked unproven"},
	} {
		err := adoption.crowding(objects(t, c.chart), live, others).Err()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// apiServer answers with one record, or with none.
func apiServer(t *testing.T, record *corev1.ConfigMap) *kube.Cluster {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if record == nil || !strings.HasSuffix(r.URL.Path, "/configmaps/"+Record) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
			return
		}
		record.Kind, record.APIVersion = "ConfigMap", "v1"
		_ = json.NewEncoder(w).Encode(record) // the test sees what does not come
	}))
	t.Cleanup(server.Close)
	cluster, err := kube.New("dc1", &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

func TestWhatServedIsWrittenDownOnce(t *testing.T) {
	record := &corev1.ConfigMap{}
	if added, err := add(record, objects(t, served)); err != nil || !added || len(record.Data) != 4 {
		t.Fatal(added, err, record.Data)
	}
	for key, text := range record.Data {
		if strings.Contains(text, "resourceVersion") || strings.Contains(text, "status") || strings.Contains(text, "revision") || strings.Contains(key, ":") {
			t.Errorf("%s: %s", key, text)
		}
	}
	if added, err := add(record, objects(t, strings.Replace(served, "k8s-app: kube-dns", "app: new", 1))); err != nil || added || !strings.Contains(record.Data["service.kube-dns.json"], "k8s-app") {
		t.Errorf("what stood there was written over: %v %v", added, err)
	}
	a := Adoption{Releases: helm.Releases{Cluster: apiServer(t, record)}}
	o, err := a.old(t.Context())
	if err != nil || len(o.all) != 4 || strings.Join(o.names, " ") != "coredns" || o.selector["k8s-app"] != "kube-dns" || len(o.servers) != 2 || o.servers[0].GetKind() != "ConfigMap" {
		t.Fatalf("%+v, %v", o, err)
	}
	// What the release hands back, it leaves behind when it goes; what is its own, it takes along.
	back, err := a.handedBack(o).Edit(objects(t, chart))
	if err != nil || selectorOf(back[0]) != `{"k8s-app":"kube-dns"}` || back[0].GetAnnotations()["helm.sh/resource-policy"] != "keep" || back[0].GetAnnotations()["a"] != "b" || back[1].GetAnnotations() != nil {
		t.Error(back, err)
	}
	if _, err := a.oldProven(t.Context(), o); err == nil || !strings.Contains(err.Error(), "nothing says what the old name servers must answer") {
		t.Errorf("led back to unproven name servers: %v", err)
	}
}

// Without a record nothing is taken away: nobody knows what would serve then.
func TestWithoutARecordNothingIsTakenBack(t *testing.T) {
	for name, record := range map[string]*corev1.ConfigMap{"none": nil, "an empty one": {}} {
		a := Adoption{Releases: helm.Releases{Cluster: apiServer(t, record)}, Wanted: helm.Release{Name: "r", Namespace: "n"},
			ProveOld: func(context.Context, []dnsfed.Server) geored.Finding { return geored.Finding{Verdict: geored.Pass} }}
		for _, task := range a.Tasks() {
			if task.Undo == nil {
				continue
			}
			if task.ID == "dns/dc1/start" && record == nil {
				continue // a release that is not there
			}
			if err := task.Undo(t.Context()); err == nil || !strings.Contains(err.Error(), "what served before is not known") {
				t.Errorf("%s: %s: %v", name, task.ID, err)
			}
		}
	}
}
