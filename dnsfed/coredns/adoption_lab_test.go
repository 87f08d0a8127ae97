//go:build lab

package coredns

import (
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored/kube"
)

// release does what a chart does: it makes its Deployment and leads the Service to it, all at once, long before the pods
// are ready.
func (p *place) release(pattern Deployment, name string, selector map[string]string) {
	p.t.Helper()
	fresh := pattern.live.DeepCopy()
	fresh.ObjectMeta = metav1.ObjectMeta{Namespace: Namespace, Name: name, Labels: selector}
	fresh.Spec.Selector.MatchLabels, fresh.Spec.Template.Labels = selector, selector
	fresh.Spec.Template.Spec.Containers[0].ReadinessProbe.InitialDelaySeconds = 3
	objects, err := kube.Objects(fresh)
	check(p.t, err)
	check(p.t, p.cluster.Apply(p.t.Context(), objects...))
	dns, err := Read(p.t.Context(), p.cluster)
	check(p.t, err)
	change := map[string]any{}
	for key := range dns.Service.Spec.Selector {
		change[key] = nil
	}
	for key, value := range selector {
		change[key] = value
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"selector": change}})
	check(p.t, err)
	_, err = p.cluster.Client().CoreV1().Services(Namespace).Patch(p.t.Context(), ServiceName, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "helm"})
	check(p.t, err)
}

func (p *place) adoption(name string) (Adoption, Deployment) {
	p.t.Helper()
	_, old := p.serving()
	return Adoption{Cluster: p.cluster, Old: old.Name, New: name, Selector: map[string]string{nameLabel: name, "app.kubernetes.io/instance": "test"},
		Release: Release{name, "ice"}, Prove: p.proof, Drain: 2 * time.Second}, old
}

// The trap itself: without what [Adoption] does before, a release takes the site's DNS away until its pods are ready.
func TestAReleaseAloneLosesAnswers(t *testing.T) {
	p := places(t)[1]
	a, old := p.adoption("ice-alone")
	asking := p.keepAsking()
	p.release(old, a.New, a.Selector)
	time.Sleep(2 * time.Second)
	if asked, wrong := asking.end(); len(wrong) == 0 {
		t.Errorf("%d questions, and all were answered: the release does not do what charts do", asked)
	}
	p.run(a.Before("again"), a.After("after"))
	if dns, now := p.serving(); now.Name != a.New || len(dns.Deployments) != 1 {
		t.Errorf("it was not mended: %+v", dns.Deployments)
	}
}

func TestAnAdoptionLosesNoAnswer(t *testing.T) {
	p := places(t)[1]
	a, old := p.adoption("ice-coredns")
	before, _ := p.serving()
	asking := p.keepAsking()
	p.run(a.Before("before"))
	p.release(old, a.New, a.Selector)
	p.run(a.Before("before"), a.After("after")) // the program was killed in between, and began anew
	p.lostNothing(asking)
	dns, now := p.serving()
	if now.Name != a.New || len(dns.Deployments) != 1 || dns.Service.UID != before.Service.UID || dns.Service.Spec.ClusterIP != before.Service.Spec.ClusterIP ||
		dns.Service.Labels[managedBy] != "Helm" || dns.Service.Annotations[releaseName] != a.New || dns.Service.Annotations[releaseNamespace] != "ice" {
		t.Errorf("%+v", dns)
	}
	p.run(a.Before("before"), a.After("after"))
	if again, _ := p.serving(); again.Service.ResourceVersion != dns.Service.ResourceVersion {
		t.Error("an adoption that was done changed the Service again")
	}
}
