//go:build lab

package coredns

import (
	"context"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

const cacheAddress = "169.254.25.10"

// cache is a DNS cache on every node, as Kubespray's nodelocaldns is: by its label, its address and its Corefile.
func (p *place) cache(upstream string) []*kube.Object {
	p.t.Helper()
	labels := map[string]string{"k8s-app": "nodelocaldns"}
	corefile := fmt.Sprintf("cluster.local:53 {\n    errors\n    cache 5\n    bind %s\n    forward . %s\n}\n", cacheAddress, upstream)
	objects, err := kube.Objects(
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: "nodelocaldns"}, Data: map[string]string{"Corefile": corefile}},
		&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: "nodelocaldns", Labels: labels}, Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{HostNetwork: true, DNSPolicy: corev1.DNSDefault,
				Containers: []corev1.Container{{Name: "node-cache", Image: "localhost/lab/coredns:1.15", Args: []string{"-conf", "/etc/coredns/Corefile"},
					VolumeMounts: []corev1.VolumeMount{{Name: "config", MountPath: "/etc/coredns"}}}},
				Volumes: []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
					LocalObjectReference: corev1.LocalObjectReference{Name: "nodelocaldns"}}}}}}}}})
	check(p.t, err)
	return objects
}

// A cache on the node is asked by its own address, and one that asks somebody else than the Service is found.
func TestACacheOnTheNode(t *testing.T) {
	p := places(t)[0]
	node := string(p.Name) + "-1"
	lab.Up(t).On(node, "ip", "address", "add", cacheAddress+"/32", "dev", "lo")
	t.Cleanup(func() { lab.Up(t).On(node, "ip", "address", "del", cacheAddress+"/32", "dev", "lo") })
	dns, _ := p.serving()
	objects := p.cache(dns.Service.Spec.ClusterIP)
	p.run(geored.StageOf("cache", p.cluster.ApplyTask(geored.Step{ID: "cache", Target: "cache", Action: geored.Apply}, objects...)))
	t.Cleanup(func() { check(t, p.cluster.Delete(context.WithoutCancel(t.Context()), objects...)) })

	dns, _ = p.serving()
	servers := dns.Servers(p.Name)
	last := servers[len(servers)-1]
	if last.Kind != dnsfed.ServerCache || last.Address.Addr().String() != cacheAddress {
		t.Fatalf("the cache is not among %+v", servers)
	}
	labtest.Until(t, "a cache that answers", func() error { // it has only just started
		if finding := p.proof(t.Context(), []dnsfed.Server{last}); finding.Verdict != geored.Pass {
			return fmt.Errorf("%s: %s %q %v", finding.Verdict, finding.Message, finding.Evidence, finding.Unanswered)
		}
		return nil
	})
	check(t, p.cluster.Apply(t.Context(), p.cache("10.98.0.99")...))
	dns, err := Read(t.Context(), p.cluster)
	check(t, err)
	if problems := strings.Join(dns.problems(), "; "); !strings.Contains(problems, "node cache nodelocaldns asks 10.98.0.99") {
		t.Errorf("%q", problems)
	}
}
