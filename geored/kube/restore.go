package kube

import (
	"context"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/georedkit/georedkit/geored"
)

// AsWritten is a copy of an object without what the server and its controllers keep of it: what is remembered before an
// object is changed, for [Cluster.Restore].
func AsWritten(live *Object) *Object {
	written := live.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"} {
		unstructured.RemoveNestedField(written.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(written.Object, "metadata", "annotations", "deployment.kubernetes.io/revision")
	if len(written.GetAnnotations()) == 0 {
		unstructured.RemoveNestedField(written.Object, "metadata", "annotations")
	}
	unstructured.RemoveNestedField(written.Object, "status")
	return written
}

// Restore brings objects back to what they were when [AsWritten] took them, in their order: one that is gone is made
// again, of another everything that was added since is taken away. It stops at the first error, which names its object; a
// change in between is geored.Retriable.
func (c *Cluster) Restore(ctx context.Context, objects ...*Object) error {
	for _, object := range objects {
		if err := c.restore(ctx, object); err != nil {
			return fmt.Errorf("restore %s: %w", describe(object), applyError(err))
		}
	}
	return nil
}

func (c *Cluster) restore(ctx context.Context, written *Object) error {
	resource, err := c.resource(ctx, written)
	if err != nil {
		return err
	}
	live, err := resource.Get(ctx, written.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = resource.Create(ctx, written.DeepCopy(), metav1.CreateOptions{FieldManager: FieldManager})
		return err
	}
	switch {
	case err != nil:
		return err
	case live.GetDeletionTimestamp() != nil:
		return errLeaving
	case unchanged(live, written):
		return nil
	}
	wanted := written.DeepCopy()
	wanted.SetResourceVersion(live.GetResourceVersion())
	wanted.SetUID(live.GetUID())
	_, err = resource.Update(ctx, wanted, metav1.UpdateOptions{FieldManager: FieldManager})
	return err
}

// Restored says whether all objects are as [AsWritten] took them, and ready; how many replicas a workload has does not count, as long
// as it has any. Its detail names the first that is not.
func (c *Cluster) Restored(ctx context.Context, objects ...*Object) (geored.State, error) {
	for _, object := range objects {
		live, there, err := c.Live(ctx, object)
		switch {
		case err != nil:
			return geored.State{}, err
		case !there:
			return geored.State{Detail: describe(object) + " is not there"}, nil
		case !unchanged(live, object):
			return geored.State{Detail: describe(object) + " is not what it was"}, nil
		}
	}
	return c.Ready(ctx, objects...)
}

func unchanged(live, written *Object) bool {
	is, was := AsWritten(live), AsWritten(written)
	if replicas(is) > 0 && replicas(was) > 0 { // how many is an autoscaler's to say, or a person's
		unstructured.RemoveNestedField(is.Object, "spec", "replicas")
		unstructured.RemoveNestedField(was.Object, "spec", "replicas")
	}
	return reflect.DeepEqual(is.Object, was.Object)
}

// replicas are those that an object asks for; zero: it asks for none, or does not say.
func replicas(object *Object) int64 {
	n, _, _ := unstructured.NestedInt64(object.Object, "spec", "replicas")
	return n
}
