package coredns

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// The marks by which Helm takes an object for its own (helm.sh/docs, "adopt").
const (
	managedBy        = "app.kubernetes.io/managed-by"
	releaseName      = "meta.helm.sh/release-name"
	releaseNamespace = "meta.helm.sh/release-namespace"
)

func (c ChangeOver) service(ctx context.Context) (*corev1.Service, error) {
	return c.Cluster.Client().CoreV1().Services(Namespace).Get(ctx, ServiceName, metav1.GetOptions{})
}

// patch changes the Service as it was last seen: an update in between is a conflict, after which the task observes again.
func (c ChangeOver) patch(ctx context.Context, seen *corev1.Service, change map[string]any) error {
	meta, _ := change["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
	}
	meta["resourceVersion"] = seen.ResourceVersion
	change["metadata"] = meta
	text, err := json.Marshal(change)
	if err != nil {
		return err
	}
	_, err = c.Cluster.Client().CoreV1().Services(Namespace).Patch(ctx, ServiceName, types.MergePatchType, text, metav1.PatchOptions{FieldManager: kube.FieldManager})
	return err
}

// adopt holds the Service to the cluster IP it had when the stage began, and gives it to the release.
func (c ChangeOver) adopt(step geored.Step, began *corev1.Service) geored.Task {
	owned := func(s *corev1.Service) bool {
		return c.Release == Release{} || s.Labels[managedBy] == "Helm" && s.Annotations[releaseName] == c.Release.Name && s.Annotations[releaseNamespace] == c.Release.Namespace
	}
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			s, err := c.service(ctx)
			switch {
			case err != nil:
				return geored.State{}, err
			case s.UID != began.UID || !slices.Equal(s.Spec.ClusterIPs, began.Spec.ClusterIPs):
				return geored.State{}, fmt.Errorf("service %s was replaced meanwhile: it had cluster IP %v and has %v", ServiceName, began.Spec.ClusterIPs, s.Spec.ClusterIPs)
			case !owned(s):
				return geored.State{Detail: "the Service does not belong to the release"}, nil
			}
			return geored.State{Done: true, Detail: "cluster IP " + s.Spec.ClusterIP + " is kept"}, nil
		},
		Apply: func(ctx context.Context) error {
			s, err := c.service(ctx)
			if err != nil {
				return err
			}
			return c.patch(ctx, s, map[string]any{"metadata": map[string]any{
				"labels":      map[string]any{managedBy: "Helm"},
				"annotations": map[string]any{releaseName: c.Release.Name, releaseNamespace: c.Release.Namespace},
			}})
		},
	}
}

// unlessLed keeps name servers that are asked: the switch to them is not taken back.
func (c ChangeOver) unlessLed(undo func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		s, err := c.service(ctx)
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		if err == nil && c.selected(s).Done {
			return fmt.Errorf("deployment %s answers what Service %s is asked: lead the Service to other name servers first", c.New, ServiceName)
		}
		return undo(ctx)
	}
}

func (c ChangeOver) prove(step geored.Step) geored.Task {
	return geored.Task{Step: step, Observe: c.proven}
}

// proven: every new pod is ready and answers right by its own address.
func (c ChangeOver) proven(ctx context.Context) (geored.State, error) {
	return Proven(ctx, c.Cluster, c.Prove, c.New)
}

// turn leads the Service to the new pods: the whole selector is replaced in one update. It proves them again before.
func (c ChangeOver) turn(step geored.Step) geored.Task {
	return geored.Task{Step: step, Observe: c.turned,
		Apply: func(ctx context.Context) error {
			if err := c.evidence(ctx, c.proven); err != nil {
				return err
			}
			s, err := c.service(ctx)
			if err != nil {
				return err
			}
			selector := map[string]any{}
			for key := range s.Spec.Selector {
				selector[key] = nil
			}
			for key, value := range c.labels() {
				selector[key] = value
			}
			return c.patch(ctx, s, map[string]any{"spec": map[string]any{"selector": selector},
				"metadata": map[string]any{"annotations": map[string]any{switchedAt: c.mark()}}})
		},
	}
}

// turned: the selector is the new one, and the endpoints are new pods alone.
func (c ChangeOver) turned(ctx context.Context) (geored.State, error) {
	s, err := c.service(ctx)
	if err != nil {
		return geored.State{}, err
	}
	if state := c.selected(s); !state.Done {
		return state, nil
	}
	return Leads(ctx, c.Cluster, c.New)
}

// selected: the Service leads to the labels that it should.
func (c ChangeOver) selected(s *corev1.Service) geored.State {
	if !maps.Equal(s.Spec.Selector, c.labels()) {
		return geored.State{Detail: fmt.Sprintf("the Service leads to %v", s.Spec.Selector)}
	}
	return geored.State{Done: true}
}

func (c ChangeOver) drain(step geored.Step) geored.Task {
	return geored.Task{Step: step, Observe: func(ctx context.Context) (geored.State, error) {
		state, err := c.turned(ctx)
		if err != nil || !state.Done {
			return state, err
		}
		s, err := c.service(ctx)
		if err != nil {
			return geored.State{}, err
		}
		at, ok := c.switched(s)
		if !ok {
			return geored.State{}, fmt.Errorf("annotation %s of the Service does not say when it was switched to %s: %q", switchedAt, c.New, s.Annotations[switchedAt])
		}
		left := c.Drain - c.Clock.Now().Sub(at)
		return geored.State{Done: left <= 0, Detail: fmt.Sprintf("switched at %s, %s left", at.Format(time.TimeOnly), max(left, 0).Round(time.Second))}, nil
	}}
}

// mark is when the Service was switched, and to what.
func (c ChangeOver) mark() string { return c.Clock.Now().UTC().Format(time.RFC3339Nano) + " " + c.New }

// switched is when the Service was switched to the new name servers; false when its mark is of others.
func (c ChangeOver) switched(s *corev1.Service) (time.Time, bool) {
	text, to, _ := strings.Cut(s.Annotations[switchedAt], " ")
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil && to == c.New
}

// evidence is asked for right before something that a name server may die of.
func (c ChangeOver) evidence(ctx context.Context, observe ...func(context.Context) (geored.State, error)) error {
	for _, see := range observe {
		state, err := see(ctx)
		if err != nil {
			return err
		}
		if !state.Done {
			return geored.Retriable(fmt.Errorf("the old name servers stay: %s", state.Detail))
		}
	}
	return nil
}

// remove deletes the old Deployment on the evidence that the Service leads to new pods alone, and to none that is not
// proven at this moment.
func (c ChangeOver) remove(step geored.Step) geored.Task {
	deployments := c.Cluster.Client().AppsV1().Deployments(Namespace)
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			_, err := deployments.Get(ctx, c.Old, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return geored.State{Done: true, Detail: "deployment " + c.Old + " is gone"}, nil
			}
			return geored.State{Detail: "deployment " + c.Old + " is there"}, err
		},
		Apply: func(ctx context.Context) error {
			if err := c.evidence(ctx, c.turned, c.proven); err != nil {
				return err
			}
			live, err := deployments.Get(ctx, c.Old, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			if err != nil {
				return err
			}
			background := metav1.DeletePropagationBackground
			return deployments.Delete(ctx, c.Old, metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &live.UID}})
		},
	}
}
