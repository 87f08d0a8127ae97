package kube

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// notReady says why a live object does not do its work yet; nothing when it does. Kinds that this package does not know
// are judged by what most of them have: an observedGeneration and a condition Ready. Those without are ready when they
// exist.
func (c *Cluster) notReady(ctx context.Context, live *Object) (string, error) {
	group, kind := live.GroupVersionKind().Group, live.GetKind()
	switch group + "/" + kind {
	case "apps/Deployment":
		return workload(ctx, c, live, deploymentNotReady)
	case "apps/DaemonSet":
		return workload(ctx, c, live, daemonSetNotReady)
	case "apps/StatefulSet":
		return workload(ctx, c, live, statefulSetNotReady)
	case "batch/Job":
		return workload(ctx, c, live, jobNotReady)
	case "/Pod":
		pod, err := typed[corev1.Pod](live)
		if err != nil {
			return "", err
		}
		return c.podReason(ctx, pod), nil
	case "/PersistentVolumeClaim":
		return judged(live, claimNotReady)
	case "/Service":
		return judged(live, serviceNotReady)
	case "apiextensions.k8s.io/CustomResourceDefinition":
		return conditionNotTrue(live, "Established", "is not established"), nil
	}
	return otherNotReady(live), nil
}

func typed[T any](live *Object) (object T, err error) {
	err = runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, &object)
	return object, err
}

func judged[T any](live *Object, judge func(T) string) (string, error) {
	object, err := typed[T](live)
	if err != nil {
		return "", err
	}
	return judge(object), nil
}

// workload adds to the controller's numbers what its pods say: that is where the reason stands. A controller that cannot
// make pods says so in its events.
func workload[T any](ctx context.Context, c *Cluster, live *Object, judge func(T) (string, *metav1.LabelSelector)) (string, error) {
	object, err := typed[T](live)
	if err != nil {
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
	for _, pod := range newestFirst(pods.Items) {
		if why := c.podReason(ctx, pod); why != "" {
			return joinReasons(reason, fmt.Sprintf("pod %s %s", pod.Name, why)), nil
		}
	}
	if len(pods.Items) > 0 {
		return reason, nil
	}
	return joinReasons(reason, c.warning(ctx, live.GetKind(), live.GetNamespace(), live.GetName(), live.GetUID())), nil
}

func joinReasons(reason, more string) string {
	if more == "" {
		return reason
	}
	return reason + "; " + more
}

func deploymentNotReady(d appsv1.Deployment) (string, *metav1.LabelSelector) {
	s := d.Status
	reason := replicasNotReady(d.Generation, s.ObservedGeneration, atLeastOne(d.Spec.Replicas), s.Replicas, s.UpdatedReplicas, s.AvailableReplicas)
	for _, condition := range s.Conditions {
		if reason != "" && condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			reason = joinReasons(reason, condition.Message)
		}
	}
	return reason, d.Spec.Selector
}

// statefulSetNotReady waits for those pods only that the update strategy lets the controller replace.
func statefulSetNotReady(s appsv1.StatefulSet) (string, *metav1.LabelSelector) {
	wanted := atLeastOne(s.Spec.Replicas)
	updated := s.Status.UpdatedReplicas
	if s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		updated = wanted
	}
	if rolling := s.Spec.UpdateStrategy.RollingUpdate; rolling != nil && rolling.Partition != nil {
		updated += min(*rolling.Partition, wanted)
	}
	return replicasNotReady(s.Generation, s.Status.ObservedGeneration, wanted, s.Status.Replicas, updated, s.Status.AvailableReplicas), s.Spec.Selector
}

func daemonSetNotReady(d appsv1.DaemonSet) (string, *metav1.LabelSelector) {
	s := d.Status
	if s.ObservedGeneration >= d.Generation && s.DesiredNumberScheduled == 0 {
		return "has no node to run on", d.Spec.Selector
	}
	updated := s.UpdatedNumberScheduled
	if d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		updated = s.DesiredNumberScheduled
	}
	return replicasNotReady(d.Generation, s.ObservedGeneration, s.DesiredNumberScheduled, s.CurrentNumberScheduled+s.NumberMisscheduled, updated, s.NumberAvailable), d.Spec.Selector
}

func atLeastOne(replicas *int32) int32 {
	if replicas == nil {
		return 1
	}
	return *replicas
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

func jobNotReady(job batchv1.Job) (string, *metav1.LabelSelector) {
	for _, condition := range job.Status.Conditions {
		if condition.Status != corev1.ConditionTrue {
			continue
		}
		switch condition.Type {
		case batchv1.JobComplete:
			return "", job.Spec.Selector
		case batchv1.JobFailed:
			return "failed: " + sentence(condition.Reason, condition.Message), job.Spec.Selector
		case batchv1.JobSuspended:
			return "is suspended", job.Spec.Selector
		}
	}
	return "has not completed", job.Spec.Selector
}

func claimNotReady(claim corev1.PersistentVolumeClaim) string {
	if claim.Status.Phase == corev1.ClaimBound {
		return ""
	}
	return "is not bound"
}

func serviceNotReady(service corev1.Service) string {
	if service.Spec.Type == corev1.ServiceTypeLoadBalancer && len(service.Status.LoadBalancer.Ingress) == 0 {
		return "has no address from its load balancer yet"
	}
	return ""
}
