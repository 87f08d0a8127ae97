//go:build lab

package kube_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

func TestDriftIsSeenAndHealed(t *testing.T) {
	_, c, namespace := site(t)
	wanted := read(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: %s, name: it}, data: {a: wanted}}", namespace)
	see := state(t, c, wanted)
	await(t, see, "done: false, configmap "+namespace+"/it is not there, error: <nil>")

	apply(t, c, wanted)
	await(t, see, "done: true")

	// kubectl edit by somebody else, who also adds a field of his own.
	somebody := metav1.PatchOptions{FieldManager: "somebody"}
	patch := []byte(`{"data":{"a":"changed","b":"of somebody else"}}`)
	if _, err := c.Client().CoreV1().ConfigMaps(namespace).Patch(t.Context(), "it", types.MergePatchType, patch, somebody); err != nil {
		t.Fatal(err)
	}
	await(t, see, "done: false", "is not as wanted")
	if got := configMap(t, c, namespace, "it").Data["a"]; got != "changed" {
		t.Fatalf("observing changed it to %q", got)
	}

	apply(t, c, wanted)
	await(t, see, "done: true")
	if got := configMap(t, c, namespace, "it").Data; got["a"] != "wanted" || got["b"] != "of somebody else" {
		t.Errorf("healed to %v, want the own field back and the other's left", got)
	}
}

func TestAFieldOfAnotherManagerIsTakenOver(t *testing.T) {
	_, c, namespace := site(t)
	wanted := read(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: %s, name: it}, data: {a: ours}}", namespace)
	theirs := []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"it"},"data":{"a":"theirs"}}`)
	put := func() error {
		_, err := c.Client().CoreV1().ConfigMaps(namespace).Patch(t.Context(), "it", types.ApplyPatchType, theirs, metav1.PatchOptions{FieldManager: "argocd"})
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	await(t, state(t, c, wanted), "done: false", "is not as wanted")
	apply(t, c, wanted)
	await(t, state(t, c, wanted), "done: true")
	if err := put(); err == nil || !strings.Contains(err.Error(), kube.FieldManager) {
		t.Errorf("the other manager was not told who owns the field now: %v", err)
	}
}

func TestAFieldThatIsNoLongerWantedGoes(t *testing.T) {
	_, c, namespace := site(t)
	apply(t, c, read(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: %s, name: it}, data: {a: x, b: z}}", namespace))
	less := read(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: %s, name: it}, data: {a: x}}", namespace)
	await(t, state(t, c, less), "done: false", "is not as wanted")
	apply(t, c, less)
	if got := configMap(t, c, namespace, "it").Data; len(got) != 1 {
		t.Errorf("data %v", got)
	}
}

const customKind = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.test.georedkit}
spec:
  group: test.georedkit
  names: {kind: Widget, plural: widgets}
  scope: Namespaced
  versions:
  - {name: v1, served: true, storage: true, subresources: {status: {}}, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
---
apiVersion: test.georedkit/v1
kind: Widget
metadata: {namespace: %s, name: it}
spec: {size: 3}
`

