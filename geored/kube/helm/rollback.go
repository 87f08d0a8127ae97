package helm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
)

// ErrNoRevision says that a release has no revision of a chart that it could be rolled back to.
var ErrNoRevision = errors.New("no revision of that chart was deployed")

// RollBack brings a release back to its newest revision of a chart ("ice-kilo-2.0.10") that was deployed once, as helm
// rollback does, and does not wait for its objects. It gives that revision; one that is of that chart and deployed now stays
// as it is. What a killed run left pending is marked as failed first, under the lock alone. [ErrNoRevision]: there is none.
func (r Releases) RollBack(ctx context.Context, name, namespace, chart string) (revision int, err error) {
	fail := func(err error) (int, error) { return 0, fmt.Errorf("release %s/%s: %w", namespace, name, err) }
	revisions, err := within(ctx, func() ([]*release.Release, error) { return r.store(namespace).History(name) })
	if err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
		return fail(err)
	}
	slices.SortFunc(revisions, func(a, b *release.Release) int { return b.Version - a.Version })
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
	config, err := r.configuration(namespace)
	if err != nil {
		return fail(err)
	}
	rollback := action.NewRollback(config)
	rollback.Version, rollback.Timeout, rollback.MaxHistory = revisions[i].Version, timeout(ctx), history
	if _, err := finish(ctx, grace, func() (any, error) { return nil, rollback.Run(name) }); err != nil {
		return fail(err)
	}
	return revisions[i].Version, nil
}

func chartOf(r *release.Release) string {
	if r.Chart == nil || r.Chart.Metadata == nil {
		return ""
	}
	return r.Chart.Metadata.Name + "-" + r.Chart.Metadata.Version
}
