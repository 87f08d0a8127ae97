package kube

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/dynamic"

	"github.com/georedkit/georedkit/geored"
)

// ApplyTask is a task that applies objects, in their order, and is done when each is as it is wanted and ready (see
// [Cluster.State]). Two tasks must not apply one object with different fields: each would take away what the other wants.
func (c *Cluster) ApplyTask(step geored.Step, objects ...*Object) geored.Task {
	return geored.Task{
		Step:    step,
		Observe: func(ctx context.Context) (geored.State, error) { return c.State(ctx, objects...) },
		Apply:   func(ctx context.Context) error { return c.Apply(ctx, objects...) },
	}
}

// Apply sends objects to the server, in their order, which takes over the fields they name (server-side apply). It stops
// at the first error, which names its object; those before it are applied. Conflicts, time-outs and broken connections
// are geored.Retriable.
func (c *Cluster) Apply(ctx context.Context, objects ...*Object) error {
	for _, object := range objects {
		if _, err := c.apply(ctx, object); err != nil {
			return fmt.Errorf("%s: %w", describe(object), retriable(err))
		}
	}
	return nil
}

// Delete removes objects, the last one first, and does not wait for them to be gone. One that is not there is no error.
func (c *Cluster) Delete(ctx context.Context, objects ...*Object) error {
	var errs []error
	for i := len(objects) - 1; i >= 0; i-- {
		resource, err := c.resource(objects[i])
		if err == nil {
			background := metav1.DeletePropagationBackground
			err = resource.Delete(ctx, objects[i].GetName(), metav1.DeleteOptions{PropagationPolicy: &background})
		}
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("%s: %w", describe(objects[i]), retriable(err)))
		}
	}
	return errors.Join(errs...)
}

// State says whether all objects are there, as they are wanted (by a dry run of applying them) and ready. Its detail
// names the first that is not, and why.
func (c *Cluster) State(ctx context.Context, objects ...*Object) (geored.State, error) {
	for _, object := range objects {
		reason, err := c.missing(ctx, object)
		if err != nil {
			return geored.State{}, fmt.Errorf("%s: %w", describe(object), err)
		}
		if reason != "" {
			return geored.State{Detail: describe(object) + " " + reason}, nil
		}
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("%d objects as wanted and ready", len(objects))}, nil
}

// missing says what an object still lacks; nothing when it is as wanted and ready.
func (c *Cluster) missing(ctx context.Context, wanted *Object) (string, error) {
	resource, err := c.resource(wanted)
	if meta.IsNoMatchError(err) {
		return "is of a kind that the server does not know yet", nil
	}
	if err != nil {
		return "", err
	}
	live, err := resource.Get(ctx, wanted.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "is not there", nil
	}
	if err != nil {
		return "", err
	}
	if live.GetDeletionTimestamp() != nil {
		return "is being deleted", nil
	}
	applied, err := c.apply(ctx, wanted, metav1.DryRunAll)
	if apierrors.IsNotFound(err) {
		return "is not there", nil // its namespace went meanwhile
	}
	if err != nil {
		return "", err
	}
	if !reflect.DeepEqual(comparable(live), comparable(applied)) {
		return "is not as wanted", nil
	}
	return c.notReady(ctx, live)
}

// comparable is an object without what changes by itself.
func comparable(o *Object) map[string]any {
	o = o.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "generation"} {
		unstructured.RemoveNestedField(o.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(o.Object, "status")
	return o.Object
}

func (c *Cluster) apply(ctx context.Context, object *Object, dryRun ...string) (*Object, error) {
	resource, err := c.resource(object)
	if err != nil {
		return nil, err
	}
	return resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: FieldManager, Force: true, DryRun: dryRun})
}

// resource finds where objects of this kind live. The server is asked again for a kind that was not there: it may be a
// custom one that came meanwhile.
func (c *Cluster) resource(object *Object) (dynamic.ResourceInterface, error) {
	kind := object.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		c.mapper.Reset()
		mapping, err = c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return c.dynamic.Resource(mapping.Resource), nil
	}
	if object.GetNamespace() == "" {
		return nil, errors.New("needs a namespace")
	}
	return c.dynamic.Resource(mapping.Resource).Namespace(object.GetNamespace()), nil
}

// retriable marks what another try may heal.
func retriable(err error) error {
	switch {
	case apierrors.IsConflict(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsTooManyRequests(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err), meta.IsNoMatchError(err),
		utilnet.IsConnectionRefused(err), utilnet.IsConnectionReset(err), utilnet.IsTimeout(err), utilnet.IsHTTP2ConnectionLost(err), utilnet.IsProbableEOF(err):
		return geored.Retriable(err)
	}
	return err
}
