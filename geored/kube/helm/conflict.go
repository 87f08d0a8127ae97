package helm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored/kube"
)

// The marks by which Helm takes an object for its own (helm.sh/docs, "adopt").
const (
	managedBy        = "app.kubernetes.io/managed-by"
	releaseName      = "meta.helm.sh/release-name"
	releaseNamespace = "meta.helm.sh/release-namespace"
)

// Conflict is an object of a chart that is there already and does not belong to the release.
type Conflict struct {
	Object string // as kubectl names it: "service/kube-dns"
	In     string // its namespace; "": it has none
	Owner  string // "release namespace/name"; "": no release owns it
	Live   *kube.Object
}

func (c Conflict) adopt(w Release) string {
	kubectl := "kubectl"
	if c.In != "" {
		kubectl += " -n " + c.In
	}
	return fmt.Sprintf("%s label --overwrite %s %s=Helm && %s annotate --overwrite %s %s=%s %s=%s", kubectl, c.Object, managedBy,
		kubectl, c.Object, releaseName, w.Name, releaseNamespace, w.Namespace)
}

// ConflictError says which objects keep a release from being installed, and how each can be given to it.
type ConflictError struct {
	Release   Release
	Conflicts []Conflict
}

func (e *ConflictError) Error() string {
	lines := make([]string, len(e.Conflicts))
	for i, c := range e.Conflicts {
		owner := "no release owns it"
		if c.Owner != "" {
			owner = "it belongs to " + c.Owner
		}
		lines[i] = fmt.Sprintf("%s is there already and %s; to give it to this one: %s", c.Object, owner, c.adopt(e.Release))
	}
	return strings.Join(lines, "\n")
}

// Conflicts are the objects of the chart that are there and belong to somebody else, in the order of the chart. Hooks are
// not among them: Helm replaces those.
func (r Releases) Conflicts(ctx context.Context, w Release) ([]Conflict, error) {
	objects, err := r.Render(ctx, w)
	if err != nil {
		return nil, err
	}
	placed, err := r.Cluster.Place(ctx, w.Namespace, withoutHooks(objects)...)
	if err != nil {
		return nil, err
	}
	own, err := w.Chart.Definitions(w.Values)
	if err != nil {
		return nil, err
	}
	var conflicts []Conflict
	for _, object := range placed {
		live, there, err := r.Cluster.Live(ctx, object)
		if err != nil {
			return nil, err
		}
		if !there || object.GetKind() == "CustomResourceDefinition" && isCRDFile(own, object) {
			continue
		}
		labels, notes := live.GetLabels(), live.GetAnnotations()
		if labels[managedBy] == "Helm" && notes[releaseName] == w.Name && notes[releaseNamespace] == w.Namespace {
			continue
		}
		c := Conflict{Object: strings.ToLower(object.GetKind()) + "/" + object.GetName(), In: object.GetNamespace(), Live: live}
		if notes[releaseName] != "" {
			c.Owner = "release " + notes[releaseNamespace] + "/" + notes[releaseName]
		}
		conflicts = append(conflicts, c)
	}
	return conflicts, nil
}

func withoutHooks(objects []*kube.Object) []*kube.Object {
	var rest []*kube.Object
	for _, object := range objects {
		if object.GetAnnotations()["helm.sh/hook"] == "" {
			rest = append(rest, object)
		}
	}
	return rest
}

// isCRDFile says whether a definition comes from the chart's folder crds, which Helm leaves alone when it is there.
func isCRDFile(own []*kube.Object, object *kube.Object) bool {
	return slices.ContainsFunc(own, func(d *kube.Object) bool { return d.GetName() == object.GetName() })
}

// refused leaves out what the release may adopt: what belongs to another release is never taken from it.
func (w Release) refused(conflicts []Conflict) error {
	var refused []Conflict
	for _, c := range conflicts {
		if !w.Adopt || c.Owner != "" {
			refused = append(refused, c)
		}
	}
	if len(refused) == 0 {
		return nil
	}
	return &ConflictError{w, refused}
}
