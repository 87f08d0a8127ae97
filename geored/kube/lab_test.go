//go:build lab

package kube_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

var lab = labtest.Shared{Sites: 2, Nodes: 1}

func TestMain(m *testing.M) { lab.Main(m) }

// site is the cluster of the laboratory's first site, and a namespace of the test's own in it.
func site(t *testing.T) (*labtest.Lab, *kube.Cluster, string) {
	t.Helper()
	l := lab.Up(t)
	c, err := kube.Open("dc1", geored.KubeRef{Kubeconfig: l.Kubeconfig("dc1")})
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))
	namespace := read(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}", name)
	if err := c.Apply(t.Context(), namespace...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Delete(context.WithoutCancel(t.Context()), namespace...); err != nil {
			t.Error(err)
		}
	})
	return l, c, name
}

func read(t *testing.T, manifest string, values ...any) []*kube.Object {
	t.Helper()
	objects, err := kube.ReadObjects([]byte(fmt.Sprintf(manifest, values...)))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// await polls until what is seen holds all of want. It fails with what was seen last.
func await(t *testing.T, see func() string, want ...string) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for {
		seen, missing := see(), ""
		for _, w := range want {
			if !strings.Contains(seen, w) {
				missing = w
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("saw %q, without %q", seen, missing)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// state shows the state of objects as text.
func state(t *testing.T, c *kube.Cluster, objects []*kube.Object) func() string {
	return func() string {
		s, err := c.State(t.Context(), objects...)
		return fmt.Sprintf("done: %t, %s, error: %v", s.Done, s.Detail, err)
	}
}

// basePod applies a pod of the laboratory's own image, which has a shell, and waits for it.
func basePod(t *testing.T, c *kube.Cluster, namespace, name string) []*kube.Object {
	t.Helper()
	pod := read(t, `
apiVersion: v1
kind: Pod
metadata: {namespace: %s, name: %s}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: 'localhost/lab/base:1'}]
`, namespace, name)
	apply(t, c, pod)
	await(t, state(t, c, pod), "done: true")
	return pod
}

// apply tries again what may heal, as a run does: a new namespace's own service account comes a moment after it.
func apply(t *testing.T, c *kube.Cluster, objects []*kube.Object) {
	t.Helper()
	await(t, func() string {
		err := c.Apply(t.Context(), objects...)
		if err != nil && !geored.IsRetriable(err) {
			t.Fatal(err)
		}
		return fmt.Sprint(err)
	}, "<nil>")
}

// run carries out one task as a runbook does.
func run(t *testing.T, task geored.Task, timeout time.Duration) (geored.Result, error) {
	t.Helper()
	task.Step = geored.Step{ID: "it", Target: "objects", Action: geored.Apply}
	book := geored.Runbook{Name: t.Name(), Stages: []geored.Stage{geored.StageOf("only", task)}}
	return book.Run(t.Context(), geored.RunConfig{StepTimeout: timeout, Poll: 100 * time.Millisecond})
}

func configMap(t *testing.T, c *kube.Cluster, namespace, name string) *corev1.ConfigMap {
	t.Helper()
	live, err := c.Client().CoreV1().ConfigMaps(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return live
}
