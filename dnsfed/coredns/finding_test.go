package coredns

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

func stock(name string, behind bool, images ...string) Deployment {
	d := Deployment{Name: name, Behind: behind, live: &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"k8s-app": "kube-dns"}}}}
	for _, image := range images {
		d.Pods = append(d.Pods, Pod{Name: image, ImageID: image, Ready: true})
	}
	return d
}

func TestJudgeFindsASecondDNS(t *testing.T) {
	service := &corev1.Service{}
	silent := errors.New("refused")
	for name, c := range map[string]struct {
		dns  DNS
		err  error
		want geored.Verdict
	}{
		"one":            {dns: DNS{Service: service, Deployments: []Deployment{stock("a", true, "x", "x")}}, want: geored.Pass},
		"two behind":     {dns: DNS{Service: service, Deployments: []Deployment{stock("a", true, "x"), stock("b", true, "x")}}, want: geored.Fail},
		"one beside":     {dns: DNS{Service: service, Deployments: []Deployment{stock("a", true, "x"), stock("b", false, "x")}}, want: geored.Fail},
		"none behind":    {dns: DNS{Service: service}, want: geored.Fail},
		"two images":     {dns: DNS{Service: service, Deployments: []Deployment{stock("a", true, "x", "y")}}, want: geored.Fail},
		"a stray pod":    {dns: DNS{Service: service, Deployments: []Deployment{stock("a", true, "x")}, Strays: []string{"daemon-x"}}, want: geored.Fail},
		"no pod":         {dns: DNS{Service: service, Deployments: []Deployment{stock("a", true)}}, want: geored.Fail},
		"none is ready":  {dns: DNS{Service: service, Deployments: []Deployment{{Name: "a", Behind: true, Pods: []Pod{{Name: "x", ImageID: "x"}}}}}, want: geored.Fail},
		"made by hand":   {dns: DNS{Service: service, Deployments: []Deployment{stock("a", true, "x"), {Name: "b"}}}, want: geored.Pass},
		"no Service":     {dns: DNS{Deployments: []Deployment{stock("a", false, "x")}}, want: geored.Fail},
		"silent cluster": {err: silent, want: geored.Unknown},
	} {
		answers := geored.Ask(t.Context(), []geored.Target{{Site: "dc1"}}, func(context.Context, geored.Target) (DNS, error) { return c.dns, c.err })
		if got := Judge(answers); len(got) != 1 || got[0].Verdict != c.want {
			t.Errorf("%s: got %+v, want %s", name, got, c.want)
		}
	}
}

// Pods that the Service leads to and no Deployment knows answer in turn with the others.
func TestStrays(t *testing.T) {
	labels := map[string]string{"k8s-app": "kube-dns"}
	pod := func(name string, labels map[string]string, phase corev1.PodPhase) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Status: corev1.PodStatus{Phase: phase}}
	}
	leaving := pod("leaving", labels, corev1.PodRunning)
	leaving.DeletionTimestamp = &metav1.Time{}
	pods := []corev1.Pod{pod("own", labels, corev1.PodRunning), pod("daemon-b", labels, corev1.PodRunning), pod("daemon-a", labels, corev1.PodPending),
		pod("ended", labels, corev1.PodSucceeded), pod("other", map[string]string{"k8s-app": "other"}, corev1.PodRunning), leaving}
	dns := DNS{Service: &corev1.Service{Spec: corev1.ServiceSpec{Selector: labels}}, Deployments: []Deployment{{Name: "a", Pods: []Pod{{Name: "own"}}}}}
	pods = append(pods, pod("evicted", labels, corev1.PodFailed))
	of := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}}}
	read, err := readDeployment(t.Context(), nil, of, []corev1.Pod{pods[0], pods[3], pods[6]}, dns.Service)
	if err != nil || len(read.Pods) != 1 || read.Pods[0].Name != "own" {
		t.Errorf("%+v, %v", read.Pods, err)
	}
	if got := strays(dns, pods); !slices.Equal(got, []string{"daemon-a", "daemon-b"}) {
		t.Errorf("%v", got)
	}
}

func mapped(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}}
}

