package kube_test

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/georedkit/georedkit/geored/kube"
)

func TestTypedObjectsHoldWhatIsWantedAndNoMore(t *testing.T) {
	objects, err := kube.Objects(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "it", Labels: map[string]string{"a": ""}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "cm"}, Data: map[string]string{"empty": ""}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		`{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"a":""},"name":"it","namespace":"ns"},"spec":{"containers":[{"name":"main","resources":{}}]}}`,
		`{"apiVersion":"v1","data":{"empty":""},"kind":"ConfigMap","metadata":{"name":"cm"}}`,
	} {
		if got, err := json.Marshal(objects[i]); err != nil || string(got) != want {
			t.Errorf("%s, %v\nwant %s", got, err, want)
		}
	}
}

func TestAnObjectOfNoKnownTypeIsAnError(t *testing.T) {
	if _, err := kube.Objects(&corev1.Pod{}, &runtime.Unknown{}); err == nil || !strings.Contains(err.Error(), "object 1") {
		t.Errorf("%v", err)
	}
}

const manifests = `
# a comment before
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {nothing: null, text: "---"}
---
---
# nothing but a comment
---
{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "namespace": "ns"}}
`

func TestReadObjects(t *testing.T) {
	objects, err := kube.ReadObjects([]byte(manifests))
	if err != nil || len(objects) != 2 || objects[0].GetName() != "a" || objects[1].GetNamespace() != "ns" {
		t.Fatalf("%v, %v", objects, err)
	}
	if none, err := kube.ReadObjects(nil); err != nil || len(none) != 0 {
		t.Errorf("of nothing: %v, %v", none, err)
	}
}

func TestManifestsThatCannotBeRead(t *testing.T) {
	good := "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n"
	for name, c := range map[string]struct{ text, want string }{
		"no kind":       {good + "{apiVersion: v1, metadata: {name: a}}", "document 2: an object needs"},
		"no name":       {good + "{apiVersion: v1, kind: ConfigMap}", "document 2: an object needs"},
		"no version":    {good + "{kind: ConfigMap, metadata: {name: a}}", "document 2: an object needs"},
		"a list":        {good + "[1, 2]", "document 2: "},
		"a text":        {good + "hello", "document 2: "},
		"broken":        {good + "{", "document 2: "},
		"kind a number": {good + "{apiVersion: v1, kind: 1, metadata: {name: a}}", "document 2: an object needs"},
		"a doubled key": {good + "apiVersion: v1\nkind: ConfigMap\nkind: Secret\nmetadata: {name: a}", "document 2: "},
		"a kind: List":  {good + "{apiVersion: v1, kind: List, items: []}", "document 2: an object needs"},
	} {
		if objects, err := kube.ReadObjects([]byte(c.text)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", name, objects, err)
		}
	}
}

func FuzzReadObjects(f *testing.F) {
	f.Add([]byte(manifests))
	f.Add([]byte("{apiVersion: v1, kind: List, metadata: {name: x}, items: [{a: [null, {b: null}]}]}"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		objects, err := kube.ReadObjects(text)
		if err != nil {
			return
		}
		// What was read can be sent, and reads as the same.
		var all []byte
		for _, o := range objects {
			line, err := json.Marshal(o)
			if err != nil {
				t.Fatalf("%v cannot be sent: %v", o, err)
			}
			all = append(append(all, line...), "\n---\n"...)
		}
		again, err := kube.ReadObjects(all)
		if err != nil || len(again) != len(objects) {
			t.Fatalf("%d objects, again %d, %v: %s", len(objects), len(again), err, all)
		}
	})
}
