package kube

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// notReady says why a live object does not do its work yet; nothing when it does. Kinds without a notion of readiness
// are ready when they exist.
func (c *Cluster) notReady(ctx context.Context, live *Object) (string, error) {
	switch live.GetKind() {
	case "Deployment":
		return workload(ctx, c, live, deploymentNotReady)
	case "DaemonSet":
		return workload(ctx, c, live, daemonSetNotReady)
	case "StatefulSet":
		return workload(ctx, c, live, statefulSetNotReady)
	case "Pod":
		return typed(live, podNotReady)
	case "Job":
		return typed(live, jobNotReady)
	case "PersistentVolumeClaim":
		return typed(live, claimNotReady)
	case "CustomResourceDefinition":
		return definitionNotReady(live), nil
	}
	return "", nil
}

func typed[T any](live *Object, judge func(T) string) (string, error) {
	var object T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, &object); err != nil {
		return "", err
	}
	return judge(object), nil
}

// workload adds to the controller's numbers what its pods say: that is where the reason stands.
func workload[T any](ctx context.Context, c *Cluster, live *Object, judge func(T) (string, *metav1.LabelSelector)) (string, error) {
	var object T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, &object); err != nil {
		return "", err
	}
	reason, selector := judge(object)
	if reason == "" {
		return "", nil
	}
	pods, err := c.client.CoreV1().Pods(live.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(selector)})
	if err != nil {
		return "", err
	}
	for _, pod := range pods.Items {
		if why := podNotReady(pod); why != "" {
			return fmt.Sprintf("%s; pod %s %s", reason, pod.Name, why), nil
		}
	}
	return reason, nil
}

func deploymentNotReady(d appsv1.Deployment) (string, *metav1.LabelSelector) {
	wanted := int32(1)
	if d.Spec.Replicas != nil {
		wanted = *d.Spec.Replicas
	}
	return replicasNotReady(d.Generation, d.Status.ObservedGeneration, wanted, d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.AvailableReplicas), d.Spec.Selector
}

func statefulSetNotReady(s appsv1.StatefulSet) (string, *metav1.LabelSelector) {
	wanted := int32(1)
	if s.Spec.Replicas != nil {
		wanted = *s.Spec.Replicas
	}
	return replicasNotReady(s.Generation, s.Status.ObservedGeneration, wanted, s.Status.Replicas, s.Status.UpdatedReplicas, s.Status.ReadyReplicas), s.Spec.Selector
}

func daemonSetNotReady(d appsv1.DaemonSet) (string, *metav1.LabelSelector) {
	s := d.Status
	if s.ObservedGeneration >= d.Generation && s.DesiredNumberScheduled == 0 {
		return "has no node to run on", d.Spec.Selector
	}
	return replicasNotReady(d.Generation, s.ObservedGeneration, s.DesiredNumberScheduled, s.CurrentNumberScheduled, s.UpdatedNumberScheduled, s.NumberAvailable), d.Spec.Selector
}

func replicasNotReady(generation, observed int64, wanted, current, updated, available int32) string {
	switch {
	case observed < generation:
		return "was not seen by its controller yet"
	case updated < wanted:
		return fmt.Sprintf("has %d of %d pods up to date", updated, wanted)
	case current > wanted:
		return fmt.Sprintf("has %d old pods left", current-wanted)
	case available < wanted:
		return fmt.Sprintf("has %d of %d pods available", available, wanted)
	}
	return ""
}

func podNotReady(pod corev1.Pod) string {
	if pod.DeletionTimestamp != nil {
		return "is being deleted"
	}
	if pod.Status.Phase == corev1.PodSucceeded {
		return ""
	}
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if waiting := status.State.Waiting; waiting != nil && waiting.Reason != "" {
			return fmt.Sprintf("is waiting: %s %s", waiting.Reason, waiting.Message)
		}
		if ended := status.State.Terminated; ended != nil && ended.ExitCode != 0 {
			return fmt.Sprintf("ended with exit code %d: %s", ended.ExitCode, ended.Reason)
		}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return ""
		}
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return "cannot be scheduled: " + condition.Message
		}
	}
	return "is " + string(pod.Status.Phase) + " and not ready"
}

func jobNotReady(job batchv1.Job) string {
	for _, condition := range job.Status.Conditions {
		if condition.Status != corev1.ConditionTrue {
			continue
		}
		switch condition.Type {
		case batchv1.JobComplete:
			return ""
		case batchv1.JobFailed:
			return "failed: " + condition.Message
		}
	}
	return "has not completed"
}

func claimNotReady(claim corev1.PersistentVolumeClaim) string {
	if claim.Status.Phase == corev1.ClaimBound {
		return ""
	}
	return "is not bound"
}

func definitionNotReady(live *Object) string {
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, item := range conditions {
		if condition, ok := item.(map[string]any); ok && condition["type"] == "Established" && condition["status"] == "True" {
			return ""
		}
	}
	return "is not established"
}
