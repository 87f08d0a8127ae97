package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"github.com/georedkit/georedkit/geored"
)

// stoppedKey is the annotation of a Deployment that [Mirrors.Stop] scaled to 0: how many pods it had.
const stoppedKey = "georedkit.io/stopped-with"

// Stop scales a site's mirror to 0 and remembers how many pods it had, in one call. A mirror that is at 0 stays as it is. Stop one
// that removes (--remove) before its own site's bucket is made anew: it would take an empty bucket for the truth, and empty
// the other site's.
func (m Mirrors) Stop(ctx context.Context, site geored.SiteName) error {
	return m.scale(ctx, site, "stop", func(d *appsv1.Deployment) (*scaling, error) {
		if wanted(*d) == 0 {
			return nil, nil
		}
		return &scaling{pods: 0, remember: strconv.Itoa(wanted(*d))}, nil
	})
}

// Stopped is done when the mirror is scaled to 0 and no pod of it is left, also none on its way out.
func (m Mirrors) Stopped(ctx context.Context, site geored.SiteName) (geored.State, error) {
	mirror, err := m.Read(ctx, site)
	switch {
	case err != nil:
		return geored.State{}, err
	case mirror.Wanted > 0:
		return geored.State{Detail: fmt.Sprintf("%d pods are wanted", mirror.Wanted)}, nil
	case len(mirror.Pods) > 0:
		return geored.State{Detail: fmt.Sprintf("pod %s is still there", mirror.Pods[0].Name)}, nil
	}
	return geored.State{Done: true, Detail: "no pod is left"}, nil
}

// Start gives a mirror that [Mirrors.Stop] stopped its pods back. One that somebody else stopped, or that runs, stays as it is.
func (m Mirrors) Start(ctx context.Context, site geored.SiteName) error {
	return m.scale(ctx, site, "start", func(d *appsv1.Deployment) (*scaling, error) {
		text, stopped := d.Annotations[stoppedKey]
		if !stopped {
			return nil, nil
		}
		pods, err := strconv.Atoi(text)
		if err != nil || pods < 1 {
			return nil, fmt.Errorf("annotation %s is %q, and must be how many pods it had: scale it up by hand, and remove the annotation", stoppedKey, text)
		}
		return &scaling{pods: max(pods, wanted(*d))}, nil
	})
}

// scaling is how many pods are wanted, and what is remembered of it.
type scaling struct {
	pods     int
	remember any // nil: nothing
}

// scale does what to asks for; nil: nothing is to be done. Controllers write into a Deployment all the time: that is a conflict, and
// looked at again.
func (m Mirrors) scale(ctx context.Context, site geored.SiteName, verb string, to func(*appsv1.Deployment) (*scaling, error)) error {
	client, err := m.client(site)
	if err != nil {
		return m.failed(site, verb, err)
	}
	deployments := client.AppsV1().Deployments(m.Namespace)
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		d, err := deployments.Get(ctx, m.Deployment, metav1.GetOptions{})
		if err != nil {
			return err
		}
		change, err := to(d)
		if err != nil || change == nil {
			return err
		}
		patch, err := json.Marshal(map[string]any{"spec": map[string]any{"replicas": change.pods},
			"metadata": map[string]any{"resourceVersion": d.ResourceVersion, "annotations": map[string]any{stoppedKey: change.remember}}})
		if err == nil {
			_, err = deployments.Patch(ctx, m.Deployment, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "georedkit"})
		}
		return err
	})
	if err != nil {
		return m.failed(site, verb, temporary(err))
	}
	return nil
}
