package coredns

import (
	"context"
	"fmt"
	"maps"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Adoption is a change-over in which a Helm release brings the new name servers and the Service, and leads the one to
// the other by itself: what is to be done before it is installed and after, so that no query goes unanswered.
//
// A chart switches the selector when its pods have not even been started. So copies of the name servers that serve now
// are started before under the labels that the release will select: they answer until the release's own pods do, and go
// when each of those was proven by its own address.
type Adoption struct {
	Cluster  *kube.Cluster
	Old      string            // Deployment that serves now
	New      string            // Deployment that the release makes; must not be Old
	Selector map[string]string // of the Service as the release makes it
	Release  Release
	// Prove holds the new pods to what they must answer, each by its own address, before the old ones go. Required.
	Prove func(context.Context, []dnsfed.Server) geored.Finding
	Drain time.Duration // as in [ChangeOver]
	Clock geored.Clock  // zero: geored.SystemClock
}

func (a Adoption) changeOver() ChangeOver {
	return ChangeOver{Cluster: a.Cluster, Old: a.Old, New: a.New, Release: a.Release, Prove: a.Prove, Drain: a.Drain, Clock: a.Clock,
		selector: a.Selector}.withDefaults()
}

// standIn is the name of the copies' Deployment.
func (a Adoption) standIn() string { return a.Old + "-stand-in" }

// Before is the stage in front of the release's installation.
func (a Adoption) Before(name string) geored.Stage {
	c := a.changeOver()
	outline := []geored.Step{
		c.Steps()[0],
		{ID: c.id("stand-in"), Site: a.Cluster.Site(), Target: "deployment " + Namespace + "/" + a.standIn(), Action: geored.Apply, Needs: []geored.StepID{c.id("adopt")},
			Reason: "the release leads the Service to pods that are not there yet: until they answer, copies of those that serve now do"},
	}
	return geored.Stage{Name: name, Outline: outline, Bind: func(ctx context.Context) ([]geored.Task, error) {
		dns, err := a.read(ctx, c)
		if err != nil {
			return nil, err
		}
		stand, err := a.standInTask(ctx, outline[1], c)
		return []geored.Task{c.adopt(outline[0], dns.Service), stand}, err
	}}
}

// After is the stage behind it. It waits until the release's pods are proven.
func (a Adoption) After(name string) geored.Stage {
	c := a.changeOver()
	const kubectl = "kubectl -n " + Namespace + " "
	steps := c.Steps()
	prove, drain, remove := steps[2], steps[4], steps[5]
	prove.Needs = nil
	retire := geored.Step{ID: c.id("retire"), Site: a.Cluster.Site(), Target: "deployment " + Namespace + "/" + a.standIn(), Action: geored.Delete,
		Reason: "the release's own name servers answer now", Manual: []string{kubectl + "delete deployment " + a.standIn()}, Needs: []geored.StepID{c.id("prove")}}
	drain.Needs = []geored.StepID{retire.ID}
	return geored.Stage{Name: name, Outline: []geored.Step{prove, retire, drain, remove}, Bind: func(ctx context.Context) ([]geored.Task, error) {
		if _, err := a.read(ctx, c); err != nil {
			return nil, err
		}
		return []geored.Task{c.prove(prove), a.retire(retire, c), c.drain(drain), c.remove(remove)}, nil
	}}
}

func (a Adoption) read(ctx context.Context, c ChangeOver) (DNS, error) {
	faults := c.faults()
	if len(a.Selector) == 0 {
		faults = append(faults, geored.Fault{Site: a.Cluster.Site(), Field: "selector", Problem: "is not given", Remedy: "write the labels that the chart's Service selects"})
	}
	if a.Release == (Release{}) {
		faults = append(faults, geored.Fault{Site: a.Cluster.Site(), Field: "release", Problem: "is not given", Remedy: "write its name and namespace"})
	}
	if err := faults.Err(); err != nil {
		return DNS{}, err
	}
	dns, err := Read(ctx, a.Cluster)
	switch {
	case err != nil:
		return dns, err
	case dns.Service == nil:
		return dns, errNoService
	}
	return dns, c.besideFaults(dns).Err()
}

// standInTask is done also when the release serves already, and the name servers before it are gone.
func (a Adoption) standInTask(ctx context.Context, step geored.Step, c ChangeOver) (geored.Task, error) {
	pattern, err := c.pattern(ctx, a.Old)
	if err != nil {
		return geored.Task{}, err
	}
	task := geored.Task{Step: step, Observe: func(ctx context.Context) (geored.State, error) {
		return geored.State{Detail: "deployment " + a.Old + " is not there, and the release does not serve"}, nil
	}}
	if pattern != nil {
		objects, err := kube.Objects(a.copyOf(pattern))
		if err != nil {
			return geored.Task{}, err
		}
		task = a.Cluster.ApplyTask(step, objects...)
	}
	standing := task.Observe
	task.Observe = func(ctx context.Context) (geored.State, error) {
		if state, err := c.turned(ctx); err == nil && state.Done {
			return state, nil
		}
		return standing(ctx)
	}
	return task, nil
}

// copyOf is the Deployment that serves now, under the labels that the release selects. It has labels of its own too, so
// that neither Deployment takes the other's pods for its own.
func (a Adoption) copyOf(pattern *appsv1.Deployment) *appsv1.Deployment {
	own := maps.Clone(a.Selector)
	own[partOf] = partOfValue
	template := *pattern.Spec.Template.DeepCopy()
	template.Labels, template.CreationTimestamp = own, metav1.Time{}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: a.standIn(), Labels: map[string]string{partOf: partOfValue}},
		Spec:       appsv1.DeploymentSpec{Replicas: pattern.Spec.Replicas, Template: template, Selector: &metav1.LabelSelector{MatchLabels: own}},
	}
}

// retire notes the time of the switch, from when on answers of the old name servers run out, and removes the copies.
func (a Adoption) retire(step geored.Step, c ChangeOver) geored.Task {
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			_, err := a.Cluster.Client().AppsV1().Deployments(Namespace).Get(ctx, a.standIn(), metav1.GetOptions{})
			if !apierrors.IsNotFound(err) {
				return geored.State{Detail: "deployment " + a.standIn() + " is there"}, err
			}
			s, err := c.service(ctx)
			if err != nil {
				return geored.State{}, err
			}
			if _, noted := c.switched(s); !noted {
				return geored.State{Detail: "nobody noted when the Service was switched"}, nil
			}
			return c.turned(ctx)
		},
		Apply: func(ctx context.Context) error {
			s, err := c.service(ctx)
			if err != nil {
				return err
			}
			if err := c.evidence(ctx, func(ctx context.Context) (geored.State, error) { return c.selected(s), nil }, c.proven); err != nil {
				return err
			}
			if err := c.patch(ctx, s, map[string]any{"metadata": map[string]any{"annotations": map[string]any{switchedAt: c.mark()}}}); err != nil {
				return err
			}
			return a.Cluster.Delete(ctx, deploymentObject(a.standIn()))
		},
	}
}

func deploymentObject(name string) *kube.Object {
	return &kube.Object{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"namespace": Namespace, "name": name}}}
}

// selected: the Service leads to the labels that it should.
func (c ChangeOver) selected(s *corev1.Service) geored.State {
	if !maps.Equal(s.Spec.Selector, c.labels()) {
		return geored.State{Detail: fmt.Sprintf("the Service leads to %v", s.Spec.Selector)}
	}
	return geored.State{Done: true}
}
