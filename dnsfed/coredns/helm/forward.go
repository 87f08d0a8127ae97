package helm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/kube/helm"
)

// kept is the release with the selector that the Service has; live is needed to apply it.
func (a Adoption) kept(live *corev1.Service) helm.Release {
	w := a.Wanted
	w.Adopt, w.Edited = true, "selector-kept"
	w.Edit = func(objects []*kube.Object) ([]*kube.Object, error) { return lead(objects, live.Spec.Selector) }
	return w
}

// lead leads the chart's Service by a selector.
func lead(objects []*kube.Object, selector map[string]string) ([]*kube.Object, error) {
	for _, object := range objects {
		if isService(object) {
			wanted := map[string]any{}
			for key, value := range selector {
				wanted[key] = value
			}
			return objects, unstructured.SetNestedMap(object.Object, wanted, "spec", "selector")
		}
	}
	return nil, errors.New("the chart has no Service " + coredns.ServiceName)
}

func isService(o *kube.Object) bool {
	return o.GetKind() == "Service" && o.GetName() == coredns.ServiceName
}

// start installs the release; the Service leads to the old name servers as before. Where the wanted release is deployed
// already, switched or not, there is nothing to start.
func (a Adoption) start(step geored.Step) geored.Task {
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			if state, err := a.Releases.State(ctx, a.Wanted); err != nil || state.Done {
				return state, err
			}
			return a.Releases.State(ctx, a.kept(nil))
		},
		Apply: func(ctx context.Context) error {
			live, err := a.service(ctx)
			if err == nil {
				err = a.beside(ctx, live)
			}
			if err == nil {
				err = a.writeDown(ctx)
			}
			if err != nil {
				return err
			}
			return a.Releases.Apply(ctx, a.kept(live))
		},
		Undo: a.uninstall, Gone: a.away,
	}
}

func (a Adoption) service(ctx context.Context) (*corev1.Service, error) {
	live, err := a.cluster().Client().CoreV1().Services(coredns.Namespace).Get(ctx, coredns.ServiceName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("service %s is not there: make it with the cluster IP that stands in every pod", coredns.ServiceName)
	}
	if err != nil {
		return nil, err
	}
	if a.Address.IsValid() && live.Spec.ClusterIP != a.Address.String() {
		return nil, fmt.Errorf("service %s has the cluster IP %s, not %s: it stands in every pod, and is kept", coredns.ServiceName, live.Spec.ClusterIP, a.Address)
	}
	return live, nil
}

// own are the Deployments of the release as it is installed.
func (a Adoption) own(ctx context.Context) ([]string, error) {
	installed, found, err := a.Releases.Installed(ctx, a.Wanted.Name, a.Wanted.Namespace)
	if err != nil || !found {
		return nil, err
	}
	objects, err := installed.Objects()
	var names []string
	for _, object := range objects {
		if object.GetKind() == "Deployment" {
			names = append(names, object.GetName())
		}
	}
	return names, err
}

// others are the Deployments of name servers that are not the release's.
func (a Adoption) others(ctx context.Context) ([]coredns.Deployment, error) {
	own, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	dns, err := coredns.Read(ctx, a.cluster(), own...)
	return slices.DeleteFunc(dns.Deployments, func(d coredns.Deployment) bool { return slices.Contains(own, d.Name) }), err
}

func (a Adoption) prove(step geored.Step) geored.Task {
	return geored.Task{Step: step, Observe: a.proven}
}

// proven: every pod of the release is ready and answers right by its own address.
func (a Adoption) proven(ctx context.Context) (geored.State, error) {
	own, err := a.own(ctx)
	if err != nil || len(own) == 0 {
		return geored.State{Detail: "the release has no name servers yet"}, err
	}
	return coredns.Proven(ctx, a.cluster(), a.Prove, own...)
}

// leads: the Service leads to the release's pods alone.
func (a Adoption) leads(ctx context.Context) (geored.State, error) {
	own, err := a.own(ctx)
	if err != nil {
		return geored.State{}, err
	}
	return coredns.Leads(ctx, a.cluster(), own...)
}

// turn upgrades the release to the chart's own selector.
func (a Adoption) turn(step geored.Step) geored.Task {
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			if state, err := a.Releases.State(ctx, a.Wanted); err != nil || !state.Done {
				return state, err
			}
			return a.leads(ctx)
		},
		Apply: func(ctx context.Context) error {
			if err := evidence(ctx, "the new name servers are not proven", a.proven); err != nil {
				return err
			}
			return a.Releases.Apply(ctx, a.Wanted)
		},
		Undo: a.turnBack, Gone: a.turnedBack,
	}
}

// evidence is asked for right before something that DNS may die of.
func evidence(ctx context.Context, otherwise string, observe ...func(context.Context) (geored.State, error)) error {
	for _, see := range observe {
		state, err := see(ctx)
		if err != nil {
			return geored.Retriable(fmt.Errorf("%s: %w", otherwise, err))
		}
		if !state.Done {
			return geored.Retriable(fmt.Errorf("%s: %s", otherwise, state.Detail))
		}
	}
	return nil
}

// remove deletes the other name servers, on the evidence that none of them is asked any more and that the new ones answer
// right at this moment.
func (a Adoption) remove(step geored.Step) geored.Task {
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			others, err := a.others(ctx)
			if err != nil || len(others) > 0 {
				return geored.State{Detail: fmt.Sprintf("still there: %q", namesOf(others))}, err
			}
			return geored.State{Done: true, Detail: "the release's name servers are the only ones"}, nil
		},
		Apply: func(ctx context.Context) error {
			if err := a.drained(ctx); err != nil {
				return err
			}
			if err := evidence(ctx, "the old name servers stay", a.leads, a.proven); err != nil {
				return err
			}
			others, err := a.others(ctx)
			if err == nil {
				err = a.asked(ctx, others)
			}
			if err == nil {
				err = a.writeDown(ctx)
			}
			for _, d := range others {
				if err == nil {
					err = a.cluster().Delete(ctx, deployment(d.Name))
				}
			}
			return err
		},
		Undo: a.bringBack, Gone: a.broughtBack,
	}
}

func namesOf(deployments []coredns.Deployment) []string {
	var names []string
	for _, d := range deployments {
		names = append(names, d.Name)
	}
	return names
}

func deployment(name string) *kube.Object { return object("apps/v1", "Deployment", name) }

func object(version, kind, name string) *kube.Object {
	o := &kube.Object{Object: map[string]any{"apiVersion": version, "kind": kind}}
	o.SetNamespace(coredns.Namespace)
	o.SetName(name)
	return o
}
