package kube

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored"
)

// counting is an API server that takes everything and remembers what it was asked.
func counting(t *testing.T) (*Cluster, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Method+" "+r.URL.Path)
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		text := `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x","namespace":"ns"}}`
		switch r.URL.Path {
		case "/api":
			text = `{"kind":"APIVersions","versions":["v1"]}`
		case "/apis":
			text = `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`
		case "/api/v1":
			text = `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"configmaps","kind":"ConfigMap","namespaced":true,"verbs":["get","patch"]}]}`
		}
		_, _ = w.Write([]byte(text)) // the test sees what does not come
	}))
	t.Cleanup(server.Close)
	cluster, err := New("dc1", &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return cluster, func() []string {
		mu.Lock()
		defer mu.Unlock()
		defer func() { seen = nil }()
		return seen
	}
}

// changes are ways to change a cluster, by this package and past it.
func changes(t *testing.T, c *Cluster) map[string]func(context.Context) error {
	t.Helper()
	object := &Object{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": "ns", "name": "x"}}}
	maps := func() rest.Interface { return c.Client().CoreV1().RESTClient() }
	return map[string]func(context.Context) error{
		"apply":   func(ctx context.Context) error { return c.Apply(ctx, object) },
		"dry run": func(ctx context.Context) error { _, err := c.State(ctx, object); return err },
		"delete":  func(ctx context.Context) error { return c.Delete(ctx, object) },
		"lease":   NewLeaseLock(LeaseConfig{Clusters: []*Cluster{c}, Name: "it"}).Acquire,
		"create": func(ctx context.Context) error {
			_, err := c.Client().CoreV1().ConfigMaps("ns").Create(ctx, &corev1.ConfigMap{}, metav1.CreateOptions{})
			return err
		},
		"update": func(ctx context.Context) error {
			_, err := c.Client().CoreV1().ConfigMaps("ns").Update(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, metav1.UpdateOptions{})
			return err
		},
		"patch": func(ctx context.Context) error {
			_, err := c.Client().CoreV1().ConfigMaps("ns").Patch(ctx, "x", types.MergePatchType, []byte("{}"), metav1.PatchOptions{})
			return err
		},
		"delete all": func(ctx context.Context) error {
			return c.Client().CoreV1().ConfigMaps("ns").DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		},
		"exec": func(ctx context.Context) error {
			_, err := c.Exec(ctx, Command{Namespace: "ns", Pod: "p", Argv: []string{"nodetool", "repair"}})
			return err
		},
		"GET through a proxy": func(ctx context.Context) error {
			return maps().Get().AbsPath("/api/v1/namespaces/ns/services/s/proxy/shutdown").Do(ctx).Error()
		},
		"a review that is not one's own": func(ctx context.Context) error {
			return maps().Post().AbsPath("/apis/authorization.k8s.io/v1/subjectaccessreviews").Do(ctx).Error()
		},
	}
}

// Each change arrives through the cluster itself, and through its reader none does.
func TestAReaderSendsNoChange(t *testing.T) {
	cluster, seen := counting(t)
	readOnly, err := cluster.ReadOnly(func(argv []string) bool { return strings.Join(argv, " ") == "nodetool status" })
	if err != nil {
		t.Fatal(err)
	}
	isChange := func(request string) bool {
		return !strings.HasPrefix(request, "GET ") || strings.HasSuffix(request, "/exec") || strings.Contains(request, "/proxy/")
	}
	count := func(requests []string) (n int) {
		for _, request := range requests {
			if isChange(request) {
				n++
			}
		}
		return n
	}
	for name, change := range changes(t, cluster) {
		if err := change(t.Context()); errors.Is(err, ErrReadOnly) || count(seen()) == 0 {
			t.Errorf("%s: it changes nothing, so nothing is shown: %v", name, err)
		}
	}
	for name, change := range changes(t, readOnly) {
		if err := change(t.Context()); !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
		if got := seen(); count(got) > 0 {
			t.Errorf("%s: it was sent: %q", name, got)
		}
	}
}

// What reads goes through.
func TestAReaderReads(t *testing.T) {
	cluster, seen := counting(t)
	readOnly, err := cluster.ReadOnly(func(argv []string) bool { return strings.Join(argv, " ") == "nodetool status" })
	if err != nil {
		t.Fatal(err)
	}
	reads := map[string]func(context.Context) error{
		"get": func(ctx context.Context) error {
			_, err := readOnly.Client().CoreV1().ConfigMaps("ns").Get(ctx, "x", metav1.GetOptions{})
			return err
		},
		"own permissions": func(ctx context.Context) error {
			_, err := readOnly.Client().AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{}, metav1.CreateOptions{})
			return err
		},
		"exec of what reads": func(ctx context.Context) error {
			_, err := readOnly.Exec(ctx, Command{Namespace: "ns", Pod: "p", Argv: []string{"nodetool", "status"}})
			return err
		},
		"port-forward": func(ctx context.Context) error {
			_, err := readOnly.openForward(backend{namespace: "ns", pod: "p"})
			return err
		},
	}
	for name, read := range reads {
		if err := read(t.Context()); errors.Is(err, ErrReadOnly) || len(seen()) == 0 {
			t.Errorf("%s: it was not sent: %v", name, err) // this server speaks no WebSocket: other errors are its
		}
	}
	if readOnly.Site() != geored.SiteName("dc1") || readOnly.Kubectl("get pods") != cluster.Kubectl("get pods") {
		t.Error("it is another cluster")
	}
}
