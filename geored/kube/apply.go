package kube

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/georedkit/georedkit/geored"
)

// ApplyTask is a task that applies objects, in their order, and is done when each is as it is wanted and ready (see
// [Cluster.State]); it takes back what [Cluster.TakeBack] does. Plan its step by [Cluster.Planned]. Two tasks must not apply one object with different fields: each would take away what the other wants.
func (c *Cluster) ApplyTask(step geored.Step, objects ...*Object) geored.Task {
	return geored.Task{
		Step:    step,
		Observe: func(ctx context.Context) (geored.State, error) { return c.State(ctx, objects...) },
		Apply:   func(ctx context.Context) error { return c.Apply(ctx, objects...) },
		Undo:    func(ctx context.Context) error { return c.TakeBack(ctx, objects...) },
		Gone:    func(ctx context.Context) (geored.State, error) { return c.Gone(ctx, objects...) },
	}
}

// Apply sends objects to the server, in their order, which takes over the fields they name (server-side apply) and drops
// those that an earlier call named and this one does not. It stops at the first error, which names its object; those
// before it are applied. Conflicts, time-outs, broken connections and what waits for something else, such as a namespace
// that is being deleted, are geored.Retriable.
func (c *Cluster) Apply(ctx context.Context, objects ...*Object) error {
	for _, object := range objects {
		applied, err := c.apply(ctx, object)
		if err == nil && applied.GetDeletionTimestamp() != nil {
			err = errLeaving
		}
		if err != nil {
			return fmt.Errorf("apply %s: %w", describe(object), applyError(err))
		}
	}
	return nil
}

// errLeaving: the server takes changes of an object that is being deleted, and deletes it all the same.
var errLeaving = geored.Retriable(errors.New("it is still being deleted"))

// applyError adds to what is retriable: what an object needs may be on its way, or on its way out.
func applyError(err error) error {
	if apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || lacksAccount(err) {
		return geored.Retriable(err)
	}
	return retriable(err)
}

// lacksAccount is a pod refused for want of its service account: a new namespace gets its "default" a moment later
// (Kubernetes plugin/pkg/admission/serviceaccount, which has words for it alone and no cause).
func lacksAccount(err error) bool {
	text := err.Error()
	return apierrors.IsForbidden(err) && strings.Contains(text, "error looking up service account") && strings.HasSuffix(text, "not found")
}

// Delete removes objects, the last one first, and does not wait for them to be gone. One that is not there, or whose
// kind is not, is no error.
func (c *Cluster) Delete(ctx context.Context, objects ...*Object) error {
	var errs []error
	for i := len(objects) - 1; i >= 0; i-- {
		resource, err := c.resource(ctx, objects[i])
		if err == nil {
			background := metav1.DeletePropagationBackground
			err = resource.Delete(ctx, objects[i].GetName(), metav1.DeleteOptions{PropagationPolicy: &background})
		}
		if err != nil && !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err) {
			errs = append(errs, fmt.Errorf("delete %s: %w", describe(objects[i]), retriable(err)))
		}
	}
	return errors.Join(errs...)
}

// State says whether all objects are there, as they are wanted (by a dry run of applying them) and ready. Its detail
// names the first that is not, and why. It costs two calls per object, and for one that is not ready up to two more. The
// error names the object that could not be judged; what the server refuses to make of an object is no error but a state.
func (c *Cluster) State(ctx context.Context, objects ...*Object) (geored.State, error) {
	if len(objects) == 0 {
		return geored.State{}, errors.New("there are no objects to observe")
	}
	for _, object := range objects {
		reason, err := c.missing(ctx, object)
		if err != nil {
			return geored.State{}, fmt.Errorf("observe %s: %w", describe(object), retriable(err))
		}
		if reason != "" {
			return geored.State{Detail: describe(object) + " " + reason}, nil
		}
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("%d objects as wanted and ready", len(objects))}, nil
}

// missing says what an object still lacks; nothing when it is as wanted and ready.
func (c *Cluster) missing(ctx context.Context, wanted *Object) (string, error) {
	resource, err := c.resource(ctx, wanted)
	if isUnwritable(err) {
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
	switch {
	case apierrors.IsNotFound(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return "is not there", nil // it went meanwhile
	case apierrors.IsInvalid(err):
		return "cannot become as wanted: " + err.Error(), nil
	case err != nil:
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
	resource, err := c.resource(ctx, object)
	if err != nil {
		return nil, err
	}
	return resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: FieldManager, Force: true, DryRun: dryRun})
}

// resource finds where objects of this kind live.
func (c *Cluster) resource(ctx context.Context, object *Object) (dynamic.ResourceInterface, error) {
	mapping, err := c.mapping(ctx, object.GroupVersionKind())
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

// mapping finds where a kind lives. Discovery takes no context: when the context ends it is left alone to its own time limit.
func (c *Cluster) mapping(ctx context.Context, kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	type reply struct {
		mapping *meta.RESTMapping
		err     error
	}
	came := make(chan reply, 1)
	go func() {
		mapping, err := c.discover(kind)
		came <- reply{mapping, err}
	}()
	select {
	case r := <-came:
		return r.mapping, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// versionError says that a kind is there, and not in the version that is asked for: what was written in that one may be there.
type versionError struct {
	kind   schema.GroupVersionKind
	served schema.GroupVersion
}

func (e *versionError) Error() string {
	return fmt.Sprintf("the kind %s is not served as %s, but as %s", e.kind.Kind, e.kind.GroupVersion(), e.served)
}

// isUnwritable says whether no object of the kind and version can be sent yet.
func isUnwritable(err error) bool {
	var version *versionError
	return meta.IsNoMatchError(err) || errors.As(err, &version)
}

// discover asks the server again for a kind that was not there: it may be a custom one that came meanwhile. A group whose
// server does not answer is left out of what there is, silently: so the group itself is asked before its kind is none.
func (c *Cluster) discover(kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if !meta.IsNoMatchError(err) {
		return mapping, err
	}
	c.mapper.Reset()
	if mapping, err = c.mapper.RESTMapping(kind.GroupKind(), kind.Version); !meta.IsNoMatchError(err) {
		return mapping, err
	}
	if other, otherErr := c.mapper.RESTMapping(kind.GroupKind()); otherErr == nil {
		return nil, geored.Retriable(&versionError{kind, other.GroupVersionKind.GroupVersion()})
	}
	list, asked := c.client.Discovery().ServerResourcesForGroupVersion(kind.GroupVersion().String())
	if apierrors.IsNotFound(asked) {
		return nil, err
	}
	if asked != nil {
		return nil, fmt.Errorf("the kinds of %s: %w", kind.GroupVersion(), asked)
	}
	for _, r := range list.APIResources {
		if r.Kind != kind.Kind || strings.Contains(r.Name, "/") {
			continue // of another kind, or part of a resource
		}
		scope := meta.RESTScopeRoot
		if r.Namespaced {
			scope = meta.RESTScopeNamespace
		}
		return &meta.RESTMapping{Resource: kind.GroupVersion().WithResource(r.Name), GroupVersionKind: kind, Scope: scope}, nil
	}
	return nil, err
}
