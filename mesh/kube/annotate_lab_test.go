//go:build lab

package kube_test

import (
	"context"
	"encoding/json"
	"maps"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// Who owns an annotation is what a real API server says: what a later task wants no more becomes what it was, and what somebody
// else wrote since stays.
func TestAnAnnotationThatIsNoLongerWantedOnARealSite(t *testing.T) {
	l := lab.Up(t)
	cluster, err := kube.Open("dc1", geored.KubeRef{Kubeconfig: l.Kubeconfig("dc1")})
	if err != nil {
		t.Fatal(err)
	}
	const a, b, c, d = "georedkit/test-a", "georedkit/test-b", "georedkit/test-c", "georedkit/test-d"
	keys := []string{a, b, c, d}
	write := func(ctx context.Context, annotations map[string]any) {
		t.Helper()
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
		if err == nil {
			_, err = cluster.Client().CoreV1().Nodes().Patch(ctx, "dc1-1", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "somebody"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { write(context.WithoutCancel(t.Context()), map[string]any{a: nil, b: nil, c: nil, d: nil}) })
	have := func(want map[string]string) {
		t.Helper()
		node, err := cluster.Client().CoreV1().Nodes().Get(t.Context(), "dc1-1", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, key := range keys {
			if value, ok := node.Annotations[key]; ok {
				got[key] = value
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	task := func(wanted map[string]string) geored.Task {
		return meshkube.AnnotateTask(cluster, step("annotate", "dc1"), "dc1-1", wanted)
	}
	apply := func(wanted map[string]string) {
		t.Helper()
		if err := task(wanted).Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	write(t.Context(), map[string]any{a: "1", b: "2"})
	apply(map[string]string{a: "x", b: "y", c: "z", d: "w"})
	have(map[string]string{a: "x", b: "y", c: "z", d: "w"})
	write(t.Context(), map[string]any{d: "somebody's"})
	for range 2 {
		apply(map[string]string{b: "y"})
		have(map[string]string{a: "1", b: "y", d: "somebody's"})
	}
	apply(map[string]string{a: "x", c: "z"})
	if err := task(map[string]string{b: "v"}).Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	have(map[string]string{a: "1", b: "2", d: "somebody's"})
}
