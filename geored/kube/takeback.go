package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/georedkit/georedkit/geored"
)

// TakeBack removes objects that [Cluster.Apply] made, the last one first, and does not wait for them to be gone. One
// that has fields of somebody else is left, and is an error: it was there before, or somebody works with it. So is a
// namespace that holds somebody else's pods, what makes them, Secrets, ConfigMaps, claims or Services, and a claim that is bound:
// its volume may hold data. One that is not there is no
// error. An API server does not tell who made an object that has nothing but a name, nor whose a field was that Apply took over:
// leave such objects out, or keep what they were.
func (c *Cluster) TakeBack(ctx context.Context, objects ...*Object) error {
	for _, object := range slices.Backward(objects) {
		if err := c.takeBack(ctx, object); err != nil {
			return fmt.Errorf("take back %s: %w", describe(object), err)
		}
	}
	return nil
}

func (c *Cluster) takeBack(ctx context.Context, object *Object) error {
	resource, err := c.resource(ctx, object)
	if meta.IsNoMatchError(err) {
		return nil // with its kind it went too
	}
	if err != nil {
		return retriable(err)
	}
	live, err := resource.Get(ctx, object.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return retriable(err)
	}
	if volume, _, _ := unstructured.NestedString(live.Object, "spec", "volumeName"); live.GetKind() == "PersistentVolumeClaim" && volume != "" {
		return fmt.Errorf("it is bound to volume %s, which may hold data: delete it by hand", volume)
	}
	if others := strangers(live); len(others) > 0 {
		return fmt.Errorf("it has fields of %q: it was there before, or somebody changed it; take it back by hand", others)
	}
	if object.GetKind() == "Namespace" {
		if err := c.emptied(ctx, object.GetName()); err != nil {
			return err
		}
	}
	background, uid := metav1.DeletePropagationBackground, live.GetUID()
	err = resource.Delete(ctx, object.GetName(), metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &uid}})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return retriable(err)
}

// strangers are those who own fields of an object, besides this package and what controllers keep in its status.
func strangers(live *Object) []string {
	var names []string
	for _, fields := range live.GetManagedFields() {
		if fields.Manager != FieldManager && fields.Subresource == "" {
			names = append(names, fields.Manager)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// emptied says what a namespace still holds of what people keep in one. What is on its way out is waited for.
func (c *Cluster) emptied(ctx context.Context, namespace string) error {
	core, all := c.client.CoreV1(), metav1.ListOptions{}
	pods, err := core.Pods(namespace).List(ctx, all)
	if err != nil {
		return retriable(err)
	}
	if len(pods.Items) > 0 {
		return geored.Retriable(fmt.Errorf("it still holds pod %s", pods.Items[0].Name))
	}
	secrets, err1 := core.Secrets(namespace).List(ctx, all)
	configMaps, err2 := core.ConfigMaps(namespace).List(ctx, all)
	claims, err3 := core.PersistentVolumeClaims(namespace).List(ctx, all)
	services, err4 := core.Services(namespace).List(ctx, all)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return retriable(err)
	}
	var held []error
	add := func(kind string, o metav1.ObjectMeta) {
		err := fmt.Errorf("it still holds %s %s", kind, o.Name)
		if o.DeletionTimestamp != nil {
			err = geored.Retriable(err)
		}
		held = append(held, err)
	}
	for _, s := range secrets.Items {
		add("secret", s.ObjectMeta)
	}
	for _, m := range configMaps.Items {
		if m.Name != rootCertificates {
			add("configmap", m.ObjectMeta)
		}
	}
	for _, p := range claims.Items {
		add("persistentvolumeclaim", p.ObjectMeta)
	}
	for _, s := range services.Items {
		add("service", s.ObjectMeta)
	}
	for _, err := range held {
		if !geored.IsRetriable(err) { // what stays is told before what is waited for
			return err
		}
	}
	if len(held) > 0 {
		return held[0]
	}
	return c.idle(ctx, namespace)
}

// idle says what would make pods in a namespace again, although there are none now.
func (c *Cluster) idle(ctx context.Context, namespace string) error {
	apps, batch, all := c.client.AppsV1(), c.client.BatchV1(), metav1.ListOptions{}
	deployments, err1 := apps.Deployments(namespace).List(ctx, all)
	sets, err2 := apps.StatefulSets(namespace).List(ctx, all)
	daemons, err3 := apps.DaemonSets(namespace).List(ctx, all)
	jobs, err4 := batch.CronJobs(namespace).List(ctx, all)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return retriable(err)
	}
	var found []string
	add := func(kind string, o metav1.ObjectMeta) {
		if o.DeletionTimestamp == nil {
			found = append(found, kind+" "+o.Name)
		}
	}
	for _, o := range deployments.Items {
		add("deployment", o.ObjectMeta)
	}
	for _, o := range sets.Items {
		add("statefulset", o.ObjectMeta)
	}
	for _, o := range daemons.Items {
		add("daemonset", o.ObjectMeta)
	}
	for _, o := range jobs.Items {
		add("cronjob", o.ObjectMeta)
	}
	if len(found) > 0 {
		return fmt.Errorf("it still holds %s", strings.Join(found, ", "))
	}
	return nil
}

// rootCertificates is the ConfigMap that every namespace gets by itself.
const rootCertificates = "kube-root-ca.crt"

// Gone says whether no object is there any more, for geored.Task.Gone. Its detail names the first that is.
func (c *Cluster) Gone(ctx context.Context, objects ...*Object) (geored.State, error) {
	for _, object := range objects {
		resource, err := c.resource(ctx, object)
		if meta.IsNoMatchError(err) {
			continue
		}
		var live *Object
		if err == nil {
			live, err = resource.Get(ctx, object.GetName(), metav1.GetOptions{})
		}
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return geored.State{}, fmt.Errorf("observe %s: %w", describe(object), retriable(err))
		case live.GetDeletionTimestamp() != nil:
			return geored.State{Detail: describe(object) + " is being deleted"}, nil
		default:
			return geored.State{Detail: describe(object) + " is still there"}, nil
		}
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("%d objects are gone", len(objects))}, nil
}
