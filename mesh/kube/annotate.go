package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// AnnotatedBefore is the annotation that remembers what others were before [AnnotateTask] wrote over them: a JSON object,
// null for one that was not there.
const AnnotatedBefore = "georedkit/annotated-before"

// AnnotateTask is a task that writes annotations on a node, such as those of [kilo.Annotations], over what was there. Taken
// back, they are what they were. Two tasks must not annotate one node: each would take away what the other wrote.
func AnnotateTask(c *kube.Cluster, step geored.Step, node string, annotations map[string]string) geored.Task {
	n := annotated{c, node, annotations}
	return kube.Retrying(geored.Task{Step: step, Observe: n.observe, Apply: n.apply, Undo: n.undo, Gone: n.gone})
}

type annotated struct {
	cluster *kube.Cluster
	node    string
	wanted  map[string]string
}

func (n annotated) live(ctx context.Context) (*corev1.Node, error) {
	return n.cluster.Client().CoreV1().Nodes().Get(ctx, n.node, metav1.GetOptions{})
}

func (n annotated) observe(ctx context.Context) (geored.State, error) {
	live, err := n.live(ctx)
	if err != nil {
		return geored.State{}, err
	}
	for _, key := range sortedKeys(n.wanted) {
		if got, ok := live.Annotations[key]; !ok || got != n.wanted[key] {
			return geored.State{Detail: fmt.Sprintf("node %s: %s is %q instead of %q", n.node, key, got, n.wanted[key])}, nil
		}
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("node %s has its %d annotations", n.node, len(n.wanted))}, nil
}

// apply remembers what was there together with writing over it: one is never without the other.
func (n annotated) apply(ctx context.Context) error {
	live, err := n.live(ctx)
	if err != nil {
		return err
	}
	before, err := n.before(live)
	if err != nil {
		return err
	}
	text, err := json.Marshal(before)
	if err != nil {
		return err
	}
	written := maps.Clone(n.wanted)
	for key, value := range n.dropped(live, before) {
		if value != nil { // what nobody owns any more goes by itself
			written[key] = *value
		}
	}
	written[AnnotatedBefore] = string(text)
	object := &kube.Object{Object: map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": n.node}}}
	object.SetAnnotations(written)
	return n.cluster.Apply(ctx, object)
}

// before is what the node's annotations were; what was remembered earlier is older.
func (n annotated) before(live *corev1.Node) (map[string]*string, error) {
	before := map[string]*string{}
	if text, ok := live.Annotations[AnnotatedBefore]; ok {
		if err := json.Unmarshal([]byte(text), &before); err != nil {
			return nil, fmt.Errorf("node %s: annotation %s: %w", n.node, AnnotatedBefore, err)
		}
		if before == nil {
			return nil, fmt.Errorf("node %s: annotation %s is %s: it must name what the annotations were; if they were none, write {}", n.node, AnnotatedBefore, text)
		}
	}
	for key := range n.wanted {
		if _, known := before[key]; known {
			continue
		}
		before[key] = nil
		if value, ok := live.Annotations[key]; ok {
			before[key] = &value
		}
	}
	return before, nil
}

// dropped are the annotations that are not wanted any more and still this package's, with what they were before.
func (n annotated) dropped(live *corev1.Node, before map[string]*string) map[string]*string {
	dropped := map[string]*string{}
	for key, value := range before {
		if _, wanted := n.wanted[key]; !wanted && applied(live, key) {
			dropped[key] = value
		}
	}
	return dropped
}

// applied says whether an annotation is as this package applied it last: who writes another value takes it over.
func applied(live *corev1.Node, key string) bool {
	for _, entry := range live.ManagedFields {
		if entry.Manager != kube.FieldManager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Metadata struct {
				Annotations map[string]json.RawMessage `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if err := json.Unmarshal(entry.FieldsV1.Raw, &fields); err != nil {
			continue // what cannot be read is not known to be ours
		}
		if _, ok := fields.Metadata.Annotations["f:"+key]; ok {
			return true
		}
	}
	return false
}

// undo leaves alone what somebody else wrote since.
func (n annotated) undo(ctx context.Context) error {
	live, err := n.live(ctx)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, ok := live.Annotations[AnnotatedBefore]; !ok {
		return fmt.Errorf("node %s: annotation %s is not there: what the others were before is not known", n.node, AnnotatedBefore)
	}
	before, err := n.before(live)
	if err != nil {
		return err
	}
	back := map[string]any{AnnotatedBefore: nil}
	for key, value := range n.wanted {
		if live.Annotations[key] == value {
			back[key] = before[key]
		}
	}
	for key, value := range n.dropped(live, before) {
		back[key] = value
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": back, "resourceVersion": live.ResourceVersion}})
	if err != nil {
		return err
	}
	_, err = n.cluster.Client().CoreV1().Nodes().Patch(ctx, n.node, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: kube.FieldManager})
	if apierrors.IsConflict(err) {
		return geored.Retriable(err) // the kubelet writes there too
	}
	return err
}

// gone: nothing is remembered any more, and what is not remembered was not written here. A node that is gone took its
// annotations along.
func (n annotated) gone(ctx context.Context) (geored.State, error) {
	live, err := n.live(ctx)
	if apierrors.IsNotFound(err) {
		return geored.State{Done: true, Detail: "node " + n.node + " is gone"}, nil
	}
	if err != nil {
		return geored.State{}, err
	}
	if _, ok := live.Annotations[AnnotatedBefore]; ok {
		return geored.State{Detail: "node " + n.node + " has the annotations that were written"}, nil
	}
	if state, err := n.observe(ctx); err == nil && state.Done {
		return geored.State{Detail: state.Detail + ", and nothing says what they were before"}, nil
	}
	return geored.State{Done: true, Detail: "the annotations of node " + n.node + " are what they were"}, nil
}
