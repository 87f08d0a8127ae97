package helm

import (
	"context"
	"fmt"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"

	"github.com/georedkit/georedkit/geored"
)

// Uninstall removes a release with its objects and its history. One that is not there is no error; one that somebody is
// at work on is [ErrPending]. It does not wait for the objects to be gone.
func (r Releases) Uninstall(ctx context.Context, name, namespace string) error {
	fail := func(err error) error { return fmt.Errorf("release %s/%s: %w", namespace, name, err) }
	last, err := r.last(ctx, name, namespace)
	if err != nil || last == nil {
		return err
	}
	if last.Info.Status.IsPending() {
		if err := r.abandoned(ctx, last); err != nil {
			return fail(err)
		}
	}
	config, err := r.configuration(namespace)
	if err != nil {
		return fail(err)
	}
	uninstall := action.NewUninstall(config)
	uninstall.IgnoreNotFound, uninstall.Timeout, uninstall.DeletionPropagation = true, timeout(ctx), "background"
	if _, err := finish(ctx, grace, func() (*release.UninstallReleaseResponse, error) { return uninstall.Run(name) }); err != nil {
		return fail(err)
	}
	return nil
}

// Absent says whether there is no release of that name.
func (r Releases) Absent(ctx context.Context, name, namespace string) (geored.State, error) {
	last, err := r.last(ctx, name, namespace)
	if err != nil {
		return geored.State{}, err
	}
	if last != nil && last.Info.Status != release.StatusUninstalled {
		return geored.State{Detail: fmt.Sprintf("release %s is %s", name, last.Info.Status)}, nil
	}
	return geored.State{Done: true, Detail: "release " + name + " is gone"}, nil
}
