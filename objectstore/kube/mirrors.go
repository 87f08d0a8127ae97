// Package kube reads and restarts watch mirrors (mc mirror --watch) that run as Deployments. The type to know is [Mirrors].
package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
)

// Cluster is a site's Kubernetes API. *kube.Cluster is one.
type Cluster interface {
	Site() geored.SiteName
	Client() kubernetes.Interface
}

// Mirrors are the mirrors of some sites: a Deployment at each, of the same name.
type Mirrors struct {
	Clusters   []Cluster
	Namespace  string
	Deployment string
}

var _ objectstore.MirrorPods = Mirrors{}

// markKey is the annotation of the pod template that carries a restart's mark, as kubectl.kubernetes.io/restartedAt
// carries the time of `kubectl rollout restart`.
const markKey = "georedkit.io/restarted-for"

// Pod is a pod of a mirror.
type Pod struct {
	Name     string
	Mark     string // of the restart that made it; zero: none of ours
	Mirrors  bool   // it is ready and not on its way out
	Leaving  bool
	Restarts int
	// Started is when its process began: a watch lists everything then, and never again. Zero: it does not run.
	Started time.Time
	Trouble string // why it does not run, or how it ended last
}

// Mirror is a site's mirror as its Deployment and its pods show it.
type Mirror struct {
	Mark   string // of the restart that is wanted
	Wanted int    // pods
	// Stopped says that [Mirrors.Stop] scaled it to 0, and [Mirrors.Start] gives it its pods back.
	Stopped bool
	// Rolled says that the controller has seen what is wanted and made it so.
	Rolled bool
	Pods   []Pod // also those on their way out; sorted by name
}

// Read looks at a site's mirror.
func (m Mirrors) Read(ctx context.Context, site geored.SiteName) (Mirror, error) {
	mirror, err := m.read(ctx, site)
	if err != nil {
		return mirror, m.failed(site, "read", err)
	}
	return mirror, nil
}

func (m Mirrors) failed(site geored.SiteName, verb string, cause error) error {
	return fmt.Errorf("site %s: %s deployment %s/%s: %w", site, verb, m.Namespace, m.Deployment, cause)
}

func (m Mirrors) client(site geored.SiteName) (kubernetes.Interface, error) {
	for _, c := range m.Clusters {
		if c.Site() == site {
			return c.Client(), nil
		}
	}
	return nil, fmt.Errorf("the site has no cluster here")
}

func (m Mirrors) read(ctx context.Context, site geored.SiteName) (Mirror, error) {
	client, err := m.client(site)
	if err != nil {
		return Mirror{}, err
	}
	d, err := client.AppsV1().Deployments(m.Namespace).Get(ctx, m.Deployment, metav1.GetOptions{})
	if err != nil {
		return Mirror{}, err
	}
	list, err := client.CoreV1().Pods(m.Namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)})
	if err != nil {
		return Mirror{}, err
	}
	_, stopped := d.Annotations[stoppedKey]
	mirror := Mirror{Mark: d.Spec.Template.Annotations[markKey], Wanted: wanted(*d), Stopped: stopped, Rolled: rolled(*d)}
	for _, pod := range list.Items {
		mirror.Pods = append(mirror.Pods, describe(pod))
	}
	slices.SortFunc(mirror.Pods, func(a, b Pod) int { return cmp.Compare(a.Name, b.Name) })
	return mirror, nil
}

func wanted(d appsv1.Deployment) int {
	if d.Spec.Replicas == nil {
		return 1
	}
	return int(*d.Spec.Replicas)
}

func rolled(d appsv1.Deployment) bool {
	s, want := d.Status, int32(wanted(d))
	return s.ObservedGeneration >= d.Generation && s.Replicas == want && s.UpdatedReplicas == want && s.AvailableReplicas == want
}

func describe(pod corev1.Pod) Pod {
	p := Pod{Name: pod.Name, Mark: pod.Annotations[markKey], Leaving: pod.DeletionTimestamp != nil}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			p.Mirrors = !p.Leaving
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		p.Restarts += int(c.RestartCount)
		if c.State.Running != nil {
			p.Started = c.State.Running.StartedAt.Time
		}
		if w := c.State.Waiting; w != nil {
			p.Trouble = w.Reason
		}
		if last := c.LastTerminationState.Terminated; last != nil {
			p.Trouble = fmt.Sprintf("it ended with exit code %d %s", last.ExitCode, p.Trouble)
		}
	}
	return p
}

// Restart marks the pods' template, which makes the Deployment replace them, as `kubectl rollout restart` does. With a mark
// that it has already, nothing happens. Pods that were never scaled up stay so: that is an error.
func (m Mirrors) Restart(ctx context.Context, site geored.SiteName, mark string) error {
	if mark == "" {
		return m.failed(site, "restart", fmt.Errorf("no mark is given"))
	}
	client, err := m.client(site)
	if err != nil {
		return m.failed(site, "restart", err)
	}
	d, err := client.AppsV1().Deployments(m.Namespace).Get(ctx, m.Deployment, metav1.GetOptions{})
	switch {
	case err != nil:
		return m.failed(site, "restart", temporary(err))
	case wanted(*d) == 0:
		return m.failed(site, "restart", fmt.Errorf("it is scaled to 0: somebody stopped the mirror; scale it up first"))
	case d.Spec.Template.Annotations[markKey] == mark:
		return nil
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{
		"metadata": map[string]any{"annotations": map[string]string{markKey: mark}}}}})
	if err == nil {
		_, err = client.AppsV1().Deployments(m.Namespace).Patch(ctx, m.Deployment, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: "georedkit"})
	}
	if err != nil {
		return m.failed(site, "restart", temporary(err))
	}
	return nil
}

// temporary marks what is worth another attempt.
func temporary(err error) error {
	if apierrors.IsConflict(err) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) {
		return geored.Retriable(err)
	}
	return err
}

// Running is done when the site's pods all carry the mark and run, and no others are left.
func (m Mirrors) Running(ctx context.Context, site geored.SiteName, mark string) (geored.State, error) {
	mirror, err := m.Read(ctx, site)
	if err != nil {
		return geored.State{}, err
	}
	if mirror.Mark != mark {
		return geored.State{Detail: "it was not restarted yet"}, nil
	}
	if trouble := mirror.trouble(mark); trouble != "" {
		return geored.State{Detail: trouble}, nil
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("pod %s runs since %s", mirror.Pods[0].Name, mirror.Pods[0].Started.UTC().Format(time.RFC3339))}, nil
}

// trouble is why a mirror is not the one that is wanted; nothing when it is.
func (m Mirror) trouble(mark string) string {
	for _, p := range m.Pods {
		switch {
		case p.Leaving:
			return fmt.Sprintf("pod %s is still on its way out", p.Name)
		case p.Mark != mark:
			return fmt.Sprintf("pod %s is of another time", p.Name)
		case !p.Mirrors || p.Started.IsZero():
			return fmt.Sprintf("pod %s does not run: %s", p.Name, p.Trouble)
		}
	}
	switch {
	case m.Wanted == 0:
		return "it is scaled to 0"
	case len(m.Pods) == 0:
		return "there is no pod"
	case !m.Rolled:
		return "its controller is not done, or its pods do not last"
	}
	return ""
}
