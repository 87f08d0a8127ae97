//go:build lab

package kube_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

func takeBack(t *testing.T, c *kube.Cluster, j geored.Journal, objects []*kube.Object, undo bool) (geored.Result, error) {
	t.Helper()
	task := c.ApplyTask(geored.Step{ID: "it", Target: "objects", Action: geored.Apply}, objects...)
	book := geored.Runbook{Name: t.Name(), Stages: []geored.Stage{geored.StageOf("only", task)}}
	config := geored.RunConfig{Poll: 100 * time.Millisecond, Journal: j}
	if undo {
		return book.Undo(t.Context(), config)
	}
	return book.Run(t.Context(), config)
}

const takenBack = `
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: v1
kind: ConfigMap
metadata: {namespace: %[1]s, name: it}
data: {colour: blue}
---
apiVersion: v1
kind: Pod
metadata: {namespace: %[1]s, name: main}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: 'localhost/lab/base:1'}]
`

func TestObjectsAreTakenBack(t *testing.T) {
	_, clusters := both(t)
	c, namespace, j := clusters[0], name("back"), &geored.MemoryJournal{}
	objects := read(t, takenBack, namespace)
	if _, err := takeBack(t, c, j, objects, false); err != nil {
		t.Fatal(err)
	}
	if state, err := c.Gone(t.Context(), objects...); err != nil || state.Done || state.Detail != "namespace "+namespace+" is still there" {
		t.Errorf("%+v, %v", state, err)
	}
	result, err := takeBack(t, c, j, objects, true)
	if err != nil || result.Outcomes[0].Status != geored.Undone {
		t.Fatalf("%+v, %v", result.Outcomes, err)
	}
	if state, err := c.Gone(t.Context(), objects...); err != nil || !state.Done {
		t.Errorf("%+v, %v", state, err)
	}
	if err := c.TakeBack(t.Context(), objects...); err != nil {
		t.Errorf("what is not there: %v", err)
	}
}

// What somebody else has a hand in stays, and the error says whose it is.
func TestWhatIsNotOursStays(t *testing.T) {
	_, clusters := both(t)
	c, namespace, j := clusters[0], name("back"), &geored.MemoryJournal{}
	objects := read(t, takenBack, namespace)
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() { _ = c.Delete(ctx, objects[0]) })
	if _, err := takeBack(t, c, j, objects, false); err != nil {
		t.Fatal(err)
	}
	client := c.Client().CoreV1()
	patch := func(colour string) {
		if _, err := client.ConfigMaps(namespace).Patch(t.Context(), "it", types.MergePatchType, []byte(fmt.Sprintf(`{"data":{"theirs":%s}}`, colour)), metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
			t.Fatal(err)
		}
	}
	patch(`"red"`)
	if _, err := takeBack(t, c, j, objects, true); err == nil || !strings.Contains(err.Error(), `take back configmap `+namespace+`/it: it has fields of ["kubectl-edit"]`) {
		t.Errorf("%v", err)
	}
	if live := configMap(t, c, namespace, "it"); live.Data["colour"] != "blue" {
		t.Error("it was taken away")
	}
	patch("null")
	stopped := "spec: {replicas: 0, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: none}]}}}"
	for kind, text := range map[string]string{"secret": "apiVersion: v1\nkind: Secret\nmetadata: {namespace: %s, name: theirs}",
		"deployment": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {namespace: %s, name: theirs}\n" + stopped} {
		others := read(t, text, namespace)
		apply(t, c, others)
		if _, err := takeBack(t, c, j, objects, true); err == nil || !strings.Contains(err.Error(), "take back namespace "+namespace+": it still holds "+kind+" theirs") {
			t.Errorf("%v", err)
		}
		if err := c.Delete(t.Context(), others...); err != nil {
			t.Fatal(err)
		}
	}
	if result, err := takeBack(t, c, j, objects, true); err != nil || result.Outcomes[0].Status != geored.Undone {
		t.Errorf("%+v, %v", result.Outcomes, err)
	}
}
