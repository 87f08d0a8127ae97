package helm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"helm.sh/helm/v3/pkg/release"
)

// ErrPending says that a change of the release is under way, or was left so, and that it must not be taken for dead: it
// does not carry the mark of this package, or no lock is held.
var ErrPending = errors.New("a change of the release is under way, or was killed")

// repair brings a release from which no upgrade can start into a state from which one can: what was left pending is marked
// as failed, and what failed is rolled back to the revision that was deployed last. Without that, what the failed
// revision added would stay for ever: Helm compares with what was deployed.
func (r Releases) repair(ctx context.Context, w Release) error {
	last, err := r.last(ctx, w.Name, w.Namespace)
	if err != nil || last == nil {
		return err
	}
	if last.Info.Status.IsPending() || last.Info.Status == release.StatusUninstalling {
		if err := r.abandoned(ctx, last); err != nil {
			return err
		}
		last.SetStatus(release.StatusFailed, fmt.Sprintf("was left %s by a run that was killed", last.Info.Status))
		if _, err := within(ctx, func() (any, error) { return nil, r.store(w.Namespace).Update(last) }); err != nil {
			return err
		}
	}
	if last.Info.Status != release.StatusFailed {
		return nil
	}
	return r.rollBack(ctx, w)
}

// abandoned says whether nobody can be at work on a pending release.
func (r Releases) abandoned(ctx context.Context, last *release.Release) error {
	remedy := fmt.Errorf("%w: it is %s since %s; when nobody works on it: helm -n %s rollback %s, or uninstall it", ErrPending, last.Info.Status,
		last.Info.LastDeployed.UTC().Format("2006-01-02 15:04:05"), last.Namespace, last.Name)
	switch {
	case last.Labels[digestLabel] == "":
		return fmt.Errorf("somebody else changes it (%w)", remedy)
	case r.Lock == nil:
		return fmt.Errorf("no lock is held (%w)", remedy)
	}
	if err := r.Lock.Check(ctx); err != nil {
		return fmt.Errorf("lock: %w (%w)", err, remedy)
	}
	return nil
}

// rollBack gives the objects back the form they had in the last deployed revision. When there is none, the failed one is
// what the next upgrade compares with.
func (r Releases) rollBack(ctx context.Context, w Release) error {
	revisions, err := r.newestFirst(ctx, w.Name, w.Namespace)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(revisions, func(x *release.Release) bool { return x.Info.Status == release.StatusDeployed })
	if i < 0 {
		return nil
	}
	if err := r.revert(ctx, revisions[:i+1]); err != nil {
		return fmt.Errorf("roll back to revision %d: %w", revisions[i].Version, err)
	}
	return nil
}
