package ice

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/georedkit/georedkit/geored"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// apiServer is as much of a site's API server as reading needs: objects by their paths, lists of them, and server-side apply.
// It remembers every request.
type apiServer struct {
	mu      sync.Mutex
	objects map[string]table
	seen    []string
	silent  bool
	date    time.Time // that it answers with; zero: now
	program program   // what its pods execute; nil: nothing
	port    string    // where every port of its pods leads to; zero: nowhere
}

var kinds = map[string]string{"nodes": "Node", "pods": "Pod", "services": "Service", "configmaps": "ConfigMap", "secrets": "Secret", "deployments": "Deployment",
	"daemonsets": "DaemonSet", "statefulsets": "StatefulSet", "clusterrolebindings": "ClusterRoleBinding", "rolebindings": "RoleBinding", "clusterroles": "ClusterRole",
	"roles": "Role", "peers": "Peer", "namespaces": "Namespace", "endpointslices": "EndpointSlice", "replicasets": "ReplicaSet", "jobs": "Job"}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.streams(w, r) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+strings.Join(r.URL.Query()["command"], " ")))
	w.Header().Set("Content-Type", "application/json")
	if !a.date.IsZero() {
		w.Header().Set("Date", a.date.UTC().Format(http.TimeFormat))
	}
	status, answer := http.StatusOK, any(nil)
	switch {
	case a.silent:
		status = http.StatusServiceUnavailable
	case r.Method == http.MethodGet:
		answer = a.get(r.URL.Path, r.URL.Query().Get("labelSelector"))
	case r.Method == http.MethodDelete:
		if _, there := a.objects[r.URL.Path]; there {
			delete(a.objects, r.URL.Path)
			answer = table{"kind": "Status", "apiVersion": "v1", "status": "Success"}
		}
	case r.Method == http.MethodPut, r.Method == http.MethodPost:
		text, err := io.ReadAll(r.Body)
		if err != nil {
			break
		}
		if object, _, err := scheme.Codecs.UniversalDeserializer().Decode(text, nil, nil); err == nil { // typed clients speak protobuf
			var plain table
			if text, err = json.Marshal(object); err == nil && json.Unmarshal(text, &plain) == nil {
				path := r.URL.Path
				if made, ok := plain["metadata"].(map[string]any); ok && r.Method == http.MethodPost {
					path += "/" + fmt.Sprint(made["name"])
				}
				a.objects[path], answer = plain, plain
			}
		}
	case r.Method == http.MethodPatch:
		var object table
		if err := json.NewDecoder(r.Body).Decode(&object); err == nil && r.URL.Query().Get("dryRun") == "" {
			a.objects[r.URL.Path], answer = object, object
		}
	}
	if answer == nil {
		if status == http.StatusOK {
			status = http.StatusNotFound
		}
		answer = table{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": map[int]string{http.StatusNotFound: "NotFound"}[status], "code": status}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the test sees what does not come
}

func (a *apiServer) get(path, selector string) any {
	switch path {
	case "/api":
		return table{"kind": "APIVersions", "versions": []string{"v1"}}
	case "/version":
		return table{"major": "1", "minor": "36"}
	case "/apis":
		return table{"kind": "APIGroupList", "apiVersion": "v1", "groups": []any{}}
	case "/api/v1":
		return table{"kind": "APIResourceList", "groupVersion": "v1", "resources": []table{{"name": "configmaps", "kind": "ConfigMap", "namespaced": true, "verbs": []string{"get", "patch"}}}}
	}
	if object, ok := a.objects[path]; ok {
		return object
	}
	folder, plural := filepath.Split(path)
	kind, isList := kinds[plural]
	if !isList {
		return nil
	}
	wanted, err := labels.Parse(selector)
	if err != nil {
		return nil
	}
	items := []any{}
	for _, at := range slices.Sorted(maps.Keys(a.objects)) {
		rest, inside := strings.CutPrefix(at, folder)
		parts := strings.Split(rest, "/")
		all := len(parts) == 4 && parts[0] == "namespaces" && parts[2] == plural
		if inside && (all || len(parts) == 2 && parts[0] == plural) && wanted.Matches(labels.Set(labelsOf(a.objects[at]))) {
			items = append(items, a.objects[at])
		}
	}
	version := strings.TrimPrefix(strings.TrimPrefix(folder[:strings.Index(folder, "v1")]+"v1", "/api/"), "/apis/")
	if strings.Contains(folder, "v1alpha1") {
		version += "alpha1"
	}
	return table{"kind": kind + "List", "apiVersion": version, "metadata": table{"resourceVersion": "1"}, "items": items}
}

func labelsOf(object table) map[string]string {
	found := map[string]string{}
	metadata, _ := object["metadata"].(table)
	for _, all := range []any{metadata["labels"]} {
		switch all := all.(type) {
		case table:
			for key, value := range all {
				found[key] = fmt.Sprint(value)
			}
		case map[string]string:
			return all
		}
	}
	return found
}

// put lays an object at its path.
func (a *apiServer) put(path string, object table) {
	text, err := json.Marshal(object)
	var plain table
	if err == nil {
		err = json.Unmarshal(text, &plain)
	}
	if err != nil {
		plain = table{"unreadable": err.Error()}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.objects[path] = plain
}

// change changes an object in place: path is the way to a field in it.
func (a *apiServer) change(t *testing.T, path string, value any, fields ...any) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	var at any = a.objects[path]
	for i, field := range fields {
		last := i == len(fields)-1
		switch f := field.(type) {
		case string:
			m, ok := at.(table)
			if !ok {
				t.Fatalf("%s has no %v", path, fields)
			}
			if last {
				m[f] = value
			}
			at = m[f]
		case int:
			list, ok := at.([]any)
			if !ok || len(list) <= f {
				t.Fatalf("%s has no %v", path, fields)
			}
			if last {
				list[f] = value
			}
			at = list[f]
		}
	}
}

func (a *apiServer) remove(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.objects, path)
}

// requests are those since the last call.
func (a *apiServer) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.seen = nil }()
	return a.seen
}

// onServers is a deployment of a topology whose sites have API servers.
func onServers(t *testing.T, text string, o Options) (*Deployment, map[geored.SiteName]*apiServer) {
	t.Helper()
	topology, err := ParseTopology([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	dir, servers := t.TempDir(), map[geored.SiteName]*apiServer{}
	for _, site := range topology.Sites {
		a := &apiServer{objects: map[string]table{"/api/v1/namespaces/kube-system": {"kind": "Namespace", "apiVersion": "v1", "metadata": table{"name": "kube-system", "uid": "uid-" + string(site.Name)}}}}
		server := httptest.NewServer(a)
		t.Cleanup(server.Close)
		servers[site.Name] = a
		file := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: '%s'}}]\ncontexts: [{name: c, context: {cluster: c}}]\n", server.URL)
		if err := os.WriteFile(filepath.Join(dir, string(site.Name)+".kubeconfig"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.Images = Images{Probe: "registry.example.org/probe:1"}
	d, err := Open(topology.In(dir), o)
	if err != nil {
		t.Fatal(err)
	}
	return d, servers
}

// otherImage is an end of the mesh whose observers and probe are of another image.
func otherImage(end meshkube.KiloEnd) meshkube.KiloEnd {
	end.Observers.Image, end.Probe.Image = "other:1", "other:1"
	return end
}
