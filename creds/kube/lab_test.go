//go:build lab

package kube_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/creds/credstest"
	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/creds/serving"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/internal/laboratory"
)

// lab starts two real sites and takes them down with the test.
func lab(t *testing.T) laboratory.Running {
	t.Helper()
	driver, err := laboratory.Driver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Build(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	image, err := driver.ProbeImage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("creds-%d", os.Getpid())
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		running, found, err := driver.Find(ctx, name)
		if err == nil && found {
			err = running.Down(ctx)
		}
		if err != nil {
			t.Error(err)
		}
	})
	running, err := driver.Up(t.Context(), laboratory.Spec{Name: name, Sites: 2, Images: []string{image}})
	if err != nil {
		t.Fatal(err)
	}
	return running
}

func adminConfig(t *testing.T, l laboratory.Running, site string) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(l.Dir, site+".kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestOnRealSites(t *testing.T) {
	l := lab(t)
	config := adminConfig(t, l, "dc1")
	t.Run("conformance", func(t *testing.T) { credstest.Conformance(t, apiOf(t, config)) })
	t.Run("rotation", func(t *testing.T) { rotateOnRealSites(t, l) })
}

func apiOf(t *testing.T, config *rest.Config) credstest.API {
	t.Helper()
	admin, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := rest.HTTPClientFor(rest.AnonymousClientConfig(config))
	if err != nil {
		t.Fatal(err)
	}
	return credstest.API{URL: config.Host, Admin: admin, Bare: bare}
}

