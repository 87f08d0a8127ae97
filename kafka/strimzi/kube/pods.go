package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
)

// markKey is the annotation of a resource that says for which run its pods are being replaced, and which those were.
const markKey = "georedkit.io/restarted-for"

// pods are the workers of the resource.
func (r Resource) pods(ctx context.Context) ([]corev1.Pod, error) {
	list, err := r.Cluster.Client().CoreV1().Pods(r.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "strimzi.io/cluster=" + r.Name + ",strimzi.io/kind=KafkaMirrorMaker2"})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// replaced is done when the pods that the mark names are gone, and as many as wanted are ready.
func (r Resource) replaced(ctx context.Context, mark string) (geored.State, error) {
	m, annotations, err := r.read(ctx)
	if err != nil {
		return geored.State{}, r.failed("read", err)
	}
	doomed, marked := strings.CutPrefix(annotations[markKey], mark+" ")
	if !marked {
		return geored.State{Detail: "its pods were not replaced yet"}, nil
	}
	pods, err := r.pods(ctx)
	if err != nil {
		return geored.State{}, r.failed("list the pods of", err)
	}
	ready := 0
	for _, p := range pods {
		switch {
		case slices.Contains(strings.Split(doomed, ","), string(p.UID)):
			return geored.State{Detail: fmt.Sprintf("pod %s is still there", p.Name)}, nil
		case isReady(p):
			ready++
		}
	}
	if m.Replicas == 0 {
		return geored.State{Detail: "spec.replicas is 0: there are no workers to come back"}, nil
	}
	return geored.State{Done: ready >= int(m.Replicas), Detail: fmt.Sprintf("%d of %d new pods are ready", ready, m.Replicas)}, nil
}

func isReady(p corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// replace notes which pods are to go before it deletes them: when it is called again, no other ones go.
func (r Resource) replace(ctx context.Context, mark string) error {
	if mark == "" || strings.ContainsAny(mark, " ,") {
		return r.failed("restart the pods of", fmt.Errorf("mark %q: is empty, or has a space or comma in it", mark))
	}
	_, annotations, err := r.read(ctx)
	if err != nil {
		return r.failed("read", err)
	}
	pods, err := r.pods(ctx)
	if err != nil {
		return r.failed("list the pods of", err)
	}
	doomed, marked := strings.CutPrefix(annotations[markKey], mark+" ")
	if !marked {
		var uids []string
		for _, p := range pods {
			uids = append(uids, string(p.UID))
		}
		doomed = strings.Join(uids, ",")
		if err := r.annotate(ctx, markKey, mark+" "+doomed); err != nil {
			return r.failed("annotate", err)
		}
	}
	var errs []error
	for _, p := range pods {
		if !slices.Contains(strings.Split(doomed, ","), string(p.UID)) || p.DeletionTimestamp != nil {
			continue
		}
		err := r.Cluster.Client().CoreV1().Pods(r.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(p.UID))})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) { // another pod of that name came already
			errs = append(errs, r.failed("delete pod "+p.Name+" of", err))
		}
	}
	return errors.Join(errs...)
}
