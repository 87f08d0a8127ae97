package kube_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// apiServer answers with what stands at each path.
func apiServer(t *testing.T, site geored.SiteName, paths map[string]string) *kube.Cluster {
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
	cluster, err := kube.New(site, &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

const (
	nodesPath = "/api/v1/nodes"
	peersPath = "/apis/kilo.squat.ai/v1alpha1/peers"
)

// nodeList is nodes of Kilo as the API server gives them, the last one first.
func nodeList(t *testing.T, site string, count int) string {
	t.Helper()
	list := map[string]any{"kind": "NodeList", "apiVersion": "v1"}
	var items []any
	for i := count; i >= 1; i-- {
		items = append(items, map[string]any{
			"metadata": map[string]any{"name": fmt.Sprintf("%s-%d", site, i), "annotations": map[string]string{
				kilo.ForceEndpoint: fmt.Sprintf("203.0.113.%d:51820", len(site)*i), kilo.EndpointKey: fmt.Sprintf("203.0.113.%d:51820", len(site)*i),
				kilo.InternalIP: fmt.Sprintf("192.168.1.%d/24", i), kilo.Key: public(t, fmt.Sprint(i)).String(), kilo.GranularityKey: "full",
				kilo.LastSeen: fmt.Sprint(time.Now().Unix()), kilo.WireGuardIP: fmt.Sprintf("10.80.0.%d/16", i), kilo.PersistentKeepalive: "10",
			}},
			"spec": map[string]any{"podCIDRs": []string{fmt.Sprintf("10.90.%d.0/24", i)}},
		})
	}
	list["items"] = items
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestNodesOfKilo(t *testing.T) {
	nodes, faults, err := meshkube.KiloNodes(t.Context(), apiServer(t, "dc1", map[string]string{nodesPath: nodeList(t, "dc1", 2)}))
	if err != nil || len(faults) > 0 || len(nodes) != 2 {
		t.Fatalf("%v, %v, %v", nodes, faults, err)
	}
	if n := nodes[0]; n.Name != "dc1-1" || n.Site != "dc1" || n.Key != public(t, "1") || n.PodCIDRs[0] != netip.MustParsePrefix("10.90.1.0/24") || n.Granularity != kilo.ByNode {
		t.Errorf("%+v", n)
	}
	broken := strings.Replace(nodeList(t, "dc1", 1), `"`+kilo.PersistentKeepalive+`":"10"`, `"`+kilo.PersistentKeepalive+`":"10s"`, 1)
	if _, faults, err := meshkube.KiloNodes(t.Context(), apiServer(t, "dc1", map[string]string{nodesPath: broken})); err != nil || len(faults) != 1 {
		t.Errorf("%v, %v", faults, err)
	}
	if _, _, err := meshkube.KiloNodes(t.Context(), apiServer(t, "dc1", nil)); err == nil {
		t.Error("a server without nodes has some")
	}
}

func TestPeersOfKilo(t *testing.T) {
	const list = `{"kind":"PeerList","apiVersion":"kilo.squat.ai/v1alpha1","metadata":{"resourceVersion":"7"},"items":[
		{"apiVersion":"kilo.squat.ai/v1alpha1","kind":"Peer","metadata":{"name":"dc2-2"},"spec":{"allowedIPs":["10.120.1.0/24"],"publicKey":"k2","presharedKey":"planted-preshared-key"}},
		{"apiVersion":"kilo.squat.ai/v1alpha1","kind":"Peer","metadata":{"name":"dc2-1"},"spec":{"allowedIPs":["10.120.0.0/24"],"publicKey":"k1"}}]}`
	peers, err := meshkube.KiloPeers(t.Context(), apiServer(t, "dc1", map[string]string{peersPath: list}))
	if err != nil || len(peers) != 2 || peers[0].Metadata.Name != "dc2-1" || peers[1].Spec.PublicKey != "k2" {
		t.Fatalf("%+v, %v", peers, err)
	}
	if said := fmt.Sprintf("%+v %#v", peers, peers); strings.Contains(said, "planted") {
		t.Errorf("a preshared key was kept: %s", said)
	}
	if _, err := meshkube.KiloPeers(t.Context(), apiServer(t, "dc1", nil)); !errors.Is(err, meshkube.ErrNoKilo) {
		t.Errorf("%v", err)
	}
	if _, err := meshkube.KiloPeers(t.Context(), apiServer(t, "dc1", map[string]string{peersPath: `{"items":[{"kind":"Other"}]}`})); err == nil {
		t.Error("something else was taken for a peer")
	}
}

func TestObserversChangeNothing(t *testing.T) {
	o := meshkube.Observers{Cluster: apiServer(t, "dc1", nil), Namespace: "ns", Image: "example.org/probe:1", PullSecret: "pull"}
	objects, err := o.Objects()
	if err != nil || len(objects) != 2 || objects[1].GetKind() != "DaemonSet" {
		t.Fatalf("%v, %v", objects, err)
	}
	text, err := json.Marshal(objects[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"hostNetwork":true`, `"add":["NET_ADMIN","NET_RAW"]`, `"drop":["ALL"]`, `"args":["wait"]`, `"readOnlyRootFilesystem":true`, `"path":"/var/run/wireguard"`, `"imagePullSecrets":[{"name":"pull"}]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("without %s: %s", want, text)
		}
	}
	o.Image = ""
	if _, err := o.Task(geored.Step{}); err == nil || !strings.Contains(err.Error(), "-probe-image") {
		t.Errorf("%v", err)
	}
}

// Whoever does not answer is named, and nothing is planned without it.
func TestAKiloMeshWithASilentSite(t *testing.T) {
	m := meshkube.KiloMesh{Ends: map[geored.SiteName]meshkube.KiloEnd{}}
	for i, paths := range []map[string]string{{nodesPath: nodeList(t, "dc1", 1)}, nil} {
		site := mesh.Site{Site: geored.Site{Name: geored.SiteName(fmt.Sprintf("dc%d", i+1))}}
		m.Network.Sites = append(m.Network.Sites, site)
		m.Ends[site.Name] = meshkube.KiloEnd{Observers: meshkube.Observers{Cluster: apiServer(t, site.Name, paths), Namespace: "ns"}}
	}
	if _, err := m.Plan(m.Observe(t.Context())); err == nil || !strings.Contains(err.Error(), "site dc2: its nodes were not read") {
		t.Errorf("%v", err)
	}
	found, err := geored.Prove(t.Context(), geored.CheckConfig{}, meshkube.NewKiloProof(m).Checks()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found.Findings {
		if f.Verdict != geored.Unknown {
			t.Errorf("%s %s: %s: %s", f.Check, f.Site, f.Verdict, f.Message)
		}
	}
	if len(found.Findings) != 11 { // two of each check that needs no other, one of each that does
		t.Errorf("%d findings", len(found.Findings))
	}
	state, err := m.SettledTask(geored.Step{}, m.Network.Sites[0]).Observe(context.WithoutCancel(t.Context()))
	if err == nil || state.Done {
		t.Errorf("without an observer nobody tells the time: %+v, %v", state, err)
	}
}

func TestHandOverIsTwoStages(t *testing.T) {
	var nodes []kilo.Node
	m := meshkube.KiloMesh{Ends: map[geored.SiteName]meshkube.KiloEnd{}}
	for i := range 3 {
		name := geored.SiteName(fmt.Sprintf("dc%d", i+1))
		site := mesh.Site{WireGuardCIDR: netip.MustParsePrefix(fmt.Sprintf("10.8%d.0.0/16", i)), Site: geored.Site{Name: name,
			Pods: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.9%d.0.0/16", i))}, Services: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.13%d.0.0/16", i))}}}
		m.Network.Sites = append(m.Network.Sites, site)
		m.Ends[name] = meshkube.KiloEnd{Observers: meshkube.Observers{Cluster: apiServer(t, name, nil)}}
		for j := range 2 {
			endpoint, err := geored.ParseEndpoint(fmt.Sprintf("203.0.113.%d:51820", 10*i+j+1))
			if err != nil {
				t.Fatal(err)
			}
			nodes = append(nodes, kilo.Node{Site: name, Name: fmt.Sprintf("%s-%d", name, j+1), Key: public(t, fmt.Sprint(2*i+j)), Endpoint: endpoint, Granularity: kilo.ByNode,
				WireGuardIP: netip.MustParsePrefix(fmt.Sprintf("10.8%d.0.%d/16", i, j+1)), PodCIDRs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.9%d.%d.0/24", i, j))}})
		}
	}
	full, err := kilo.Plan(m.Network, nodes, mesh.OneOwner)
	if err != nil {
		t.Fatal(err)
	}
	move, err := full.HandOver("dc2", "dc2-1", "dc2-2")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, stage := range m.HandOver(move) {
		for _, step := range stage.Outline {
			told = append(told, fmt.Sprintf("%s: %s: %s", stage.Name, step.ID, step.Manual))
		}
	}
	const patch = `[kubectl patch peer.kilo.squat.ai %s --type merge -p '{"spec":{"allowedIPs":[%s]}}']`
	without, with := fmt.Sprintf(patch, "dc2-1", `"10.81.0.1/32","10.91.0.0/24"`), fmt.Sprintf(patch, "dc2-2", `"10.81.0.2/32","10.91.1.0/24","10.131.0.0/16"`)
	want := []string{"release dc2: mesh/dc2/release/dc1: " + without, "release dc2: mesh/dc2/release/dc3: " + without,
		"claim dc2: mesh/dc2/claim/dc1: " + with, "claim dc2: mesh/dc2/claim/dc3: " + with}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}

func TestAnnotationsAreThereOrNot(t *testing.T) {
	node := func(annotations string) string {
		return `{"kind":"Node","apiVersion":"v1","metadata":{"name":"dc1-1","annotations":{` + annotations + `}}}`
	}
	wanted := map[string]string{kilo.ForceEndpoint: "203.0.113.1:51820", kilo.PersistentKeepalive: "10"}
	for text, want := range map[string]string{
		node(`"kilo.squat.ai/force-endpoint":"203.0.113.1:51820","kilo.squat.ai/persistent-keepalive":"10","other":"x"`): "",
		node(`"kilo.squat.ai/force-endpoint":"203.0.113.1:51820"`):                                                       `persistent-keepalive is "" instead of "10"`,
		node(`"kilo.squat.ai/force-endpoint":"203.0.113.9:51820","kilo.squat.ai/persistent-keepalive":"10"`):             `force-endpoint is "203.0.113.9:51820"`,
	} {
		task := meshkube.AnnotateTask(apiServer(t, "dc1", map[string]string{nodesPath + "/dc1-1": text}), geored.Step{}, "dc1-1", wanted)
		state, err := task.Observe(t.Context())
		if err != nil || state.Done != (want == "") || !strings.Contains(state.Detail, want) {
			t.Errorf("%+v, %v, want %q", state, err, want)
		}
	}
	task := meshkube.AnnotateTask(apiServer(t, "dc1", nil), geored.Step{}, "dc1-1", wanted)
	if state, err := task.Observe(t.Context()); err == nil || state.Done {
		t.Errorf("a node that is not there: %+v, %v", state, err)
	}
}

// Annotations are what they were before, also when they were written twice with different values; what somebody else wrote
// since stays, and what is not remembered is not guessed.
func TestAnnotationsAreTakenBack(t *testing.T) {
	first := map[string]string{kilo.ForceEndpoint: "203.0.113.1:51820", kilo.PersistentKeepalive: "10"}
	second := map[string]string{kilo.ForceEndpoint: "203.0.113.2:51820", kilo.PersistentKeepalive: "10"}
	node := newNodeServer(t, map[string]string{kilo.PersistentKeepalive: "99", "other": "x"})
	task := func(wanted map[string]string) geored.Task {
		return meshkube.AnnotateTask(node.cluster, geored.Step{}, "dc1-1", wanted)
	}
	for _, wanted := range []map[string]string{first, second} {
		if err := task(wanted).Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
		if state, err := task(wanted).Observe(t.Context()); err != nil || !state.Done {
			t.Fatalf("%+v, %v", state, err)
		}
	}
	if state, err := task(second).Gone(t.Context()); err != nil || state.Done {
		t.Errorf("%+v, %v", state, err)
	}
	if err := task(second).Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state, err := task(second).Gone(t.Context()); err != nil || !state.Done || !maps.Equal(node.annotations, map[string]string{kilo.PersistentKeepalive: "99", "other": "x"}) {
		t.Errorf("%+v, %v, %v", state, err, node.annotations)
	}
	if err := task(first).Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	node.annotations[kilo.ForceEndpoint] = "somebody:1"
	if err := task(first).Undo(t.Context()); err != nil || node.annotations[kilo.ForceEndpoint] != "somebody:1" {
		t.Errorf("%v, %v", err, node.annotations)
	}
	node.annotations = maps.Clone(first)
	if err := task(first).Undo(t.Context()); err == nil || !strings.Contains(err.Error(), "is not known") {
		t.Errorf("what nobody remembers was taken back: %v", err)
	}
	if state, err := task(first).Gone(t.Context()); err != nil || state.Done {
		t.Errorf("%+v, %v", state, err)
	}
}

// nodeServer is one node as an API server keeps it, for those who patch its annotations.
type nodeServer struct {
	cluster     *kube.Cluster
	annotations map[string]string
	applied     map[string]string // by server-side apply
}

func newNodeServer(t *testing.T, annotations map[string]string) *nodeServer {
	t.Helper()
	n := &nodeServer{annotations: annotations}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/api":
			fmt.Fprint(w, `{"kind":"APIVersions","versions":["v1"]}`)
			return
		case "/apis":
			fmt.Fprint(w, `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`)
			return
		case "/api/v1":
			fmt.Fprint(w, `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"nodes","kind":"Node","namespaced":false,"verbs":["get","patch"]}]}`)
			return
		}
		if r.Method == http.MethodPatch {
			var patch struct {
				Metadata struct{ Annotations map[string]*string }
			}
			if err := json.NewDecoder(r.Body).Decode(&patch); err != nil {
				t.Error(err)
			}
			apply := r.Header.Get("Content-Type") == string(types.ApplyPatchType)
			for key := range n.applied {
				if _, still := patch.Metadata.Annotations[key]; apply && !still && n.owns(key) {
					delete(n.annotations, key)
				}
			}
			if apply {
				n.applied = map[string]string{}
			}
			for key, value := range patch.Metadata.Annotations {
				if delete(n.annotations, key); value != nil {
					n.annotations[key] = *value
					if apply {
						n.applied[key] = *value
					}
				}
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Node", "apiVersion": "v1", "metadata": map[string]any{"name": "dc1-1", "resourceVersion": "1", "annotations": n.annotations, "managedFields": n.managed()}})
	}))
	t.Cleanup(server.Close)
	var err error
	if n.cluster, err = kube.New("dc1", &rest.Config{Host: server.URL}); err != nil {
		t.Fatal(err)
	}
	return n
}

// owns says whether an annotation is still as it was applied.
func (n *nodeServer) owns(key string) bool {
	applied, ok := n.applied[key]
	live, there := n.annotations[key]
	return ok && there && live == applied
}

func (n *nodeServer) managed() []metav1.ManagedFieldsEntry {
	fields := map[string]any{}
	for key := range n.applied {
		if n.owns(key) {
			fields["f:"+key] = map[string]any{}
		}
	}
	text, err := json.Marshal(map[string]any{"f:metadata": map[string]any{"f:annotations": fields}})
	if err != nil {
		panic(err) // names and empty objects
	}
	return []metav1.ManagedFieldsEntry{{Manager: kube.FieldManager, Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: text}}}
}

// An annotation that a later task wants no more is at once what it was before, or is not there; what somebody else wrote
// into it since stays.
func TestAnAnnotationThatIsNoLongerWanted(t *testing.T) {
	const a, b, c, d = "a", "b", "c", "d"
	before := map[string]string{a: "1", b: "2"}
	node := newNodeServer(t, maps.Clone(before))
	task := func(wanted map[string]string) geored.Task {
		return meshkube.AnnotateTask(node.cluster, geored.Step{}, "dc1-1", wanted)
	}
	apply := func(wanted map[string]string) {
		t.Helper()
		if err := task(wanted).Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	without := func() map[string]string {
		rest := maps.Clone(node.annotations)
		delete(rest, meshkube.AnnotatedBefore)
		return rest
	}
	apply(map[string]string{a: "x", b: "y", c: "z", d: "w"})
	node.annotations[d] = "somebody"
	for range 2 {
		apply(map[string]string{b: "y"})
		if got, want := without(), (map[string]string{a: "1", b: "y", d: "somebody"}); !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	// A task that was never applied takes back what those before it wrote.
	apply(map[string]string{a: "x", c: "z"})
	if err := task(map[string]string{b: "v"}).Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := node.annotations, (map[string]string{a: "1", b: "2", d: "somebody"}); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