// rotateOnRealSites gives dc2 access to dc1, rotates it, and has the role tried.
func rotateOnRealSites(t *testing.T, l laboratory.Running) {
	ctx := t.Context()
	clusters := map[geored.SiteName]*kube.Cluster{}
	for _, site := range []geored.SiteName{"dc1", "dc2"} {
		cluster, err := kube.Open(site, geored.KubeRef{Kubeconfig: filepath.Join(l.Dir, string(site)+".kubeconfig")})
		if err != nil {
			t.Fatal(err)
		}
		clusters[site] = cluster
	}
	reader := creds.Account{Namespace: "kube-system", Name: "remote-dns"}
	slices, err := clusters["dc1"].Client().DiscoveryV1().EndpointSlices("default").List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=kubernetes"})
	if err != nil || len(slices.Items) != 1 {
		t.Fatalf("%v %v", slices, err)
	}
	server := serverOf(t, l)
	// Nothing outside a site reaches its addresses but through the laboratory's relay.
	relay := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(adminConfig(t, l, "dc1").Host, "https://"))
	}
	t.Logf("the API server is %s for clients, and lists itself as %v", server, slices.Items[0].Endpoints[0].Addresses)
	spec := kube.ProbeSpec{Namespace: "default", Name: "creds-probe", Site: "dc2", Image: laboratory.ProbeRef}
	objects, err := spec.Objects()
	if err != nil {
		t.Fatal(err)
	}
	// Pods reach the other site's nodes only where the mesh is up; nodes always do.
	for _, object := range objects {
		if object.GetKind() == "Pod" {
			object.Object["spec"].(map[string]any)["hostNetwork"] = true
		}
	}
	consumer, err := kube.Objects(pause("default", "reader"))
	if err != nil {
		t.Fatal(err)
	}
	source := credskube.Source{Cluster: clusters["dc1"], Account: reader, Role: credskube.DNSRole(), Server: server, Dial: relay}
	roles, err := source.Objects()
	if err != nil {
		t.Fatal(err)
	}
	step := func(id string) geored.Step {
		return geored.Step{ID: geored.StepID(id), Target: id, Action: geored.Apply}
	}
	prepare := geored.StageOf("prepare", clusters["dc1"].ApplyTask(step("roles"), roles...), clusters["dc2"].ApplyTask(step("probe"), objects...), clusters["dc2"].ApplyTask(step("consumer"), consumer...))
	receiver := credskube.Receiver{Cluster: clusters["dc2"], Probe: spec.Probe(clusters["dc2"])}
	grants, err := creds.Plan([]creds.Consumer{{Name: "reader", Site: "dc2", Namespace: "default", Workload: "deployment/reader", Reading: creds.ReadsOnce, Sources: []geored.SiteName{"dc1"}, Account: reader}})
	if err != nil {
		t.Fatal(err)
	}
	run := func(stages ...geored.Stage) error {
		result, err := geored.Runbook{Name: "test", Stages: stages}.Run(ctx, geored.RunConfig{StepTimeout: 2 * time.Minute})
		for _, o := range result.Outcomes {
			t.Log(o.ID, o.Status, o.Took.Round(time.Millisecond), o.Detail)
		}
		return err
	}
	if err := run(prepare); err != nil {
		t.Fatal(err)
	}
	token := func(generation int) creds.Token {
		secret, err := clusters["dc1"].Client().CoreV1().Secrets(reader.Namespace).Get(ctx, fmt.Sprintf("remote-dns-token-%d", generation), metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		token, err := creds.ParseToken(string(secret.Data["token"]))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	var first creds.Token
	for generation := 1; generation <= 2; generation++ {
		r := credskube.Rotation{Rotation: creds.Rotation{Source: "dc1", Account: reader, Generation: generation, Grants: grants}, From: source,
			Receivers: map[geored.SiteName]credskube.Receiver{"dc2": receiver}}
		stages, err := r.Stages()
		if err != nil {
			t.Fatal(err)
		}
		if err := run(stages...); err != nil {
			t.Fatal(err)
		}
		if generation == 1 {
			first = token(1)
		}
	}
	answers, err := source.Receive(ctx, first)
	if err != nil || len(answers.Asked()) == 0 || len(answers.Unanswered()) > 0 {
		t.Fatalf("%v %v", answers.Unanswered(), err)
	}
	for target, reception := range answers.All() {
		if reception.Accepted {
			t.Errorf("%s takes the first token after it was revoked", target)
		}
	}
	report, err := geored.Prove(ctx, geored.CheckConfig{}, credskube.Proof{Grants: grants, Sources: []credskube.Source{source}, Receivers: map[geored.SiteName]credskube.Receiver{"dc2": receiver}}.Checks()...)
	if err != nil || report.Verdict() != geored.Pass {
		t.Errorf("%v %+v", err, report)
	}
	tryRole(t, clusters["dc2"], server, relay)
	// A server that leads nowhere from the other site is not written anywhere.
	source.Server = "https://127.0.0.1:6443"
	if _, err := source.Export(ctx, "dc1", creds.ExecCredential{Token: token(2)}, receiver); err == nil {
		t.Error("the loopback address was exported")
	}
	local := credskube.Receiver{Cluster: clusters["dc2"], Probe: probe.Local(serving.Questions(nil))}
	if _, err := source.Export(ctx, "dc1", creds.ExecCredential{Token: token(2)}, local); err == nil {
		t.Error("the loopback address was exported")
	}
}

// serverOf is the API server of dc1 as dc2 reaches it: by its node's address between the sites.
func serverOf(t *testing.T, l laboratory.Running) string {
	t.Helper()
	text, err := os.ReadFile(l.Topology())
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Sites []struct {
			Nodes []geored.NodeFile `yaml:"nodes"`
		} `yaml:"sites"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	host, _, err := net.SplitHostPort(file.Sites[0].Nodes[0].Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return "https://" + net.JoinHostPort(host, "6443")
}

// tryRole uses the copy as the consumer does: by its kubeconfig. What the role does not name is refused.
func tryRole(t *testing.T, c *kube.Cluster, server string, dial serving.Dial) {
	t.Helper()
	secret, err := c.Client().CoreV1().Secrets("default").Get(t.Context(), "dc1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(secret.Data[creds.KeyConfig])
	if err != nil || config.Host != server {
		t.Fatalf("%s %v", config.Host, err)
	}
	config.Dial = dial
	cluster, err := kube.New("dc1", config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Client().CoreV1().Services("").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		group, resource, verb string
		want                  bool
	}{
		{"", "services", "list", true}, {"", "endpoints", "watch", true}, {"", "pods", "watch", true}, {"", "namespaces", "list", true}, {"", "nodes", "get", true},
		{"discovery.k8s.io", "endpointslices", "list", true}, {"", "secrets", "get", false}, {"", "secrets", "list", false}, {"", "pods", "create", false}, {"", "nodes", "list", false},
		{"", "services", "delete", false}, {"rbac.authorization.k8s.io", "clusterroles", "create", false},
	} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Group: c.group, Resource: c.resource, Verb: c.verb}}}
		got, err := cluster.Client().AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
		if err != nil || got.Status.Allowed != c.want {
			t.Errorf("%s %s: %v, want %v: %v", c.verb, c.resource, got.Status.Allowed, c.want, err)
		}
	}
}

// pause is a workload that does nothing: the probe's far end.
func pause(namespace, name string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	one := int32(1)
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: appsv1.DeploymentSpec{Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "reader", Image: laboratory.ProbeRef, ImagePullPolicy: corev1.PullNever, Args: []string{"listen", "-site", "dc2", "-pod", name}}}}}}}
}