func TestAKindAndItsResourceInOneList(t *testing.T) {
	_, c, namespace := site(t)
	objects := read(t, customKind, namespace)
	await(t, state(t, c, objects[1:]), "done: false", "is of a kind that the server does not know yet")
	t.Cleanup(func() {
		if err := c.Delete(context.WithoutCancel(t.Context()), objects...); err != nil {
			t.Error(err)
		}
	})
	if result, err := run(t, c.ApplyTask(geored.Step{}, objects...), 5*time.Minute); err != nil {
		t.Fatalf("%v: %+v", err, result)
	}
	await(t, state(t, c, objects), "done: true")
	if err := c.Delete(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
	await(t, state(t, c, objects[1:]), "done: false")
	if err := c.Delete(t.Context(), objects...); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
}

func TestWhatIsBeingDeletedIsAwaitedAndMadeAnew(t *testing.T) {
	_, c, namespace := site(t)
	name := namespace + "-leaving"
	objects := read(t, `
{apiVersion: v1, kind: Namespace, metadata: {name: %s}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {namespace: %[1]s, name: it, finalizers: [test.georedkit/hold]}, data: {a: x}}
`, name)
	apply(t, c, objects)
	t.Cleanup(func() { release(t, c, name, objects) })
	if err := c.Delete(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
	await(t, state(t, c, objects), "done: false, namespace "+name+" is being deleted, error: <nil>")
	if err := c.Apply(t.Context(), objects...); !geored.IsRetriable(err) || !strings.Contains(err.Error(), "namespace "+name+": it is still being deleted") {
		t.Errorf("applied to a namespace that goes away: %v", err)
	}
	other := read(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: %s, name: other}}", name)
	await(t, state(t, c, other), "done: false", "is not there, error: <nil>")
	if err := c.Apply(t.Context(), other...); !geored.IsRetriable(err) || !strings.Contains(err.Error(), "being terminated") {
		t.Errorf("applied into a namespace that goes away: %v", err)
	}
	before := configMap(t, c, name, "it").UID
	go func() {
		time.Sleep(time.Second)
		unhold(c, name)
	}()
	objects[1].SetFinalizers(nil)
	if result, err := run(t, c.ApplyTask(geored.Step{}, objects...), 5*time.Minute); err != nil {
		t.Fatalf("%v: %+v", err, result)
	}
	if after := configMap(t, c, name, "it").UID; after == before {
		t.Error("it is still the old one")
	}
}

func unhold(c *kube.Cluster, namespace string) {
	_, _ = c.Client().CoreV1().ConfigMaps(namespace).Patch(context.Background(), "it", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
}

func release(t *testing.T, c *kube.Cluster, namespace string, objects []*kube.Object) {
	unhold(c, namespace)
	if err := c.Delete(context.WithoutCancel(t.Context()), objects...); err != nil {
		t.Error(err)
	}
}

// as is the cluster seen by a user with the rights that a rule grants.
func as(t *testing.T, l string, user string) *kube.Cluster {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", l)
	if err != nil {
		t.Fatal(err)
	}
	config.Impersonate = rest.ImpersonationConfig{UserName: user}
	c, err := kube.New("dc1", config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhoMayNotIsToldWhat(t *testing.T) {
	l, admin, namespace := site(t)
	wanted := read(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: %s, name: it}}", namespace)
	apply(t, admin, wanted)
	nobody := as(t, l.Kubeconfig("dc1"), "nobody-in-particular")
	for verb, try := range map[string]func() error{
		"get":    func() error { _, err := nobody.State(t.Context(), wanted...); return err },
		"patch":  func() error { return nobody.Apply(t.Context(), wanted...) },
		"delete": func() error { return nobody.Delete(t.Context(), wanted...) },
		"list":   func() error { _, err := nobody.Nodes(t.Context()); return err },
		"create": func() error {
			_, err := nobody.Exec(t.Context(), kube.Command{Namespace: namespace, Pod: "it", Argv: []string{"true"}})
			return err
		},
	} {
		err := try()
		if err == nil || !strings.Contains(err.Error(), "cannot "+verb+" resource") {
			t.Errorf("%s: %v", verb, err)
			continue
		}
		if geored.IsRetriable(err) {
			t.Errorf("%s: %v: is retriable", verb, err)
		}
		if verb != "list" && !strings.Contains(err.Error(), namespace+"/it") {
			t.Errorf("%s: %v: does not name the object", verb, err)
		}
	}
}

func TestWhatCannotBecomeAsWantedEndsTheTask(t *testing.T) {
	_, c, namespace := site(t)
	basePod(t, c, namespace, "it")
	other := read(t, `
apiVersion: v1
kind: Pod
metadata: {namespace: %s, name: it}
spec: {containers: [{name: main, image: 'localhost/lab/base:1', args: [sleep, "1"]}]}
`, namespace)
	await(t, state(t, c, other), "done: false", "cannot become as wanted", "error: <nil>")
	if result, err := run(t, c.ApplyTask(geored.Step{}, other...), 5*time.Minute); err == nil || errors.Is(err, geored.ErrBudget) {
		t.Errorf("%v: %+v", err, result)
	}
}

func TestASiteThatHangsIsAnErrorInTime(t *testing.T) {
	l, c, namespace := site(t)
	wanted := read(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: %s, name: it}}", namespace)
	apply(t, c, wanted)
	await(t, state(t, c, wanted), "done: true")
	basePod(t, c, namespace, "shell")
	fresh, err := kube.Open("dc1", geored.KubeRef{Kubeconfig: l.Kubeconfig("dc1")}) // it has yet to learn the server's kinds
	if err != nil {
		t.Fatal(err)
	}
	for name, fault := range map[string][]string{"paused API server": {"pause", "dc1", "kube-apiserver"}, "frozen site": {"freeze", "dc1"}} {
		t.Run(name, func(t *testing.T) {
			l.Fault(fault[0], fault[1:]...)
			defer l.Mend()
			for name, try := range map[string]func(context.Context) error{
				"state": func(ctx context.Context) error {
					s, err := c.State(ctx, wanted...)
					if s.Done {
						t.Error("done, said a site that hangs")
					}
					return err
				},
				"state, kinds unknown": func(ctx context.Context) error { _, err := fresh.State(ctx, wanted...); return err },
				"apply":                func(ctx context.Context) error { return c.Apply(ctx, wanted...) },
				"nodes":                func(ctx context.Context) error { _, err := c.Nodes(ctx); return err },
				"exec": func(ctx context.Context) error {
					_, err := c.Exec(ctx, kube.Command{Namespace: namespace, Pod: "shell", Argv: []string{"true"}})
					return err
				},
			} {
				if err := within(t, time.Second, try); err == nil {
					t.Errorf("%s: no error", name)
				}
			}
		})
		await(t, state(t, c, wanted), "done: true")
		await(t, state(t, fresh, wanted), "done: true")
	}
}

// within runs f under a time limit. That it comes back at all is what is tested: ten times the limit is long enough
// for any machine.
func within(t *testing.T, limit time.Duration, f func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-time.After(10 * limit):
		t.Error("pays no heed to its context")
		return context.DeadlineExceeded
	}
}
