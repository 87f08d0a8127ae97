package kube

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery/cached/memory"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/restmapper"
	k8stesting "k8s.io/client-go/testing"

	"github.com/georedkit/georedkit/geored"
)

// writable is a cluster in memory with ConfigMaps, and what was written to it.
type writable struct {
	*Cluster
	client *dynamicfake.FakeDynamicClient
	t      *testing.T
}

func newWritable(t *testing.T, live ...runtime.Object) *writable {
	t.Helper()
	typed := fake.NewClientset()
	typed.Resources = []*metav1.APIResourceList{{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "configmaps", Namespaced: true, Kind: "ConfigMap"}}}}
	client := dynamicfake.NewSimpleDynamicClient(scheme.Scheme, live...)
	return &writable{&Cluster{site: "dc1", client: typed, dynamic: client, mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(typed.Discovery()))}, client, t}
}

// written are the verbs and names of what was changed, in order.
func (w *writable) written() string {
	var all []string
	for _, action := range w.client.Actions() {
		switch a := action.(type) {
		case k8stesting.CreateActionImpl:
			all = append(all, "create "+accessor(a.Object).GetName())
		case k8stesting.UpdateActionImpl:
			all = append(all, "update "+accessor(a.Object).GetName())
		}
	}
	return strings.Join(all, ", ")
}

func accessor(o runtime.Object) metav1.Object { return o.(metav1.Object) }

// refuses has every write of one verb end so.
func (w *writable) refuses(verb string, err error) {
	w.client.PrependReactor(verb, "configmaps", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, err })
}

func settings(name string, change func(*corev1.ConfigMap)) *corev1.ConfigMap {
	m := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, Data: map[string]string{"colour": "blue"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "app", Name: name, UID: "first", ResourceVersion: "7", Generation: 2, Annotations: map[string]string{"deployment.kubernetes.io/revision": "3"}}}
	if change != nil {
		change(m)
	}
	return m
}

// asWritten is the object as it was before anybody changed it.
func asWritten(t *testing.T, names ...string) (written []*Object) {
	t.Helper()
	for _, name := range names {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(settings(name, nil))
		if err != nil {
			t.Fatal(err)
		}
		written = append(written, AsWritten(&Object{Object: content}))
	}
	return written
}

