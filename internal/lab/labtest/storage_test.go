package labtest

import (
	"context"
	"errors"
	"os"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const defaultClass = "storageclass.kubernetes.io/is-default-class"

func TestOneDefaultStorageClass(t *testing.T) {
	t.Parallel()
	for _, site := range shared.Sites {
		classes, err := site.client(t).StorageV1().StorageClasses().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(classes.Items) != 1 || classes.Items[0].Name != "local-path" || classes.Items[0].Annotations[defaultClass] != "true" {
			t.Errorf("site %s: %+v", site.Name, classes.Items)
		}
	}
}

// claim asks for a volume of the default class.
func claim(name string) corev1.PersistentVolumeClaim {
	return corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
}

// createSet makes a StatefulSet of one pod, NAME-0, with a volume at /data, for a user that is not root.
func (c cluster) createSet(t *testing.T, name string) {
	t.Helper()
	user := int64(1000)
	template := pod(name, running("sleep", "infinity"))
	template.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &user}
	template.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.StatefulSetSpec{
			Selector:             &metav1.LabelSelector{MatchLabels: template.Labels},
			Template:             corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: template.Labels}, Spec: template.Spec},
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{claim("data")},
		},
	}
	if _, err := c.AppsV1().StatefulSets(c.namespace).Create(context.Background(), set, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.ready(t, name+"-0")
}

func (c cluster) writeData(t *testing.T, podName, value string) {
	t.Helper()
	if _, err := c.exec(context.Background(), podName, nil, "sh", "-c", "echo "+value+" > /data/file"); err != nil {
		t.Fatal(err)
	}
}

func (c cluster) checkData(t *testing.T, podName, value string) {
	t.Helper()
	eventually(t, "the data of "+podName, func() error {
		got, err := c.exec(context.Background(), podName, nil, "cat", "/data/file")
		if err == nil && got != value+"\n" {
			t.Fatalf("the volume of %s holds %q, want %q", podName, got, value)
		}
		return err
	})
}

func TestStatefulSetKeepsItsData(t *testing.T) {
	t.Parallel()
	c := shared.Sites[0].cluster(t)
	c.createSet(t, "store")
	c.writeData(t, "store-0", "kept")
	c.remove(t, "store-0")
	c.ready(t, "store-0")
	c.checkData(t, "store-0", "kept")
}

func TestReleasedVolumeIsRemoved(t *testing.T) {
	t.Parallel()
	c := shared.Sites[0].cluster(t)
	c.createSet(t, "store")
	claims := c.CoreV1().PersistentVolumeClaims(c.namespace)
	bound, err := claims.Get(t.Context(), "data-store-0", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	volumes := c.CoreV1().PersistentVolumes()
	volume, err := volumes.Get(t.Context(), bound.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path := volume.Spec.HostPath.Path
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	if err := c.AppsV1().StatefulSets(c.namespace).Delete(t.Context(), "store", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := claims.Delete(t.Context(), bound.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the volume gone", func() error {
		if _, err := volumes.Get(context.Background(), volume.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return errors.Join(err, errors.New("it is still there"))
		}
		return nil
	})
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder: %v", err)
	}
}
