package helm

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored/kube"
)

// choosy wants Kubernetes 1.25, has a CRD, and shows which kinds it sees.
func choosy() Chart {
	const crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: rings.stores.example.com}\n" +
		"spec: {group: stores.example.com, names: {kind: Ring}, versions: [{name: v1, served: true}, {name: v0, served: false}]}\n"
	const template = `apiVersion: v1
kind: ConfigMap
metadata: {name: it}
data:
  version: {{ .Capabilities.KubeVersion.Version | quote }}
{{- range list "stores.example.com/v1/Ring" "stores.example.com/v0" "others.example.com/v1/Other" "autoscaling/v2beta1" "v1/Pod" }}
  {{ . | replace "/" "." }}: {{ $.Capabilities.APIVersions.Has . | quote }}
{{- end }}
`
	return Chart{Name: "choosy", Version: "1.0.0", chart: &chart.Chart{
		Metadata:  &chart.Metadata{APIVersion: "v2", Name: "choosy", Version: "1.0.0", KubeVersion: ">=1.25.0-0"},
		Files:     []*chart.File{{Name: "crds/rings.yaml", Data: []byte(crd)}},
		Templates: []*chart.File{{Name: "templates/it.yaml", Data: []byte(template)}},
	}}
}

// discovered is a cluster of a version, with the kinds v1/Pod and others.example.com/v1/Other.
func discovered(t *testing.T, of string) *kube.Cluster {
	t.Helper()
	other := metav1.GroupVersionForDiscovery{GroupVersion: "others.example.com/v1", Version: "v1"}
	answers := map[string]any{
		"/version":                    version.Info{Major: "1", Minor: of[len("v1.") : len("v1.")+2], GitVersion: of},
		"/api":                        metav1.APIVersions{Versions: []string{"v1"}},
		"/api/v1":                     metav1.APIResourceList{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "pods", Kind: "Pod", Namespaced: true}, {Name: "configmaps", Kind: "ConfigMap", Namespaced: true}}},
		"/apis":                       metav1.APIGroupList{Groups: []metav1.APIGroup{{Name: "others.example.com", Versions: []metav1.GroupVersionForDiscovery{other}, PreferredVersion: other}}},
		"/apis/others.example.com/v1": metav1.APIResourceList{GroupVersion: "others.example.com/v1", APIResources: []metav1.APIResource{{Name: "others", Kind: "Other"}}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			answer = metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	cluster, err := kube.New("dc1", &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

func seen(t *testing.T, objects []*kube.Object, err error) map[string]any {
	t.Helper()
	at := slices.IndexFunc(objects, func(o *kube.Object) bool { return o.GetKind() == "ConfigMap" })
	if err != nil || len(objects) != 2 || at < 0 {
		t.Fatalf("%v, %v", objects, err)
	}
	return objects[at].Object["data"].(map[string]any)
}

func TestAChartSeesTheClusterItIsFor(t *testing.T) {
	w := Release{Name: "it", Namespace: "space", Chart: choosy()}
	for range 2 {
		objects, err := Releases{Cluster: discovered(t, "v1.30.4")}.Render(t.Context(), w)
		saw := seen(t, objects, err)
		for key, want := range map[string]string{
			"version": "v1.30.4", "stores.example.com.v1.Ring": "true", "stores.example.com.v0": "false",
			"others.example.com.v1.Other": "true", "autoscaling.v2beta1": "false", "v1.Pod": "true",
		} {
			if saw[key] != want {
				t.Errorf("%s: %v, want %s", key, saw[key], want)
			}
		}
	}
	old := Releases{Cluster: discovered(t, "v1.24.9")}
	if _, err := old.Render(t.Context(), w); err == nil || !strings.Contains(err.Error(), "chart choosy-1.0.0") || !strings.Contains(err.Error(), "v1.24.9") {
		t.Errorf("it wants 1.25: %v", err)
	}
	if _, err := old.Conflicts(t.Context(), w); err == nil {
		t.Error("conflicts of a chart that the cluster is too old for")
	}
	// Its own kind is not served before it is installed: nothing of that kind can be in its way.
	if conflicts, err := (Releases{Cluster: discovered(t, "v1.30.4")}).Conflicts(t.Context(), w); err != nil || len(conflicts) > 0 {
		t.Errorf("%v, %v", conflicts, err)
	}
}

func TestDefinitionsOfAChart(t *testing.T) {
	if all, err := choosy().Definitions(nil); err != nil || len(all) != 1 || all[0].GetName() != "rings.stores.example.com" {
		t.Errorf("%v, %v", all, err)
	}
	if all, err := (Chart{}).Definitions(nil); err != nil || all != nil {
		t.Errorf("of no chart: %v, %v", all, err)
	}
}

// A dependency that is switched off brings no kinds, for Helm neither.
func TestDefinitionsOfADependency(t *testing.T) {
	below := choosy().chart
	whole := Chart{Name: "whole", Version: "1.0.0", chart: &chart.Chart{
		Metadata: &chart.Metadata{APIVersion: "v2", Name: "whole", Version: "1.0.0",
			Dependencies: []*chart.Dependency{{Name: "choosy", Version: "1.0.0", Condition: "choosy.enabled"}}},
		Templates: []*chart.File{{Name: "templates/it.yaml", Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: whole}\n" +
			"data: {saw: {{ .Capabilities.APIVersions.Has \"stores.example.com/v1/Ring\" | quote }}}\n")}},
	}}
	whole.chart.SetDependencies(below)
	for on, want := range map[bool]string{true: "true", false: "false"} {
		values := Values{"choosy": Values{"enabled": on}}
		if all, err := whole.Definitions(values); err != nil || (len(all) == 1) != on {
			t.Errorf("switched on %t: %v, %v", on, all, err)
		}
		objects, err := whole.Render(Release{Name: "it", Namespace: "space", Values: values})
		at := slices.IndexFunc(objects, func(o *kube.Object) bool { return o.GetName() == "whole" })
		if err != nil || at < 0 || objects[at].Object["data"].(map[string]any)["saw"] != want {
			t.Errorf("switched on %t: %v, %v", on, objects, err)
		}
	}
}

func TestWithoutAClusterAChartSeesTheNewest(t *testing.T) {
	objects, err := choosy().Render(Release{Name: "it", Namespace: "space"})
	if saw := seen(t, objects, err); saw["version"] != newest || saw["stores.example.com.v1.Ring"] != "true" || saw["others.example.com.v1.Other"] != "false" {
		t.Errorf("%v", saw)
	}
	text, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	client := regexp.MustCompile(`k8s.io/client-go v0\.(\d+)\.`).FindSubmatch(text)
	if client == nil || newest != "v1."+string(client[1])+".0" {
		t.Errorf("%s, and the client is of %q", newest, client)
	}
}
