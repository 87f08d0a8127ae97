package kube_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/cassandra"
	cassandrakube "github.com/georedkit/georedkit/cassandra/kube"
	"github.com/georedkit/georedkit/geored/kube"
)

// apiServer knows one list of pods, and notes what is deleted.
type apiServer struct {
	pods string // items

	mu      sync.Mutex
	asked   string // selector of the last list
	deleted []string
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodDelete {
		a.deleted = append(a.deleted, r.URL.Path)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Success"}`)
		return
	}
	a.asked = r.URL.Query().Get("fieldSelector")
	fmt.Fprintf(w, `{"kind":"PodList","apiVersion":"v1","items":[%s]}`, a.pods)
}

func pods(t *testing.T, a *apiServer) cassandrakube.Pods {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	c, err := kube.New("dc1", &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return cassandrakube.Pods{Clusters: []*kube.Cluster{c}, Namespace: "ring"}
}

const one = `{"metadata":{"name":"node-0","namespace":"ring","uid":"u"}}`

var node = cassandra.Node{Site: "dc1", Internode: netip.MustParseAddr("10.90.0.7"), Address: netip.MustParseAddrPort("10.90.0.8:9042")}

func TestTheNodesOwnPodIsRestarted(t *testing.T) {
	a := &apiServer{pods: one}
	if err := pods(t, a).Restart(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(a.deleted) != "[/api/v1/namespaces/ring/pods/node-0]" || !strings.Contains(a.asked, "status.podIP=10.90.0.7") {
		t.Errorf("deleted %v, asked for %s", a.deleted, a.asked)
	}
}

// A node whose address no pod has, or two, is left alone; so is one of a site that is not known here.
func TestNoOtherPodIsRestarted(t *testing.T) {
	elsewhere := node
	elsewhere.Site = "dc2"
	for _, test := range []struct {
		pods string
		node cassandra.Node
		want string
	}{
		{"", node, "0 running pods of namespace ring have this address"},
		{one + "," + one, node, "2 running pods"},
		{one, elsewhere, "site dc2: restart node 10.90.0.7: the site has no cluster here"},
	} {
		a := &apiServer{pods: test.pods}
		p := pods(t, a)
		if err := p.Restart(t.Context(), test.node); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
		if _, err := p.Run(t.Context(), test.node, "status"); err == nil || !strings.Contains(err.Error(), "nodetool on 10.90.0.7") {
			t.Errorf("nodetool: %v", err)
		}
		if len(a.deleted) > 0 {
			t.Errorf("deleted %v", a.deleted)
		}
	}
}
