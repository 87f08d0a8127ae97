package helm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/kube/helm"
)

// old is what is brought back: the name servers with what they mount, and the Service's selector.
type old struct {
	all      []*kube.Object
	servers  []*kube.Object // Deployments, after their ConfigMaps
	names    []string       // of the Deployments
	selector map[string]string
}

func (a Adoption) old(ctx context.Context) (old, error) {
	all, there, err := a.recorded(ctx)
	if err == nil && !there {
		err = errNoRecord
	}
	if err != nil {
		return old{}, err
	}
	o := old{all: all}
	for _, object := range all {
		switch {
		case object.GetKind() == "ConfigMap":
			o.servers = append(o.servers, object)
		case isService(object):
			o.selector, _, err = unstructured.NestedStringMap(object.Object, "spec", "selector")
		}
	}
	for _, object := range all {
		if object.GetKind() == "Deployment" {
			o.servers, o.names = append(o.servers, object), append(o.names, object.GetName())
		}
	}
	if err == nil && (len(o.names) == 0 || len(o.selector) == 0) {
		err = fmt.Errorf("configmap %s has %d deployments and a Service with %d labels: what served before is not known", Record, len(o.names), len(o.selector))
	}
	return o, err
}

// bringBack starts the old name servers beside those of the release.
func (a Adoption) bringBack(ctx context.Context) error {
	o, err := a.old(ctx)
	if err != nil {
		return err
	}
	return a.cluster().Restore(ctx, o.servers...)
}

// broughtBack: the old name servers are what they were, and each answers right by its own address.
func (a Adoption) broughtBack(ctx context.Context) (geored.State, error) {
	o, err := a.old(ctx)
	if errors.Is(err, errNoRecord) {
		return geored.State{Detail: err.Error()}, nil
	}
	if err != nil {
		return geored.State{}, err
	}
	if state, err := a.cluster().Restored(ctx, o.servers...); err != nil || !state.Done {
		return state, err
	}
	return a.oldProven(ctx, o)
}

func (a Adoption) oldProven(ctx context.Context, o old) (geored.State, error) {
	if a.ProveOld == nil {
		return geored.State{}, errors.New("nothing says what the old name servers must answer")
	}
	return coredns.Proven(ctx, a.cluster(), a.ProveOld, o.names...)
}

// handedBack is the release with the selector that the Service had, which keeps what it took over when it goes.
func (a Adoption) handedBack(o old) helm.Release {
	w := a.Wanted
	w.Adopt, w.Edited = true, "handed-back"
	w.Edit = func(objects []*kube.Object) ([]*kube.Object, error) {
		for _, object := range objects {
			if slices.ContainsFunc(o.all, func(was *kube.Object) bool {
				return was.GetKind() == object.GetKind() && was.GetName() == object.GetName()
			}) {
				notes := maps.Clone(object.GetAnnotations())
				if notes == nil {
					notes = map[string]string{}
				}
				notes["helm.sh/resource-policy"] = "keep"
				object.SetAnnotations(notes)
			}
		}
		return lead(objects, o.selector)
	}
	return w
}

// turnBack leads the Service to the old name servers in one update, on the evidence that they answer right.
func (a Adoption) turnBack(ctx context.Context) error {
	o, err := a.old(ctx)
	if err != nil {
		return err
	}
	see := func(ctx context.Context) (geored.State, error) { return a.oldProven(ctx, o) }
	if err := evidence(ctx, "the old name servers are not proven", see); err != nil {
		return err
	}
	return a.Releases.Apply(ctx, a.handedBack(o))
}

func (a Adoption) turnedBack(ctx context.Context) (geored.State, error) {
	o, err := a.old(ctx)
	if errors.Is(err, errNoRecord) {
		return geored.State{Detail: err.Error()}, nil
	}
	if err != nil {
		return geored.State{}, err
	}
	if state, err := a.isHandedBack(ctx); err != nil || !state.Done {
		return state, err
	}
	return coredns.Leads(ctx, a.cluster(), o.names...)
}

// isHandedBack: what is installed keeps the Service when it goes. A release that is gone took nothing with it either.
func (a Adoption) isHandedBack(ctx context.Context) (geored.State, error) {
	installed, found, err := a.Releases.Installed(ctx, a.Wanted.Name, a.Wanted.Namespace)
	if err != nil || !found {
		return geored.State{Done: err == nil}, err
	}
	objects, err := installed.Objects()
	if err != nil {
		return geored.State{}, err
	}
	for _, object := range objects {
		if isService(object) && object.GetAnnotations()["helm.sh/resource-policy"] == "keep" && installed.Deployed {
			return geored.State{Done: true}, nil
		}
	}
	return geored.State{Detail: "the Service still belongs to release " + a.Wanted.Name}, nil
}

// uninstall takes the release away once nobody asks its name servers any more, and makes what it took over what it was.
func (a Adoption) uninstall(ctx context.Context) error {
	if state, err := a.turnedBack(ctx); err != nil || !state.Done {
		if err == nil {
			err = a.turnBack(ctx) // it was never switched
		}
		if err != nil {
			return err
		}
	}
	if err := evidence(ctx, "the release stays", a.turnedBack); err != nil {
		return err
	}
	o, err := a.old(ctx)
	if err != nil {
		return err
	}
	if err := a.drained(ctx); err != nil {
		return err
	}
	if err := a.Releases.Uninstall(ctx, a.Wanted.Name, a.Wanted.Namespace); err != nil {
		return err
	}
	if err := a.cluster().Restore(ctx, o.all...); err != nil {
		return err
	}
	if err := evidence(ctx, "the record stays", func(ctx context.Context) (geored.State, error) { return a.cluster().Restored(ctx, o.all...) }); err != nil {
		return err
	}
	return a.cluster().Delete(ctx, object("v1", "ConfigMap", Record))
}

// away: neither the release is there nor the record, which goes when all is as it was.
func (a Adoption) away(ctx context.Context) (geored.State, error) {
	state, err := a.Releases.Absent(ctx, a.Wanted.Name, a.Wanted.Namespace)
	if err != nil || !state.Done {
		return state, err
	}
	if _, there, err := a.recorded(ctx); err != nil || there {
		return geored.State{Detail: "what was taken over is not yet what it was"}, err
	}
	return state, nil
}
