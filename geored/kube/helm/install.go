package helm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/postrender"
	"helm.sh/helm/v3/pkg/release"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Task is a task that installs or upgrades a release and is done when [Releases.State] says so. It is taken back by
// [Releases.Uninstall].
func (r Releases) Task(step geored.Step, w Release) geored.Task {
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) { return r.State(ctx, w) },
		Apply:   func(ctx context.Context) error { return r.Apply(ctx, w) },
		Undo:    func(ctx context.Context) error { return r.Uninstall(ctx, w.Name, w.Namespace) },
		Gone:    func(ctx context.Context) (geored.State, error) { return r.Absent(ctx, w.Name, w.Namespace) },
	}
}

// Apply installs or upgrades a release and does not wait for its objects. What the chart refuses is geored.Faults; objects
// that belong to somebody else are a [ConflictError]; what a killed run left behind is repaired first. Definitions in the
// chart's folder crds that are there already stay as they are, as Helm leaves them (helm.sh/docs, "Custom Resource
// Definitions"): apply those of a newer chart by [kube.Cluster.ApplyTask], of [Chart.Definitions], before it.
func (r Releases) Apply(ctx context.Context, w Release) error {
	err := r.apply(ctx, w)
	var faults geored.Faults
	if err == nil || errors.As(err, &faults) {
		return err
	}
	return fmt.Errorf("release %s/%s: %w", w.Namespace, w.Name, err)
}

func (r Releases) apply(ctx context.Context, w Release) error {
	if err := w.Chart.Faults(w.Values).Err(); err != nil {
		return err
	}
	if present, err := r.present(ctx, w); err != nil || present {
		return err
	}
	if err := r.repair(ctx, w); err != nil {
		return err
	}
	conflicts, err := r.Conflicts(ctx, w)
	if err == nil {
		err = w.refused(conflicts)
	}
	if err != nil {
		return err
	}
	last, err := r.last(ctx, w.Name, w.Namespace)
	if err != nil {
		return err
	}
	plain, err := w.Values.plain()
	if err != nil {
		return err
	}
	config, err := r.configuration(w.Namespace)
	if err != nil {
		return err
	}
	_, err = finish(ctx, grace, func() (*release.Release, error) {
		if last == nil || last.Info.Status == release.StatusUninstalled {
			return w.install(ctx, config, plain)
		}
		return w.upgrade(ctx, config, plain)
	})
	return err
}

// history is how many revisions are kept.
const history = 10

func (w Release) install(ctx context.Context, config *action.Configuration, values map[string]any) (*release.Release, error) {
	install := action.NewInstall(config)
	install.ReleaseName, install.Namespace, install.Replace = w.Name, w.Namespace, true
	install.Timeout, install.Labels, install.TakeOwnership = timeout(ctx), w.labels(), w.Adopt
	install.PostRenderer = w.renderer()
	if w.Edited == "" {
		delete(install.Labels, editedLabel)
	}
	return install.Run(w.Chart.copy(), values)
}

func (w Release) upgrade(ctx context.Context, config *action.Configuration, values map[string]any) (*release.Release, error) {
	upgrade := action.NewUpgrade(config)
	upgrade.Namespace, upgrade.MaxHistory, upgrade.ResetValues = w.Namespace, history, true
	upgrade.Timeout, upgrade.Labels, upgrade.TakeOwnership = timeout(ctx), w.labels(), w.Adopt
	upgrade.PostRenderer = w.renderer()
	return upgrade.Run(w.Name, w.Chart.copy(), values)
}

// timeout is what is left for Helm to wait for hooks.
func timeout(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return 5 * time.Minute
}

func (w Release) renderer() postrender.PostRenderer {
	if w.Edit == nil {
		return nil
	}
	return editor(w.Edit)
}

// editor is an edit as Helm calls it.
type editor func([]*kube.Object) ([]*kube.Object, error)

func (e editor) Run(manifests *bytes.Buffer) (*bytes.Buffer, error) {
	objects, err := kube.ReadObjects(manifests.Bytes())
	if err == nil {
		objects, err = e(objects)
	}
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, object := range objects {
		text, err := json.Marshal(object.Object) // which is YAML too
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "---\n%s\n", text)
	}
	return &out, nil
}
