package coredns

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored/kube"
)

func served(t *testing.T, paths map[string]string) *kube.Cluster {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		text, ok := paths[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			text = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(server.Close)
	cluster, err := kube.New("dc1", &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

func TestServiceImportsAreRead(t *testing.T) {
	const slices = "/apis/discovery.k8s.io/v1/endpointslices"
	paths := map[string]string{
		importsPath: `{"items":[
			{"metadata":{"namespace":"a","name":"db"},"spec":{"type":"ClusterSetIP","ips":["10.150.0.1"],"ports":[{"name":"cql","protocol":"TCP","port":9042}]}},
			{"metadata":{"namespace":"a","name":"pods"},"spec":{"type":"Headless","ips":["10.150.0.9"]}}]}`,
		slices: `{"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1","items":[
			{"metadata":{"namespace":"a","name":"x","labels":{"` + importLabel + `":"pods"}},"addressType":"IPv4","endpoints":[{"addresses":["10.201.0.1"]},{"addresses":["10.201.0.2"],"conditions":{"ready":false}}]},
			{"metadata":{"namespace":"b","name":"y","labels":{"` + importLabel + `":"pods"}},"addressType":"IPv4","endpoints":[{"addresses":["10.201.0.3"]}]}]}`,
	}
	imports, err := Imports(t.Context(), served(t, paths))
	if want := "[{dc1 a db [10.150.0.1] [{cql tcp 9042}] []} {dc1 a pods [] [] [{ 10.201.0.1 []}]}]"; err != nil || fmt.Sprint(imports) != want {
		t.Errorf("%v, %v, want %s", imports, err, want)
	}
	if imports, err := Imports(t.Context(), served(t, nil)); err != nil || len(imports) > 0 {
		t.Errorf("a cluster that knows none: %v, %v", imports, err)
	}
	delete(paths, slices)
	if _, err := Imports(t.Context(), served(t, paths)); err == nil || !strings.HasPrefix(err.Error(), "endpointslices: ") {
		t.Errorf("without slices: %v", err)
	}
	paths[importsPath] = "{"
	if _, err := Imports(t.Context(), served(t, paths)); err == nil || !strings.HasPrefix(err.Error(), "serviceimports: ") {
		t.Errorf("half an answer: %v", err)
	}
}
