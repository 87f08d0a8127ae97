//go:build lab

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/georedkit/georedkit/dnsfed/resolver"
	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/internal/laboratory"
	"github.com/georedkit/georedkit/mesh/kilo"
)

func (l *lab) cluster(site geored.SiteName) *kube.Cluster {
	l.t.Helper()
	cluster, err := kube.Open(site, geored.KubeRef{Kubeconfig: filepath.Join(l.running().Dir, string(site)+".kubeconfig")})
	if err != nil {
		l.t.Fatal(err)
	}
	return cluster
}

func (l *lab) sites() []ice.Site {
	l.t.Helper()
	text, err := os.ReadFile(l.running().Topology())
	if err != nil {
		l.t.Fatal(err)
	}
	topology, err := ice.ParseTopology(text)
	if err != nil {
		l.t.Fatal(err)
	}
	return topology.Sites
}

// told is of what an installation has a hand in, whole where it replaces something.
var told = []schema.GroupVersionResource{
	{Version: "v1", Resource: "namespaces"}, {Version: "v1", Resource: "serviceaccounts"}, {Version: "v1", Resource: "services"},
	{Version: "v1", Resource: "configmaps"}, {Version: "v1", Resource: "secrets"},
	{Group: "apps", Version: "v1", Resource: "deployments"}, {Group: "apps", Version: "v1", Resource: "daemonsets"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}, {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"},
}

// inventory is a site's objects as they are written, and its nodes' annotations of Kilo and of georedkit.
func (l *lab) inventory(site geored.SiteName) map[string]string {
	l.t.Helper()
	cluster := l.cluster(site)
	objects, err := dynamic.NewForConfig(cluster.Config())
	if err != nil {
		l.t.Fatal(err)
	}
	found := map[string]string{}
	for _, resource := range told {
		list, err := objects.Resource(resource).List(l.t.Context(), metav1.ListOptions{})
		if err != nil {
			l.t.Fatal(err)
		}
		for _, item := range list.Items {
			text, err := json.Marshal(kube.AsWritten(&item))
			if err != nil {
				l.t.Fatal(err)
			}
			found[resource.Resource+" "+item.GetNamespace()+"/"+item.GetName()] = string(text)
		}
	}
	nodes, err := cluster.Client().CoreV1().Nodes().List(l.t.Context(), metav1.ListOptions{})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, node := range nodes.Items {
		maps.DeleteFunc(node.Annotations, func(key, _ string) bool { return !isOursAt(key) })
		found["annotations "+node.Name] = fmt.Sprint(node.Annotations)
	}
	return found
}

// isOursAt: what Kilo writes of itself stays at a node; nobody reads it without Kilo.
func isOursAt(key string) bool {
	return key == kilo.ForceEndpoint || key == kilo.PersistentKeepalive || strings.HasPrefix(key, "georedkit")
}

// looker is a pod of the test's own, which no undo takes away.
func (l *lab) looker(site ice.Site) *resolver.Watch {
	l.t.Helper()
	cluster := l.cluster(site.Name)
	spec := kube.ProbeSpec{Namespace: "default", Name: "looker", Site: string(site.Name), Image: laboratory.ProbeRef}
	objects, err := spec.Objects()
	if err != nil {
		l.t.Fatal(err)
	}
	up := geored.StageOf("looker", cluster.ApplyTask(geored.Step{ID: "looker", Target: "looker", Action: geored.Apply}, objects...))
	if _, err := (geored.Runbook{Name: "looker", Stages: []geored.Stage{up}}).Run(l.t.Context(), geored.RunConfig{}); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := cluster.Delete(context.WithoutCancel(l.t.Context()), objects...); err != nil {
			l.t.Error(err)
		}
	})
	return resolver.Begin(context.WithoutCancel(l.t.Context()), spec.Probe(cluster), resolver.Series{Want: []string{site.APIServerIP.String()}, DNS: probe.DNS{
		Server: netip.AddrPortFrom(site.DNSIP, 53).String(), Name: "kubernetes.default.svc.cluster.local", Timeout: 3 * time.Second}})
}

// annotateBefore writes an annotation that the installation will write over.
func (l *lab) annotateBefore(site geored.SiteName) {
	l.t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:"99"}}}`, kilo.PersistentKeepalive)
	if _, err := l.cluster(site).Client().CoreV1().Nodes().Patch(l.t.Context(), string(site)+"-1", types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
		l.t.Fatal(err)
	}
}

// takenBack holds -undo to what was there before the installation, and to an answer for every question meanwhile, of a few
// at the second asking, as resolvers ask. No token that was given away is taken any more.
func (l *lab) takenBack(before map[geored.SiteName]map[string]string, args ...string) {
	t := l.t
	t.Helper()
	tokens := map[geored.SiteName][]string{}
	watches := map[geored.SiteName]*resolver.Watch{}
	for _, site := range l.sites() {
		tokens[site.Name] = tokensOf(t, l.running(), string(site.Name))
		watches[site.Name] = l.looker(site)
	}
	c := l.call(append([]string{"-undo"}, args...)...)
	if c.code != 0 || strings.Contains(c.stdout, `"kept"`) {
		t.Errorf("exit code %d\n%s\n%s", c.code, c.stderr, c.stdout)
	}
	for site, watch := range watches {
		seen := watch.End()
		t.Logf("%s: %d questions while all was taken back, %d asked again", site, seen.Asked, len(seen.Repeated))
		if f := seen.Judge(); f.Verdict != geored.Pass && f.Verdict != geored.Warn || seen.Asked < 50 {
			t.Errorf("%s: %s: %s %q", site, f.Verdict, f.Message, f.Evidence)
		}
	}
	for site, want := range before {
		got := l.inventory(site)
		for what := range maps.Keys(want) {
			if got[what] != want[what] {
				t.Errorf("%s: %s is %s\nand was %s", site, what, got[what], want[what])
			}
		}
		for what := range got {
			if _, there := want[what]; !there && !strings.HasSuffix(what, "/looker") {
				t.Errorf("%s: %s was left", site, what)
			}
		}
		for _, token := range tokens[site] {
			config := l.cluster(site).Config()
			config.BearerToken, config.TLSClientConfig.CertData, config.TLSClientConfig.KeyData, config.TLSClientConfig.CertFile, config.TLSClientConfig.KeyFile = token, nil, nil, "", ""
			bearer, err := kube.New(site, config)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := bearer.Client().CoreV1().Services(corev1.NamespaceAll).List(t.Context(), metav1.ListOptions{Limit: 1}); err == nil || !strings.Contains(err.Error(), "Unauthorized") {
				t.Errorf("%s: a token that was given away is still taken: %v", site, err)
			}
		}
	}
}