// The old Service and the old Deployment must not find the new pods, and the pattern is left as it was.
func TestNewPodsHaveLabelsOfTheirOwn(t *testing.T) {
	old := map[string]string{"k8s-app": "kube-dns"}
	pattern := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: old},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "coredns", Image: "old"}}, Volumes: []corev1.Volume{mapped("coredns"), mapped("coredns-custom")}}}}}
	c := ChangeOver{New: "fresh", Image: "new", Mounts: []Mount{{"dc2", "/etc/coredns/dc2"}}}
	made := c.deployment(pattern, "coredns")
	service := &corev1.Service{Spec: corev1.ServiceSpec{Selector: old}}
	if leadsTo(service, made.Spec.Template.Labels) || !leadsTo(service, old) || leadsTo(&corev1.Service{}, old) {
		t.Errorf("labels %v", made.Spec.Template.Labels)
	}
	again := c.deployment(made, "fresh")
	for _, d := range []*appsv1.Deployment{made, again} {
		spec := d.Spec.Template.Spec
		if spec.Containers[0].Image != "new" || len(spec.Volumes) != 3 || spec.Volumes[0].ConfigMap.Name != "fresh" ||
			spec.Volumes[1].ConfigMap.Name != "coredns-custom" || spec.Volumes[2].Secret.SecretName != "dc2" ||
			len(spec.Containers[0].VolumeMounts) != 1 {
			t.Errorf("got %+v", spec)
		}
	}
	digest := func() string { return c.deployment(pattern, "coredns").Spec.Template.Annotations[corefileDigest] }
	first := digest()
	if c.Corefile = ".:53 {\n}\n"; first == "" || digest() == first {
		t.Error("pods with another Corefile are the same pods")
	}
	if len(pattern.Spec.Template.Annotations) > 0 || pattern.Spec.Template.Spec.Volumes[0].ConfigMap.Name != "coredns" || pattern.Spec.Template.Spec.Containers[0].Image != "old" {
		t.Error("the pattern was changed")
	}
}

// The guide removes the name servers before it has others (ICE guide, l.538), and leaves the cluster IP to luck: here
// nothing is removed before what replaces it was proven, switched to and drained from.
func TestNothingIsRemovedBeforeItIsReplaced(t *testing.T) {
	cluster, err := kube.New("dc1", &rest.Config{Host: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	needs := map[geored.StepID][]geored.StepID{}
	c := ChangeOver{Cluster: cluster, Old: "coredns", New: "fresh"}
	for _, step := range c.Steps() {
		needs[step.ID] = step.Needs
		if strings.Contains(step.Target, "service") && step.Action == geored.Delete {
			t.Errorf("the Service is deleted: %+v", step)
		}
	}
	for at, want := range map[string]string{"remove": "drain", "drain": "switch", "switch": "prove", "prove": "start", "start": "adopt"} {
		if got := needs[c.id(at)]; len(got) != 1 || got[0] != c.id(want) {
			t.Errorf("%s needs %v, want %s", at, got, want)
		}
	}
}

// Name servers that are asked are not taken back: what switched to them stays.
func TestNameServersThatAreAskedAreNotTakenBack(t *testing.T) {
	c := ChangeOver{Old: "coredns", New: "fresh"}
	for name, selector := range map[string]map[string]string{"led": c.labels(), "not led": {"k8s-app": "kube-dns"}, "no Service": nil} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if selector == nil {
				w.WriteHeader(http.StatusNotFound)
				_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound})
				return
			}
			_ = json.NewEncoder(w).Encode(corev1.Service{TypeMeta: metav1.TypeMeta{Kind: "Service", APIVersion: "v1"}, Spec: corev1.ServiceSpec{Selector: selector}})
		}))
		t.Cleanup(server.Close)
		var err error
		if c.Cluster, err = kube.New("dc1", &rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}); err != nil {
			t.Fatal(err)
		}
		undone := false
		err = c.unlessLed(func(context.Context) error { undone = true; return nil })(t.Context())
		if led := name == "led"; undone == led || (err != nil) != led {
			t.Errorf("%s: undone %v, %v", name, undone, err)
		}
	}
}
