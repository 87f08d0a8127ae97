package coredns

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const corefileDigest = "georedkit/corefile"

// deployment is the new Deployment after the pattern of the old: same pods, other image, labels and Corefile, which the pattern
// has from a ConfigMap. It never has fewer pods available than it wants. Its pods bear the digest of their Corefile: with another
// they are other pods, for those that run would be proven long before they read it.
func (c ChangeOver) deployment(pattern *appsv1.Deployment, corefile string) *appsv1.Deployment {
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: c.labels(), Annotations: maps.Clone(pattern.Spec.Template.Annotations)}}
	metav1.SetMetaDataAnnotation(&template.ObjectMeta, corefileDigest, fmt.Sprintf("%x", sha256.Sum256([]byte(c.Corefile))))
	template.Spec = *pattern.Spec.Template.Spec.DeepCopy()
	container := &template.Spec.Containers[0]
	if c.Image != "" {
		container.Image = c.Image
	}
	for i := range template.Spec.Volumes {
		if source := template.Spec.Volumes[i].ConfigMap; source != nil && source.Name == corefile {
			source.Name = c.New
		}
	}
	c.mount(&template.Spec, container)
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: c.New, Labels: c.labels()},
		Spec: appsv1.DeploymentSpec{Replicas: pattern.Spec.Replicas, Template: template,
			Selector: &metav1.LabelSelector{MatchLabels: c.labels()}},
	}
}

// mount adds the credentials of the other sites; one that the pattern has already is replaced.
func (c ChangeOver) mount(spec *corev1.PodSpec, container *corev1.Container) {
	const prefix = "georedkit-"
	volumes, mounts := spec.Volumes[:0:0], container.VolumeMounts[:0:0]
	for _, v := range spec.Volumes {
		if !strings.HasPrefix(v.Name, prefix) {
			volumes = append(volumes, v)
		}
	}
	for _, m := range container.VolumeMounts {
		if !strings.HasPrefix(m.Name, prefix) {
			mounts = append(mounts, m)
		}
	}
	for i, m := range c.Mounts {
		name := fmt.Sprintf("%s%d", prefix, i)
		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: m.Secret}}})
		mounts = append(mounts, corev1.VolumeMount{Name: name, MountPath: m.Path, ReadOnly: true})
	}
	spec.Volumes, container.VolumeMounts = volumes, mounts
}
