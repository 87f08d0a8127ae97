package coredns

import (
	"context"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
)

func TestAdoptionsThatCannotBegin(t *testing.T) {
	a := Adoption{Cluster: served(t, nil), Old: "coredns", New: "coredns"}
	for name, stage := range map[string]geored.Stage{"before": a.Before("before"), "after": a.After("after")} {
		_, err := stage.Bind(t.Context())
		for _, want := range []string{"deployment coredns: must have a name other than", "prove: is not given", "selector: is not given", "release: is not given"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in %v", name, want, err)
			}
		}
	}
	a = Adoption{Cluster: served(t, nil), Old: "coredns", New: "fresh", Selector: map[string]string{"a": "b"}, Release: Release{"r", "n"},
		Prove: func(context.Context, []dnsfed.Server) geored.Finding { return geored.Finding{} }}
	if _, err := a.Before("before").Bind(t.Context()); err == nil || strings.Contains(err.Error(), "is not given") {
		t.Errorf("a cluster that has nothing: %v", err)
	}
}

// The copies are found by the release's selector and by nobody else: neither by the old Service nor by the old Deployment.
func TestStandInsAnswerForTheRelease(t *testing.T) {
	old := map[string]string{"k8s-app": "kube-dns"}
	pattern := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Image: "old"}}}}}}
	pattern.Name, pattern.Spec.Template.Labels = "coredns", old
	a := Adoption{Old: "coredns", New: "fresh", Selector: map[string]string{"app": "fresh"}}
	made := a.copyOf(pattern)
	release := &corev1.Service{Spec: corev1.ServiceSpec{Selector: a.Selector}}
	before := &corev1.Service{Spec: corev1.ServiceSpec{Selector: old}}
	if pod := made.Spec.Template.Labels; !leadsTo(release, pod) || leadsTo(before, pod) || made.Name == "coredns" || made.Spec.Template.Spec.Containers[0].Image != "old" {
		t.Errorf("%+v", made)
	}
	if len(a.Selector) != 1 || pattern.Spec.Template.Labels["k8s-app"] != "kube-dns" || len(made.Spec.Selector.MatchLabels) != 2 {
		t.Errorf("what was given was changed: %v, %v", a.Selector, pattern.Spec.Template.Labels)
	}
}