func TestAsWrittenLeavesOutWhatTheServerKeeps(t *testing.T) {
	text, err := asWritten(t, "it")[0].MarshalJSON()
	if err != nil || strings.TrimSpace(string(text)) != `{"apiVersion":"v1","data":{"colour":"blue"},"kind":"ConfigMap","metadata":{"name":"it","namespace":"app"}}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestRestoreBringsBackWhatWas(t *testing.T) {
	red := func(m *corev1.ConfigMap) {
		m.Data["colour"], m.Data["added"], m.Labels = "red", "since", map[string]string{"theirs": "too"}
		m.UID, m.ResourceVersion = "second", "9"
	}
	for name, c := range map[string]struct {
		live  []runtime.Object
		wrote string
	}{
		"as it was": {[]runtime.Object{settings("it", nil)}, ""},
		"changed":   {[]runtime.Object{settings("it", red)}, "update it"},
		"gone":      {nil, "create it"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWritable(t, c.live...)
			written := asWritten(t, "it")
			before, err := w.Restored(t.Context(), written...)
			if err != nil || before.Done != (c.wrote == "") {
				t.Errorf("before: %+v, %v", before, err)
			}
			if err := w.Restore(t.Context(), written...); err != nil || w.written() != c.wrote {
				t.Errorf("wrote %q, %v", w.written(), err)
			}
			if after, err := w.Restored(t.Context(), written...); err != nil || !after.Done {
				t.Errorf("after: %+v, %v", after, err)
			}
			live, _, err := w.Live(t.Context(), written[0])
			if err != nil || !unchanged(live, written[0]) {
				t.Errorf("%v, %v", live, err)
			}
		})
	}
}

// An autoscaler changes how many replicas a workload has; that it has none is another thing.
func TestReplicasAreTheAutoscalers(t *testing.T) {
	workload := func(replicas any, image string) *Object {
		spec := map[string]any{"image": image}
		if replicas != nil {
			spec["replicas"] = replicas
		}
		return &Object{Object: map[string]any{"kind": "Deployment", "metadata": map[string]any{"name": "dns"}, "spec": spec}}
	}
	for name, c := range map[string]struct {
		live *Object
		want bool
	}{
		"as it was":         {workload(int64(2), "a"), true},
		"scaled up":         {workload(int64(5), "a"), true},
		"scaled to nothing": {workload(int64(0), "a"), false},
		"another image":     {workload(int64(5), "b"), false},
	} {
		if got := unchanged(c.live, workload(int64(2), "a")); got != c.want {
			t.Errorf("%s: unchanged %t", name, got)
		}
		if c.live.Object["spec"].(map[string]any)["replicas"] == nil {
			t.Errorf("%s: the object itself was changed", name)
		}
	}
}

// An update is of the very object that was read: not of one that took its place meanwhile.
func TestRestoreUpdatesTheObjectThatItRead(t *testing.T) {
	w := newWritable(t, settings("it", func(m *corev1.ConfigMap) { m.Data["colour"], m.UID, m.ResourceVersion = "red", "second", "9" }))
	if err := w.Restore(t.Context(), asWritten(t, "it")...); err != nil {
		t.Fatal(err)
	}
	for _, action := range w.client.Actions() {
		if update, ok := action.(k8stesting.UpdateActionImpl); ok {
			if object := accessor(update.Object); object.GetUID() != "second" || object.GetResourceVersion() != "9" {
				t.Errorf("updates %s at %s", object.GetUID(), object.GetResourceVersion())
			}
			return
		}
	}
	t.Error("nothing was updated")
}

func TestRestoreStopsAtTheFirstError(t *testing.T) {
	kind := schema.GroupResource{Resource: "configmaps"}
	now := metav1.Now()
	red := func(m *corev1.ConfigMap) { m.Data["colour"] = "red" }
	for name, c := range map[string]struct {
		spoil     func(*writable)
		live      func(*corev1.ConfigMap)
		want      string
		retriable bool
	}{
		"somebody was faster": {func(w *writable) { w.refuses("update", apierrors.NewConflict(kind, "a", errors.New("it was changed"))) }, red, "restore configmap app/a: ", true},
		"it may not":          {func(w *writable) { w.refuses("update", apierrors.NewForbidden(kind, "a", errors.New("no"))) }, red, "restore configmap app/a: ", false},
		"it is on its way out": {func(*writable) {}, func(m *corev1.ConfigMap) { m.DeletionTimestamp, m.Finalizers = &now, []string{"x/y"} },
			"restore configmap app/a: it is still being deleted", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWritable(t, settings("a", c.live))
			c.spoil(w)
			err := w.Restore(t.Context(), asWritten(t, "a", "b")...)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || geored.IsRetriable(err) != c.retriable || strings.Contains(w.written(), " b") {
				t.Errorf("%v, retriable %v, wrote %q", err, geored.IsRetriable(err), w.written())
			}
			if state, err := w.Restored(t.Context(), asWritten(t, "a", "b")...); err != nil || state.Done {
				t.Errorf("%+v, %v", state, err)
			}
		})
	}
	w := newWritable(t)
	w.refuses("get", context.DeadlineExceeded)
	if err := w.Restore(t.Context(), asWritten(t, "a")...); err == nil || w.written() != "" {
		t.Errorf("%v, wrote %q", err, w.written())
	}
	if state, err := w.Restored(t.Context(), asWritten(t, "a")...); err == nil || state.Done {
		t.Errorf("a server that does not answer: %+v, %v", state, err)
	}
}
