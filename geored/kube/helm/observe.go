package helm

import (
	"context"
	"fmt"

	"helm.sh/helm/v3/pkg/release"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// State says whether a release is deployed with the wanted chart and values, and whether its objects are ready. When not,
// the detail says what is missing; values are named by their path alone. The definitions of the chart's folder crds are not
// looked at: see [Releases.Apply].
func (r Releases) State(ctx context.Context, w Release) (geored.State, error) {
	last, err := r.last(ctx, w.Name, w.Namespace)
	if err != nil {
		return geored.State{}, err
	}
	missing, err := w.missing(last)
	if err != nil || missing != "" {
		return geored.State{Detail: "release " + w.Name + " " + missing}, err
	}
	if !w.NoWait {
		state, err := r.ready(ctx, last)
		if err != nil || !state.Done {
			return state, err
		}
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("release %s: revision %d of chart %s, %s", w.Name, last.Version, w.Chart, w.Chart.Digest)}, nil
}

// missing says in what a release differs from what is wanted; nothing when it does not.
func (w Release) missing(last *release.Release) (string, error) {
	switch {
	case last == nil:
		return "is not installed", nil
	case last.Info.Status != release.StatusDeployed:
		return fmt.Sprintf("is %s: %s", last.Info.Status, last.Info.Description), nil
	case last.Chart == nil || last.Chart.Metadata == nil:
		return "has no chart", nil
	case last.Chart.Metadata.Name != w.Chart.Name || last.Chart.Metadata.Version != w.Chart.Version:
		return fmt.Sprintf("has chart %s-%s, not %s", last.Chart.Metadata.Name, last.Chart.Metadata.Version, w.Chart), nil
	case last.Labels[digestLabel] != shortDigest(w.Chart.Digest):
		return "was not installed from this archive of chart " + w.Chart.String(), nil
	case last.Labels[editedLabel] != w.Edited:
		return fmt.Sprintf("was edited as %q, not as %q", last.Labels[editedLabel], w.Edited), nil
	}
	wanted, err := w.Values.plain()
	if err != nil {
		return "", err
	}
	have, err := Values(last.Config).plain()
	if err != nil {
		return "", err
	}
	if path := difference(wanted, have); path != "" {
		return "has another value of " + path, nil
	}
	return "", nil
}

// ready judges the objects of a release as they are in the cluster. Hooks are not among them: Helm waited for those.
func (r Releases) ready(ctx context.Context, last *release.Release) (geored.State, error) {
	objects, err := kube.ReadObjects([]byte(last.Manifest))
	if err != nil {
		return geored.State{}, fmt.Errorf("release %s: %w", last.Name, err)
	}
	placed, err := r.Cluster.Place(ctx, last.Namespace, objects...)
	if err != nil {
		return geored.State{}, err
	}
	return r.Cluster.Ready(ctx, placed...)
}

// present says whether the release is as wanted and all its objects exist: then there is nothing to send again.
func (r Releases) present(ctx context.Context, w Release) (bool, error) {
	last, err := r.last(ctx, w.Name, w.Namespace)
	if err != nil {
		return false, err
	}
	if missing, err := w.missing(last); err != nil || missing != "" {
		return false, err
	}
	objects, err := kube.ReadObjects([]byte(last.Manifest))
	if err != nil {
		return false, err
	}
	placed, err := r.Cluster.Place(ctx, last.Namespace, objects...)
	if err != nil {
		return false, err
	}
	for _, object := range placed {
		if _, there, err := r.Cluster.Live(ctx, object); err != nil || !there {
			return false, err
		}
	}
	return true, nil
}
