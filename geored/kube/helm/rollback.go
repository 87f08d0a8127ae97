package helm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	helmkube "helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/resource"
)

// ErrNoRevision says that a release has no revision of a chart that it could be rolled back to.
var ErrNoRevision = errors.New("no revision of that chart was deployed")

// RollBack brings a release back to its newest revision of a chart ("ice-kilo-2.0.10") that was deployed once, as helm
// rollback does, and does not wait for its objects. It gives that revision; one that is of that chart and deployed now stays
// as it is. What a killed run left pending is marked as failed first, under the lock alone. [ErrNoRevision]: there is none.
func (r Releases) RollBack(ctx context.Context, name, namespace, chart string) (revision int, err error) {
	fail := func(err error) (int, error) { return 0, fmt.Errorf("release %s/%s: %w", namespace, name, err) }
	revisions, err := r.newestFirst(ctx, name, namespace)
	if err != nil {
		return fail(err)
	}
	if len(revisions) == 0 {
		return fail(ErrNoRevision)
	}
	if last := revisions[0]; last.Info.Status == release.StatusDeployed && chartOf(last) == chart {
		return last.Version, nil
	} else if last.Info.Status.IsPending() {
		if err := r.abandoned(ctx, last); err != nil {
			return fail(err)
		}
		last.SetStatus(release.StatusFailed, fmt.Sprintf("was left %s by a run that was killed", last.Info.Status))
		if _, err := within(ctx, func() (any, error) { return nil, r.store(namespace).Update(last) }); err != nil {
			return fail(err)
		}
	}
	i := slices.IndexFunc(revisions, func(x *release.Release) bool {
		return chartOf(x) == chart && (x.Info.Status == release.StatusSuperseded || x.Info.Status == release.StatusDeployed)
	})
	if i < 0 {
		return fail(fmt.Errorf("%s: %w", chart, ErrNoRevision))
	}
	if err := r.revert(ctx, revisions[:i+1]); err != nil {
		return fail(err)
	}
	return revisions[i].Version, nil
}

// revert rolls a release back to the last of these revisions, which are in the order in which they came, the newest first.
func (r Releases) revert(ctx context.Context, revisions []*release.Release) error {
	target := revisions[len(revisions)-1]
	config, err := r.configuration(target.Namespace)
	if err != nil {
		return err
	}
	client, ok := config.KubeClient.(*helmkube.Client)
	if !ok {
		return fmt.Errorf("helm's client is a %T", config.KubeClient)
	}
	config.KubeClient = reverting{client, revisions}
	rollback := action.NewRollback(config)
	rollback.Version, rollback.Timeout, rollback.MaxHistory = target.Version, timeout(ctx), history
	_, err = finish(ctx, grace, func() (any, error) { return nil, rollback.Run(target.Name) })
	return err
}

// reverting is a client that knows what may be there. Helm compares the target with the newest revision alone: an object of the
// target that is not in that one must not be there for it, though an upgrade that failed never came to delete it; and what an
// upgrade added it finds no more when a rollback failed or was killed since (helm.sh/helm/v3 pkg/action/rollback.go).
type reverting struct {
	*helmkube.Client
	revisions []*release.Release // the newest first, the target last
}

func (c reverting) Update(original, target helmkube.ResourceList, force bool) (*helmkube.Result, error) {
	back := c.revisions[len(c.revisions)-1]
	var from helmkube.ResourceList
	for _, revision := range c.revisions {
		if revision.Manifest == back.Manifest {
			continue // a rollback that did not come to its end: the objects may be as they were before it
		}
		objects, err := c.Build(strings.NewReader(revision.Manifest), false)
		if err != nil {
			return &helmkube.Result{}, fmt.Errorf("revision %d: %w", revision.Version, err)
		}
		for _, object := range objects.Difference(from) {
			there := target.Contains(object) || original.Contains(object)
			if !there {
				if there, err = isOf(back, object); err != nil {
					return &helmkube.Result{}, err
				}
			}
			if there {
				from = append(from, object)
			}
		}
	}
	from = append(from, original.Difference(from)...)
	return c.Client.Update(append(from, target.Difference(from)...), target, force)
}

// isOf says whether an object is there and belongs to the release: what one revision removed somebody else may have made anew.
func isOf(r *release.Release, object *resource.Info) (bool, error) {
	if err := object.Get(); apierrors.IsNotFound(err) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	notes, err := meta.NewAccessor().Annotations(object.Object)
	return notes[releaseName] == r.Name && notes[releaseNamespace] == r.Namespace, err
}

// newestFirst are the revisions of a release that are kept; none when there is no such release.
func (r Releases) newestFirst(ctx context.Context, name, namespace string) ([]*release.Release, error) {
	revisions, err := within(ctx, func() ([]*release.Release, error) { return r.store(namespace).History(name) })
	if err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, err
	}
	slices.SortFunc(revisions, func(a, b *release.Release) int { return b.Version - a.Version })
	return revisions, nil
}

func chartOf(r *release.Release) string {
	if r.Chart == nil || r.Chart.Metadata == nil {
		return ""
	}
	return r.Chart.Metadata.Name + "-" + r.Chart.Metadata.Version
}
