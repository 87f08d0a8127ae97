package kube_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// What was written in a version that went is there in another.
func TestAKindOfAnotherVersionIsNotGone(t *testing.T) {
	const group = "stores.example.com"
	version := metav1.GroupVersionForDiscovery{GroupVersion: group + "/v1", Version: "v1"}
	answers := map[string]any{
		"/api":                   metav1.APIVersions{},
		"/apis":                  metav1.APIGroupList{Groups: []metav1.APIGroup{{Name: group, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version}}},
		"/apis/" + group + "/v1": metav1.APIResourceList{GroupVersion: group + "/v1", APIResources: []metav1.APIResource{{Name: "rings", Kind: "Ring", Namespaced: true}}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if answer, ok := answers[r.URL.Path]; ok {
			_ = json.NewEncoder(w).Encode(answer)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	cluster, err := kube.New("dc1", &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	ring := &kube.Object{Object: map[string]any{"apiVersion": group + "/v1beta1", "kind": "Ring"}}
	ring.SetName("it")
	ring.SetNamespace("ns")
	if state, err := cluster.State(t.Context(), ring); err != nil || state.Done || !strings.Contains(state.Detail, "does not know yet") {
		t.Errorf("%+v, %v", state, err)
	}
	if placed, err := cluster.Place(t.Context(), "other", ring); err != nil || placed[0].GetNamespace() != "ns" {
		t.Errorf("%v, %v", placed, err)
	}
	const want = "the kind Ring is not served as stores.example.com/v1beta1, but as stores.example.com/v1"
	_, gone := cluster.Gone(t.Context(), ring)
	for name, err := range map[string]error{"gone": gone, "taken back": cluster.TakeBack(t.Context(), ring), "deleted": cluster.Delete(t.Context(), ring), "applied": cluster.Apply(t.Context(), ring)} {
		if err == nil || !strings.Contains(err.Error(), want) || !geored.IsRetriable(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A group whose server does not answer is left out of what discovery lists. What it holds is not gone for that.
func TestAGroupThatDoesNotAnswerIsNotGone(t *testing.T) {
	const group = "stores.example.com/v1"
	kind := metav1.APIResource{Name: "rings", Kind: "Ring", Namespaced: true}
	for name, c := range map[string]struct {
		listed bool
		code   int
		kinds  []metav1.APIResource
		done   bool
		want   string // of the error, or of the detail
	}{
		"there":                      {true, 200, []metav1.APIResource{kind}, false, "ring ns/it is still there"},
		"its server does not answer": {true, 503, nil, false, "stores.example.com/v1"},
		"its server fails":           {true, 500, nil, false, "stores.example.com/v1"},
		"not listed for a moment":    {false, 200, []metav1.APIResource{kind}, false, "ring ns/it is still there"},
		"the group is gone":          {false, 404, nil, true, "1 objects are gone"},
		"the kind is gone":           {true, 200, []metav1.APIResource{{Name: "rings/status", Kind: "Ring"}}, true, "1 objects are gone"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				switch r.URL.Path {
				case "/api":
					_ = json.NewEncoder(w).Encode(metav1.APIVersions{})
				case "/apis":
					list := metav1.APIGroupList{}
					if c.listed {
						version := metav1.GroupVersionForDiscovery{GroupVersion: group, Version: "v1"}
						list.Groups = []metav1.APIGroup{{Name: "stores.example.com", Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version}}
					}
					_ = json.NewEncoder(w).Encode(list)
				case "/apis/" + group:
					w.WriteHeader(c.code)
					if c.code == 200 {
						_ = json.NewEncoder(w).Encode(metav1.APIResourceList{GroupVersion: group, APIResources: c.kinds})
					}
				case "/apis/" + group + "/namespaces/ns/rings/it":
					_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": group, "kind": "Ring", "metadata": map[string]any{"name": "it", "namespace": "ns"}})
				default:
					w.WriteHeader(http.StatusNotFound)
				}
			}))
			defer server.Close()
			cluster, err := kube.New("dc1", &rest.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			ring := &kube.Object{Object: map[string]any{"apiVersion": group, "kind": "Ring"}}
			ring.SetName("it")
			ring.SetNamespace("ns")
			state, err := cluster.Gone(t.Context(), ring)
			failed := c.code >= 500
			if failed != (err != nil) || failed && !geored.IsRetriable(err) || state.Done != c.done || err == nil && !strings.Contains(state.Detail, c.want) || failed && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v, %v", state, err)
			}
			// Nobody takes back, finds missing or places what he cannot see.
			if _, there, err := cluster.Live(t.Context(), ring); failed != (err != nil) || !failed && there == c.done {
				t.Errorf("live: %t, %v", there, err)
			}
			if err := cluster.TakeBack(t.Context(), ring); failed && err == nil {
				t.Error("it was taken back")
			}
			nowhere := ring.DeepCopy()
			unstructured.RemoveNestedField(nowhere.Object, "metadata", "namespace")
			if placed, err := cluster.Place(t.Context(), "ns", nowhere); failed != (err != nil) || err == nil && placed[0].GetNamespace() != "ns" {
				t.Errorf("placed: %v, %v", placed, err)
			}
		})
	}
}
