package kube

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/georedkit/georedkit/geored/probe"
)

// ProbeProgram is the only program of the probe image, and its path.
const ProbeProgram = "/probe"

// Probe puts questions to the probe program of a container. It is a probe.Client.
type Probe struct {
	Cluster   *Cluster
	Namespace string
	Pod       string
	Container string
}

// Ask executes the probe program in the container.
func (p Probe) Ask(ctx context.Context, arguments []string, input []byte) ([]byte, error) {
	output, err := p.Cluster.Exec(ctx, Command{
		Namespace: p.Namespace, Pod: p.Pod, Container: p.Container,
		Argv: append([]string{ProbeProgram}, arguments...), Stdin: input,
	})
	return output.Stdout, err
}

// ProbeSpec describes a probe pod, and a Service with the same name that leads to it. The pod is a listener for the
// questions of other sites.
type ProbeSpec struct {
	Namespace  string // must be there
	Name       string
	Site       string // stands in the pod's answers
	Image      string
	PullSecret string // name of a Secret of type kubernetes.io/dockerconfigjson in Namespace; zero: none
	Node       string // zero: any
}

// Objects are the pod and the service.
func (s ProbeSpec) Objects() ([]*Object, error) {
	if s.Image == "" {
		return nil, errors.New("probe image: none is named; give one with -probe-image (make image writes it)")
	}
	labels := map[string]string{"app.kubernetes.io/name": "georedkit-probe", "app.kubernetes.io/instance": s.Name}
	meta := metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name, Labels: labels}
	var secrets []corev1.LocalObjectReference
	if s.PullSecret != "" {
		secrets = []corev1.LocalObjectReference{{Name: s.PullSecret}}
	}
	no, yes, nobody, grace := false, true, int64(65534), int64(0)
	pod := &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{
		NodeName: s.Node, ImagePullSecrets: secrets,
		AutomountServiceAccountToken: &no, EnableServiceLinks: &no, TerminationGracePeriodSeconds: &grace,
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &nobody, RunAsGroup: &nobody,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		Containers: []corev1.Container{{
			Name: "probe", Image: s.Image, Args: []string{"listen", "-site", s.Site, "-pod", s.Name},
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: probe.HTTPPort}},
			ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
				HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromString("http")}}},
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
		}},
	}}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Selector: labels, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}}}}
	return Objects(pod, service)
}

// Probe is the way to the pod of the spec.
func (s ProbeSpec) Probe(c *Cluster) Probe {
	return Probe{Cluster: c, Namespace: s.Namespace, Pod: s.Name, Container: "probe"}
}

// Addresses are where the other sites reach the pod and its service.
func (s ProbeSpec) Addresses(ctx context.Context, c *Cluster) (podIP, serviceIP string, err error) {
	pod, err := c.client.CoreV1().Pods(s.Namespace).Get(ctx, s.Name, metav1.GetOptions{})
	if err != nil {
		return "", "", err
	}
	service, err := c.client.CoreV1().Services(s.Namespace).Get(ctx, s.Name, metav1.GetOptions{})
	if err != nil {
		return "", "", err
	}
	if pod.Status.PodIP == "" || service.Spec.ClusterIP == "" {
		return "", "", errors.New("the probe has no address yet")
	}
	return pod.Status.PodIP, service.Spec.ClusterIP, nil
}
