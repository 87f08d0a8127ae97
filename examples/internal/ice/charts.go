package ice

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube/helm"
)

// Names of the vendor's charts, as the guide has them.
const (
	KiloChart    = "ice-kilo"
	CoreDNSChart = "ice-coredns"
	ProductChart = "ice-helm-operator-develop"
)

// Versions of the charts that the guide installs (ICE guide, 4.2.2, 4.3.2 and 4.4.2).
const (
	KiloVersion    = "2.0.10"
	CoreDNSVersion = "3.5.41629"
	ProductVersion = "3.5.41629"
)

var guideVersions = map[string]string{KiloChart: KiloVersion, CoreDNSChart: CoreDNSVersion, ProductChart: ProductVersion}

func isChart(name string) bool { return guideVersions[name] != "" }

// chartNames are the charts as a remedy names them.
func chartNames() string {
	return KiloChart + ", " + CoreDNSChart + " or " + ProductChart
}

// Charts says where the charts come from, and what is laid over the values that this program writes.
type Charts struct {
	Repository helm.Repository
	Versions   map[string]string // by chart; those that are not named: [KiloVersion], [CoreDNSVersion], [ProductVersion]
	Overlay    Overlay
}

func (c Charts) faults(sites []geored.SiteName) geored.Faults {
	faults := c.Overlay.faults(sites)
	for _, chart := range slices.Sorted(maps.Keys(c.Versions)) {
		if !isChart(chart) {
			faults = append(faults, geored.Fault{Field: "-chart-version", Value: chart, Problem: "is no chart of this program", Remedy: "name " + chartNames()})
		}
	}
	if c.Repository.URL == "" {
		return faults // a check needs none; whoever pulls is told
	}
	return append(faults, c.Repository.Faults()...)
}

// version is the one to install.
func (c Charts) version(chart string) string {
	if v, ok := c.Versions[chart]; ok {
		return v
	}
	return guideVersions[chart]
}

// Pins are the digests of the charts' archives, which a plan holds on to. Without a repository there are none: whoever
// pulls is told.
func (d *Deployment) Pins(ctx context.Context) ([]geored.Input, error) {
	names := []string{KiloChart, CoreDNSChart}
	if d.Topology.Applications != nil {
		names = append(names, ProductChart)
	}
	return d.charts.pins(ctx, names...)
}

// Pins are those of the chart that is upgraded alone.
func (u Upgrading) Pins(ctx context.Context) ([]geored.Input, error) {
	return u.charts.pins(ctx, ProductChart)
}

func (p *pulled) pins(ctx context.Context, names ...string) ([]geored.Input, error) {
	if p.Repository.URL == "" {
		return nil, nil
	}
	var pins []geored.Input
	for _, name := range names {
		chart, err := p.get(ctx, name)
		if err != nil {
			return nil, err
		}
		pins = append(pins, geored.Input{Name: "chart " + name + " " + chart.Version, Digest: chart.Digest})
	}
	return pins, nil
}

// pulled fetches each chart once.
type pulled struct {
	Charts
	mu   sync.Mutex
	have map[string]helm.Chart
}

func newPulled(c Charts) *pulled { return &pulled{Charts: c, have: map[string]helm.Chart{}} }

func (p *pulled) get(ctx context.Context, name string) (helm.Chart, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if chart, ok := p.have[name]; ok {
		return chart, nil
	}
	if p.Repository.URL == "" {
		return helm.Chart{}, geored.Faults{{Field: "-chart-repo", Problem: "is missing", Remedy: "name the repository that holds " + name}}
	}
	chart, err := p.Repository.Pull(ctx, name, p.version(name))
	if err == nil {
		p.have[name] = chart
	}
	return chart, err
}

// releaseNamespace is the one that the guide's commands leave to kubectl.
const releaseNamespace = "default"

// release is a chart installed at a site.
func (p *pulled) release(ctx context.Context, site geored.SiteName, chart, name string, ours helm.Values) (helm.Release, error) {
	c, err := p.get(ctx, chart)
	if err != nil {
		return helm.Release{}, err
	}
	w := helm.Release{Name: name, Namespace: releaseNamespace, Chart: c, Values: helm.Merge(ours, p.Overlay.Of(site, chart))}
	if err := c.Faults(w.Values).Err(); err != nil {
		return w, fmt.Errorf("release %s: %w", name, err)
	}
	return w, nil
}

// valuesOf gives a struct as the chart's values.
func valuesOf(v any) (helm.Values, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return helm.ParseValues(text)
}
