package helm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/kube/fake"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/georedkit/georedkit/geored/kube"
)

// newest is the version of Kubernetes that this module's client is made for.
const newest = "v1.33.0"

// Render gives the objects of a release without asking any cluster, as helm template does; hooks and CRDs are among them. The
// chart sees Kubernetes 1.33 and its own kinds; [Releases.Render] shows it a cluster. The error is geored.Faults when the chart
// refuses the values.
func (c Chart) Render(w Release) ([]*kube.Object, error) {
	version, err := chartutil.ParseKubeVersion(newest)
	if err != nil {
		return nil, err
	}
	return c.render(w, &chartutil.Capabilities{KubeVersion: *version, APIVersions: chartutil.DefaultVersionSet})
}

// Render gives the objects that a release has in this cluster: the chart sees its version and its kinds, and those of its own
// CRDs, which are installed before it. What it looks up in the cluster it finds empty. The error is geored.Faults when the chart
// refuses the values.
func (r Releases) Render(ctx context.Context, w Release) ([]*kube.Object, error) {
	can, err := within(ctx, func() (*chartutil.Capabilities, error) {
		discovery := r.Cluster.Client().Discovery()
		version, err := discovery.ServerVersion()
		if err != nil {
			return nil, err
		}
		kinds, err := action.GetVersionSet(discovery)
		return &chartutil.Capabilities{
			KubeVersion: chartutil.KubeVersion{Version: version.GitVersion, Major: version.Major, Minor: version.Minor}, APIVersions: kinds,
		}, err
	})
	if err != nil {
		return nil, fmt.Errorf("site %s: the version and the kinds of its cluster: %w", r.Cluster.Site(), err)
	}
	return w.Chart.render(w, can)
}

func (c Chart) render(w Release, can *chartutil.Capabilities) ([]*kube.Object, error) {
	if err := c.Faults(w.Values).Err(); err != nil {
		return nil, err
	}
	plain, err := w.Values.plain()
	if err != nil {
		return nil, err
	}
	own, err := c.Definitions(w.Values)
	if err != nil {
		return nil, err
	}
	can.APIVersions, can.HelmVersion = append(slices.Clip(can.APIVersions), kindsOf(own)...), chartutil.DefaultCapabilities.HelmVersion
	config := &action.Configuration{Capabilities: can, Log: func(string, ...any) {}, Releases: storage.Init(driver.NewMemory()), KubeClient: &fake.PrintingKubeClient{Out: io.Discard}}
	install := action.NewInstall(config)
	// Without ClientOnly, which would show the chart every kind that Helm knows; the printing client sends nothing.
	install.DryRun, install.Replace, install.IncludeCRDs = true, true, true
	install.ReleaseName, install.Namespace = w.Name, w.Namespace
	rendered, err := install.Run(c.copy(), plain)
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", c, err)
	}
	manifests := []string{rendered.Manifest}
	for _, hook := range rendered.Hooks {
		manifests = append(manifests, hook.Manifest)
	}
	objects, err := kube.ReadObjects([]byte(strings.Join(manifests, "\n---\n")))
	if err == nil && len(objects) == 0 {
		err = errors.New("it has no objects")
	}
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", c, err)
	}
	return objects, nil
}

// kindsOf are the kinds of definitions as charts ask for them: GROUP/VERSION and GROUP/VERSION/KIND.
func kindsOf(definitions []*kube.Object) chartutil.VersionSet {
	var all chartutil.VersionSet
	for _, definition := range definitions {
		group, _, _ := unstructured.NestedString(definition.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
		versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
		for _, v := range versions {
			if v, ok := v.(map[string]any); ok && v["served"] == true {
				at := fmt.Sprintf("%s/%s", group, v["name"])
				all = append(all, at, at+"/"+kind)
			}
		}
	}
	return all
}

// Definitions are the objects of the folder crds of the chart, and of those of its dependencies that these values switch on. Helm
// installs them once and never changes them. A file there that holds no objects is left for Helm to refuse. The zero Chart has none.
func (c Chart) Definitions(values Values) ([]*kube.Object, error) {
	if c.chart == nil {
		return nil, nil
	}
	plain, err := values.plain()
	if err != nil {
		return nil, err
	}
	used := c.copy()
	if err := chartutil.ProcessDependenciesWithMerge(used, plain); err != nil {
		return nil, fmt.Errorf("chart %s: its dependencies: %w", c, err)
	}
	var all []*kube.Object
	for _, file := range used.CRDObjects() {
		objects, err := kube.ReadObjects(file.File.Data)
		if err == nil {
			all = append(all, objects...)
		}
	}
	return all, nil
}
