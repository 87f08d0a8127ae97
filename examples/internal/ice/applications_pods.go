package ice

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
)

// trouble is why a pod is not as the guide wants it: Completed for a Job's, Running and ready for others. "" when it is.
// The phase Running alone says nothing: a program that dies again and again is Running too.
func trouble(pod corev1.Pod) string {
	if pod.Status.Phase == corev1.PodSucceeded {
		return ""
	}
	if pod.DeletionTimestamp != nil {
		return "is on its way out"
	}
	for _, c := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if w := c.State.Waiting; w != nil {
			return strings.TrimSuffix(fmt.Sprintf("%s: %s", w.Reason, w.Message), ": ")
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && pod.Status.Phase == corev1.PodRunning {
			return ""
		}
	}
	return "is " + string(pod.Status.Phase) + " and not ready"
}

// ofJob says whether a pod belongs to a Job, whose failed tries stay.
func ofJob(pod corev1.Pod) bool {
	for _, owner := range pod.OwnerReferences {
		if owner.Kind == "Job" {
			return true
		}
	}
	return false
}

// podsRun: a namespace has pods, and each is as it should be. A Job is judged by itself.
func (d *Deployment) podsRun(ctx context.Context, site geored.SiteName, namespace string) (geored.State, error) {
	list, err := d.Clusters[site].Client().CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return geored.State{}, err
	}
	return judgePods(namespace, list.Items), nil
}

func judgePods(namespace string, pods []corev1.Pod) geored.State {
	running := 0
	for _, pod := range pods {
		why := trouble(pod)
		switch {
		case ofJob(pod):
		case why != "":
			return geored.State{Detail: fmt.Sprintf("pod %s/%s %s", namespace, pod.Name, why)}
		default:
			running++
		}
	}
	return geored.State{Done: running > 0, Detail: fmt.Sprintf("%d pods run in %s", running, namespace)}
}

// patience is how long a pod may take to come up before it counts as one that does not run.
const patience = 45 * time.Second

// rallypointTask deletes the pods that do not run, as the guide has it, and sees them back (ICE guide, 4.4.5 and 4.4.8).
func (d *Deployment) rallypointTask(step geored.Step) geored.Task {
	pods := d.Clusters[step.Site].Client().CoreV1().Pods(rallypointNamespace)
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) { return d.podsRun(ctx, step.Site, rallypointNamespace) },
		Apply: func(ctx context.Context) error {
			list, err := pods.List(ctx, metav1.ListOptions{})
			if err != nil {
				return geored.Retriable(err)
			}
			young := 0
			for _, pod := range list.Items {
				switch {
				case trouble(pod) == "" || ofJob(pod) || pod.DeletionTimestamp != nil:
				case time.Since(pod.CreationTimestamp.Time) < patience:
					young++
				default:
					options := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}}
					if err := pods.Delete(ctx, pod.Name, options); err != nil {
						return geored.Retriable(err)
					}
				}
			}
			if young > 0 {
				return geored.Retriable(fmt.Errorf("%d pods are younger than %s: they may still come up", young, patience))
			}
			return nil
		}}
}
