package kube

import (
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// Objects are the namespace, the config and the DaemonSet of the agents.
func (g Gateways) Objects(c gateway.Config) ([]*kube.Object, error) {
	if g.Image == "" {
		return nil, errors.New("probe image: none is named; give one with -probe-image (make image writes it)")
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("gateway %s: %w", c.Node, err)
	}
	text, sum, err := digest(c)
	if err != nil {
		return nil, err
	}
	namespace := privileged(g.Namespace)
	config := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: g.Namespace, Name: name},
		Data:       map[string]string{configKey: string(text)},
	}
	agents := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: g.Namespace, Name: name, Labels: podLabels},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: podLabels},
			// All at once: an agent that is replaced cuts nothing where the kernel has the interface, and one after the
			// other would take a second per node.
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.RollingUpdateDaemonSetStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: &intstr.IntOrString{Type: intstr.String, StrVal: "100%"}}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: podLabels, Annotations: map[string]string{"georedkit/config": sum}},
				Spec:       g.podSpec(),
			},
		},
	}
	return kube.Objects(namespace, config, agents)
}

func (g Gateways) podSpec() corev1.PodSpec {
	hostPath := func(volume, path string, kind corev1.HostPathType) corev1.Volume {
		return corev1.Volume{Name: volume, VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &kind}}}
	}
	spec := nodePod(g.PullSecret, corev1.Container{
		Name: "agent", Image: g.Image,
		Args: []string{"gateway", "-config", "/etc/georedkit/" + configKey, "-key", stateDir + "/wireguard.key"},
		Env: []corev1.EnvVar{{Name: "NODE_NAME", ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "spec.nodeName"}}}},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "config", MountPath: "/etc/georedkit", ReadOnly: true},
			{Name: "state", MountPath: stateDir},
			{Name: "devices", MountPath: "/dev/net"},
			{Name: "sockets", MountPath: sockets},
		},
	}, "NET_ADMIN")
	spec.Volumes = []corev1.Volume{
		{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}},
		hostPath("state", stateDir, corev1.HostPathDirectoryOrCreate),
		hostPath("devices", "/dev/net", corev1.HostPathDirectoryOrCreate), // tun, for kernels without WireGuard
		{Name: "sockets", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}
	return spec
}

// nodePod is a pod on a node's own network with nothing but the capabilities it needs.
func nodePod(pullSecret string, container corev1.Container, capabilities ...corev1.Capability) corev1.PodSpec {
	no, yes, root, grace := false, true, int64(0), int64(1)
	var secrets []corev1.LocalObjectReference
	if pullSecret != "" {
		secrets = []corev1.LocalObjectReference{{Name: pullSecret}}
	}
	container.SecurityContext = &corev1.SecurityContext{
		RunAsUser: &root, AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: capabilities},
	}
	return corev1.PodSpec{
		HostNetwork: true, DNSPolicy: corev1.DNSDefault, ImagePullSecrets: secrets,
		AutomountServiceAccountToken: &no, EnableServiceLinks: &no, TerminationGracePeriodSeconds: &grace,
		PriorityClassName: "system-node-critical",
		Tolerations:       []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		Containers:        []corev1.Container{container},
	}
}
