package kube_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/georedkit/georedkit/geored"
	objectkube "github.com/georedkit/georedkit/objectstore/kube"
)

// site is a cluster in memory; nothing runs in it.
type site struct {
	name   geored.SiteName
	client *fake.Clientset
}

func (s site) Site() geored.SiteName        { return s.name }
func (s site) Client() kubernetes.Interface { return s.client }

const mark = "run-1"

// settled is a mirror as it stands some time after a restart with the mark; change is what is different.
func settled(change func(*appsv1.Deployment, *corev1.Pod)) site {
	labels, one := map[string]string{"app": "minio-mirror"}, int32(1)
	marked := map[string]string{"georedkit.io/restarted-for": mark}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "minio", Name: "mirror", Generation: 2},
		Spec:   appsv1.DeploymentSpec{Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Annotations: marked}}},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1}}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "minio", Name: "mirror-1", Labels: labels, Annotations: marked},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(time.Unix(1e9, 0))}}}}}}
	change(d, p)
	return site{"dc1", fake.NewClientset(d, p)}
}

func mirrors(s site) objectkube.Mirrors {
	return objectkube.Mirrors{Clusters: []objectkube.Cluster{s}, Namespace: "minio", Deployment: "mirror"}
}

func nothing(*appsv1.Deployment, *corev1.Pod) {}

func TestWhatIsNoRunningMirror(t *testing.T) {
	for want, change := range map[string]func(*appsv1.Deployment, *corev1.Pod){
		"it was not restarted yet":  func(d *appsv1.Deployment, _ *corev1.Pod) { d.Spec.Template.Annotations = nil },
		"is of another time":        func(_ *appsv1.Deployment, p *corev1.Pod) { p.Annotations = nil },
		"is still on its way out":   func(_ *appsv1.Deployment, p *corev1.Pod) { now := metav1.Now(); p.DeletionTimestamp = &now },
		"does not run":              func(_ *appsv1.Deployment, p *corev1.Pod) { p.Status.Conditions = nil },
		"exit code 1 CrashLoopBack": func(_ *appsv1.Deployment, p *corev1.Pod) { crash(p) },
		"it is scaled to 0": func(d *appsv1.Deployment, p *corev1.Pod) {
			*d.Spec.Replicas = 0
			p.Labels = nil
		},
		"there is no pod":            func(_ *appsv1.Deployment, p *corev1.Pod) { p.Labels = nil },
		"its controller is not done": func(d *appsv1.Deployment, _ *corev1.Pod) { d.Status.AvailableReplicas = 0 },
		"controller is not done, or": func(d *appsv1.Deployment, _ *corev1.Pod) { d.Status.ObservedGeneration = 1 },
	} {
		s := settled(change)
		state, err := mirrors(s).Running(t.Context(), "dc1", mark)
		if err != nil || state.Done || !strings.Contains(state.Detail, want) {
			t.Errorf("%+v, %v, want %q", state, err, want)
		}
	}
	if state, err := mirrors(settled(nothing)).Running(t.Context(), "dc1", mark); err != nil || !state.Done {
		t.Errorf("one that runs: %+v, %v", state, err)
	}
}

func crash(p *corev1.Pod) {
	p.Status.Conditions = nil
	p.Status.ContainerStatuses[0] = corev1.ContainerStatus{RestartCount: 3,
		State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}}
}

func TestARestartIsDoneOnce(t *testing.T) {
	s := settled(nothing)
	m := mirrors(s)
	patches := func() int {
		n := 0
		for _, action := range s.client.Actions() {
			if action.GetVerb() == "patch" {
				n++
			}
		}
		return n
	}
	for _, restart := range []struct {
		mark string
		want int // patches so far
	}{{mark, 0}, {"run-2", 1}, {"run-2", 1}} {
		if err := m.Restart(t.Context(), "dc1", restart.mark); err != nil {
			t.Fatal(err)
		}
		if got := patches(); got != restart.want {
			t.Errorf("mark %s: %d patches, want %d", restart.mark, got, restart.want)
		}
	}
	if read, err := m.Read(t.Context(), "dc1"); err != nil || read.Mark != "run-2" {
		t.Errorf("%+v, %v", read, err)
	}
}

func TestRestartsThatAreRefused(t *testing.T) {
	stopped := settled(func(d *appsv1.Deployment, _ *corev1.Pod) { *d.Spec.Replicas = 0 })
	for want, err := range map[string]error{
		"site dc1: restart deployment minio/mirror: it is scaled to 0": mirrors(stopped).Restart(t.Context(), "dc1", mark),
		"no mark is given":          mirrors(settled(nothing)).Restart(t.Context(), "dc1", ""),
		"the site has no cluster":   mirrors(settled(nothing)).Restart(t.Context(), "dc9", mark),
		`"other" not found`:         objectkube.Mirrors{Clusters: []objectkube.Cluster{stopped}, Namespace: "minio", Deployment: "other"}.Restart(t.Context(), "dc1", mark),
		"restart deployment minio/": mirrors(silent()).Restart(t.Context(), "dc1", mark),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// silent is a cluster whose API server does not answer.
func silent() site {
	s := settled(nothing)
	s.client.PrependReactor("*", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("connection refused")
	})
	return s
}

func TestCheckOfPods(t *testing.T) {
	for _, test := range []struct {
		name string
		site site
		want geored.Verdict
	}{
		{"runs", settled(nothing), geored.Pass},
		{"runs after crashes", settled(func(_ *appsv1.Deployment, p *corev1.Pod) { p.Status.ContainerStatuses[0].RestartCount = 2 }), geored.Warn},
		{"crashes", settled(func(_ *appsv1.Deployment, p *corev1.Pod) { crash(p) }), geored.Fail},
		{"silent", silent(), geored.Unknown},
	} {
		report, err := geored.Prove(context.WithoutCancel(t.Context()), geored.CheckConfig{}, mirrors(test.site).Check())
		if err != nil || report.Verdict() != test.want {
			t.Errorf("%s: %s, %v: %+v", test.name, report.Verdict(), err, report.Findings)
		}
	}
}
