//go:build lab

package kube_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/georedkit/georedkit/creds"
	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/creds/serving"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

const readerPort = 1053

// reader is a CoreDNS that reads dc1 and nothing else, with the Secret that dc2 is given: it is ready when it has read it.
func (p *pair) reader() []*kube.Object {
	p.t.Helper()
	labels, one := map[string]string{"app": "reader"}, int32(1)
	corefile := fmt.Sprintf(".:%d {\n    errors\n    ready :18181\n    kubernetai cluster.local {\n        kubeconfig /etc/dc1/config dc1\n    }\n}\n", readerPort)
	objects, err := kube.Objects(
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "reader"}, Data: map[string]string{"Corefile": corefile}},
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "reader"}, Spec: appsv1.DeploymentSpec{
			Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}, // two of them cannot have one port
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				HostNetwork: true, DNSPolicy: corev1.DNSDefault,
				Containers: []corev1.Container{{Name: "coredns", Image: "localhost/lab/coredns:1.15", ImagePullPolicy: corev1.PullNever, Args: []string{"-conf", "/etc/coredns/Corefile"},
					ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(18181)}}},
					VolumeMounts:   []corev1.VolumeMount{{Name: "config", MountPath: "/etc/coredns"}, {Name: "dc1", MountPath: "/etc/dc1"}}}},
				Volumes: []corev1.Volume{
					{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "reader"}}}},
					{Name: "dc1", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "dc1"}}}}}}}})
	p.must(err)
	return objects
}

// reads asks the reader for a Service that is in dc1 alone.
func (p *pair) reads(want string) bool {
	p.t.Helper()
	answer, err := probe.Ask(p.t.Context(), p.receiver.Probe, probe.DNS{Server: fmt.Sprintf("127.0.0.1:%d", readerPort), Name: "only-dc1.default.svc.cluster.local"})
	return err == nil && strings.Join(answer.Records, " ") == want
}

func (p *pair) token(account creds.Account, generation int) creds.Token {
	p.t.Helper()
	secret, err := p.source.Client().CoreV1().Secrets(account.Namespace).Get(p.t.Context(), fmt.Sprintf("%s-token-%d", account.Name, generation), metav1.GetOptions{})
	p.must(err)
	token, err := creds.ParseToken(string(secret.Data["token"]))
	p.must(err)
	return token
}

// dc2's CoreDNS is given access to dc1, reads it, is given another token and reads it with that; then the first one is
// good for nothing.
func TestAConsumerReadsWithWhatItWasGiven(t *testing.T) {
	p := sites(t)
	account := creds.Account{Namespace: "kube-system", Name: "remote-dns"}
	source := p.account(account, credskube.DNSRole())
	only, err := kube.Objects(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "only-dc1"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}})
	p.must(err)
	p.run(geored.StageOf("service", p.source.ApplyTask(taskStep("service"), only...)))
	service, err := p.source.Client().CoreV1().Services("default").Get(t.Context(), "only-dc1", metav1.GetOptions{})
	p.must(err)

	p.must(p.receiver.Cluster.Apply(t.Context(), p.reader()...)) // its pod waits for the Secret
	grants, err := creds.Plan([]creds.Consumer{{Name: "reader", Site: "dc2", Namespace: "default", Workload: "deployment/reader", Reading: creds.ReadsOnce, Sources: []geored.SiteName{"dc1"}, Account: account}})
	p.must(err)
	receivers := map[geored.SiteName]credskube.Receiver{"dc2": p.receiver}
	var first creds.Token
	for generation := 1; generation <= 2; generation++ {
		if generation == 1 && p.reads(service.Spec.ClusterIP) {
			t.Fatal("it reads what it has no access to")
		}
		r := credskube.Rotation{Rotation: creds.Rotation{Source: "dc1", Account: account, Generation: generation, Grants: grants}, From: source, Receivers: receivers}
		stages, err := r.Stages()
		p.must(err)
		p.run(stages...)
		labtest.Until(t, fmt.Sprintf("generation %d: the consumer was restarted and reads", generation), func() error {
			if !p.reads(service.Spec.ClusterIP) { // CoreDNS is ready a moment before it listens
				return labtest.ErrNotYet
			}
			return nil
		})
		if generation == 1 {
			first = p.token(account, 1)
		}
	}
	answers, err := source.Receive(t.Context(), first)
	if err != nil || len(answers.Asked()) != 2 || len(answers.Unanswered()) > 0 {
		t.Fatalf("%v %v", answers.Unanswered(), err)
	}
	for target, reception := range answers.All() {
		if reception.Accepted {
			t.Errorf("%s takes the first token after it was revoked", target)
		}
	}
	report, err := geored.Prove(t.Context(), geored.CheckConfig{}, credskube.Proof{Grants: grants, Sources: []credskube.Source{source}, Receivers: receivers}.Checks()...)
	if err != nil || report.Verdict() != geored.Pass {
		t.Errorf("%v %+v", err, report)
	}
	// A server that leads nowhere from the other site is not written anywhere.
	source.Server = "https://127.0.0.1:6443"
	for name, receiver := range map[string]credskube.Receiver{"": p.receiver, " though it answers there": {Cluster: p.receiver.Cluster, Probe: probe.Local(serving.Questions(nil))}} {
		if _, err := source.Export(t.Context(), "dc1", creds.ExecCredential{Token: p.token(account, 2)}, receiver); err == nil {
			t.Errorf("the loopback address was exported%s", name)
		}
	}
}

// A bound token is taken by the API server, and what was written for a consumer that reads a file is whole.
func TestRenewalOnRealSites(t *testing.T) {
	p := sites(t)
	account := creds.Account{Namespace: "kube-system", Name: "file-reader"}
	source := p.account(account, credskube.DNSRole())
	grants, err := creds.Plan([]creds.Consumer{{Name: "file-reader", Site: "dc2", Namespace: "kube-system", Reading: creds.ReadsFile, MountPath: "/etc/dc1", Sources: []geored.SiteName{"dc1"}, Account: account}})
	p.must(err)
	renewal := credskube.Renewal{From: source, To: p.receiver, Grant: grants[0], Life: time.Hour}
	task, err := renewal.Task()
	p.must(err)
	for _, want := range []geored.Status{geored.Changed, geored.Unchanged} {
		result, err := geored.Runbook{Name: "renew", Stages: []geored.Stage{geored.StageOf("renew", task)}}.Run(t.Context(), geored.RunConfig{})
		if err != nil || result.Outcomes[0].Status != want {
			t.Errorf("%v %+v, want %s", err, result.Outcomes, want)
		}
	}
	live, err := p.receiver.Cluster.Client().CoreV1().Secrets("kube-system").Get(t.Context(), "dc1", metav1.GetOptions{})
	if err != nil || !strings.Contains(string(live.Data[creds.KeyConfig]), "tokenFile: /etc/dc1/token") {
		t.Error(err)
	}
	if _, err := source.Request(t.Context(), time.Minute, ""); err == nil || !strings.Contains(err.Error(), "below the 10m0s") {
		t.Error(err)
	}
}
