package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
)

// podReason says why a pod is not ready. Much of that the kubelet tells in events only: a volume that cannot be
// mounted, a readiness probe that fails.
func (c *Cluster) podReason(ctx context.Context, pod corev1.Pod) string {
	reason, explained := podNotReady(pod)
	if reason == "" || explained {
		return reason
	}
	if warning := c.warning(ctx, "Pod", pod.Namespace, pod.Name, pod.UID); warning != "" {
		return reason + ": " + warning
	}
	return reason
}

// podNotReady is what the pod's status tells, and whether that explains itself.
func podNotReady(pod corev1.Pod) (reason string, explained bool) {
	switch {
	case pod.DeletionTimestamp != nil:
		return "is being deleted", true
	case pod.Status.Phase == corev1.PodSucceeded:
		return "", true
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if reason, explained := containerNotReady(status); reason != "" {
			return reason, explained
		}
	}
	for _, condition := range pod.Status.Conditions {
		switch {
		case condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue:
			return "", true
		case condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse:
			return "cannot be scheduled: " + condition.Message, true
		}
	}
	if why := sentence(pod.Status.Reason, pod.Status.Message); why != "" {
		return fmt.Sprintf("is %s: %s", pod.Status.Phase, why), true // evicted, for instance
	}
	return "is " + cmp.Or(string(pod.Status.Phase), "new") + " and not ready", false
}

func containerNotReady(status corev1.ContainerStatus) (reason string, explained bool) {
	if ended := status.State.Terminated; ended != nil && ended.ExitCode != 0 {
		return ending(*ended), true
	}
	waiting := status.State.Waiting
	if waiting == nil || waiting.Reason == "" {
		return "", false
	}
	reason = "is waiting: " + sentence(waiting.Reason, waiting.Message)
	if last := status.LastTerminationState.Terminated; last != nil {
		return reason + "; it " + ending(*last), true
	}
	return reason, waiting.Message != ""
}

func ending(t corev1.ContainerStateTerminated) string {
	return fmt.Sprintf("ended with exit code %d: %s", t.ExitCode, sentence(t.Reason, t.Message))
}

// newestFirst has the pods that go away last: the reason why others do not come is not theirs.
func newestFirst(pods []corev1.Pod) []corev1.Pod {
	leaving := func(p corev1.Pod) int {
		if p.DeletionTimestamp != nil {
			return 1
		}
		return 0
	}
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Or(cmp.Compare(leaving(a), leaving(b)), b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return pods
}

// warning is the newest Warning event about an object. It only explains: who may not read events does without.
func (c *Cluster) warning(ctx context.Context, kind, namespace, name string, uid types.UID) string {
	selector := fields.Set{"involvedObject.kind": kind, "involvedObject.name": name, "involvedObject.uid": string(uid), "type": corev1.EventTypeWarning}
	list, err := c.client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: selector.String()})
	if err != nil || len(list.Items) == 0 {
		return ""
	}
	newest := slices.MaxFunc(list.Items, func(a, b corev1.Event) int { return lastSeen(a).Compare(lastSeen(b).Time) })
	return sentence(newest.Reason, newest.Message)
}

// lastSeen of an event stands in another field for each age of the API.
func lastSeen(e corev1.Event) metav1.Time {
	switch {
	case e.Series != nil:
		return metav1.Time(e.Series.LastObservedTime)
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp
	}
	return metav1.Time(e.EventTime)
}
