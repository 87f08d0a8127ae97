package kube

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
)

// Place gives copies of objects in which those that live in namespaces and name none have this one, and
// those of a kind that the server does not know: [Cluster.Live] finds none of it. The error names the object.
func (c *Cluster) Place(ctx context.Context, namespace string, objects ...*Object) ([]*Object, error) {
	placed := make([]*Object, len(objects))
	for i, object := range objects {
		placed[i] = object.DeepCopy()
		if object.GetNamespace() != "" {
			continue
		}
		mapping, err := c.mapping(ctx, object.GroupVersionKind())
		unknown := isUnwritable(err)
		if err != nil && !unknown {
			return nil, fmt.Errorf("%s: %w", describe(object), retriable(err))
		}
		if unknown || mapping.Scope.Name() == meta.RESTScopeNameNamespace {
			placed[i].SetNamespace(namespace)
		}
	}
	return placed, nil
}

// Live is an object as the server has it, and false when it has none, or does not know its kind.
func (c *Cluster) Live(ctx context.Context, object *Object) (*Object, bool, error) {
	resource, err := c.resource(ctx, object)
	if err == nil {
		var live *Object
		if live, err = resource.Get(ctx, object.GetName(), metav1.GetOptions{}); err == nil {
			return live, true, nil
		}
	}
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("%s: %w", describe(object), retriable(err))
}

// Ready says whether all objects are there and ready, however they look: for those that somebody else keeps as they are
// wanted. Its detail names the first that is not, and why.
func (c *Cluster) Ready(ctx context.Context, objects ...*Object) (geored.State, error) {
	for _, object := range objects {
		live, there, err := c.Live(ctx, object)
		if err != nil {
			return geored.State{}, err
		}
		reason := "is not there"
		if there && live.GetDeletionTimestamp() != nil {
			reason = "is being deleted"
		} else if there {
			if reason, err = c.notReady(ctx, live); err != nil {
				return geored.State{}, fmt.Errorf("observe %s: %w", describe(object), retriable(err))
			}
		}
		if reason != "" {
			return geored.State{Detail: describe(object) + " " + reason}, nil
		}
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("%d objects ready", len(objects))}, nil
}
