package ice

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// storageProven marks the namespace with the storage class that was seen to bind a volume.
const storageProven = "georedkit/storage-proven"

// storageTask has a volume of the default storage class bound and takes it away again. A mark remembers the class: another
// default is tried anew.
func (d *Deployment) storageTask(step geored.Step, site geored.SiteName) geored.Task {
	client := d.Clusters[site].Client()
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			class, err := d.defaultClass(ctx, site)
			if err != nil {
				return geored.State{}, err
			}
			namespace, err := client.CoreV1().Namespaces().Get(ctx, Namespace, metav1.GetOptions{})
			if err != nil {
				return geored.State{}, err
			}
			if namespace.Annotations[storageProven] != class {
				return geored.State{Detail: "no volume of the default storage class was seen to bind"}, nil
			}
			return geored.State{Done: true, Detail: "a volume of storage class " + class + " was bound"}, nil
		},
		Apply: func(ctx context.Context) error {
			class, err := d.defaultClass(ctx, site)
			if err == nil {
				err = d.tryVolume(ctx, site)
			}
			if err != nil {
				return err
			}
			return d.markStorage(ctx, site, strconv.Quote(class))
		},
		Undo: func(ctx context.Context) error { return d.markStorage(ctx, site, "null") },
		Gone: func(ctx context.Context) (geored.State, error) {
			namespace, err := client.CoreV1().Namespaces().Get(ctx, Namespace, metav1.GetOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return geored.State{}, err
			}
			return geored.State{Done: err != nil || namespace.Annotations[storageProven] == "", Detail: "a mark at namespace " + Namespace}, nil
		},
	}
}

// markStorage writes the mark, or takes it away.
func (d *Deployment) markStorage(ctx context.Context, site geored.SiteName, value string) error {
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, storageProven, value)
	_, err := d.Clusters[site].Client().CoreV1().Namespaces().Patch(ctx, Namespace, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: kube.FieldManager})
	if apierrors.IsNotFound(err) && value == "null" {
		return nil
	}
	return err
}

// defaultClass is the name and identity of the only default class.
func (d *Deployment) defaultClass(ctx context.Context, site geored.SiteName) (string, error) {
	classes, err := d.classes(ctx, site)
	if err != nil {
		return "", err
	}
	if names := defaults(classes); len(names) != 1 {
		return "", errors.New(judgeClasses(classes).Message)
	}
	for _, class := range classes {
		if class.Annotations[defaultClass] == "true" {
			return class.Name + "@" + string(class.UID), nil
		}
	}
	return "", nil
}

// tryVolume waits for a claim, and a pod that mounts it: many classes bind for a pod only.
func (d *Deployment) tryVolume(ctx context.Context, site geored.SiteName) (err error) {
	cluster := d.Clusters[site]
	objects, err := volumeObjects(d.options.Images)
	if err != nil {
		return err
	}
	if err := cluster.Apply(ctx, objects...); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, cluster.Delete(context.WithoutCancel(ctx), objects...))
	}()
	last := ""
	for {
		claim, err := cluster.Client().CoreV1().PersistentVolumeClaims(Namespace).Get(ctx, volumeName, metav1.GetOptions{})
		switch {
		case err != nil && !apierrors.IsNotFound(err):
			return err
		case err == nil && claim.Status.Phase == corev1.ClaimBound:
			return nil
		case err == nil:
			last = string(claim.Status.Phase)
		}
		if geored.SystemClock().Sleep(ctx, pollPause) != nil {
			return fmt.Errorf("a volume of the default storage class is not bound but %s: %w", last, context.Cause(ctx))
		}
	}
}

const volumeName = "storage-trial"

func volumeObjects(images Images) ([]*kube.Object, error) {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: volumeName}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")}},
	}}
	zero := int64(0)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: volumeName}, Spec: corev1.PodSpec{
		TerminationGracePeriodSeconds: &zero,
		Containers: []corev1.Container{{Name: "trial", Image: images.Probe, Args: []string{"wait"},
			VolumeMounts: []corev1.VolumeMount{{Name: "volume", MountPath: "/volume"}}}},
		Volumes: []corev1.Volume{{Name: "volume", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: volumeName}}}},
	}}
	if images.PullSecret != "" {
		pod.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: images.PullSecret}}
	}
	return kube.Objects(claim, pod)
}
