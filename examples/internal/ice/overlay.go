package ice

import (
	"maps"
	"slices"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube/helm"
)

// Overlay is what is laid over the values that this program writes: by the name of their chart, and by site and chart over that.
type Overlay struct {
	Every map[string]helm.Values
	Sites map[geored.SiteName]map[string]helm.Values
}

// Of is what is laid over the values of a chart at a site.
func (o Overlay) Of(site geored.SiteName, chart string) helm.Values {
	return helm.Merge(o.Every[chart], o.Sites[site][chart])
}

// shown is [Overlay.Of] without what -lint calls a secret: for files that people pass on, and for digests, from which what is
// short could be guessed.
func (o Overlay) shown(site geored.SiteName, chart string) helm.Values {
	shown, _ := withoutSecrets(map[string]any(o.Of(site, chart))).(map[string]any)
	return shown
}

func withoutSecrets(value any) any {
	switch v := value.(type) {
	case map[string]any:
		shown := map[string]any{}
		for key, inner := range v {
			if _, text := inner.(string); !text || !secretKey.MatchString(key) {
				shown[key] = withoutSecrets(inner)
			}
		}
		return shown
	case helm.Values:
		return withoutSecrets(map[string]any(v))
	case []any:
		shown := make([]any, len(v))
		for i, inner := range v {
			shown[i] = withoutSecrets(inner)
		}
		return shown
	}
	return value
}

func (o Overlay) faults(sites []geored.SiteName) geored.Faults {
	var faults geored.Faults
	for _, site := range slices.Sorted(maps.Keys(o.Sites)) {
		if !slices.Contains(sites, site) {
			faults = append(faults, geored.Fault{Field: "-values", Value: string(site), Problem: "is no site of the topology", Remedy: "name one of its sites below " + overlaySites})
		}
	}
	return faults
}

// overlaySites is the key of a values file below which there are values for one site alone.
const overlaySites = "sites"

// ParseOverlay reads values files whose top level is names of charts, and "sites" with names of sites and charts below
// them. Later files go over earlier ones. The error is geored.Faults.
func ParseOverlay(files map[string][]byte, order []string) (Overlay, error) {
	o := Overlay{Every: map[string]helm.Values{}, Sites: map[geored.SiteName]map[string]helm.Values{}}
	var faults geored.Faults
	for _, name := range order {
		of := "-values " + name
		values, err := helm.ParseValues(files[name])
		if err != nil {
			faults = append(faults, geored.Fault{Field: of, Problem: "cannot be read: " + err.Error(), Remedy: "write YAML or JSON"})
		}
		sites, ok := values[overlaySites].(map[string]any)
		if _, there := values[overlaySites]; there && !ok {
			faults = append(faults, geored.Fault{Field: of, Value: overlaySites, Problem: "holds no table of sites"})
		}
		delete(values, overlaySites)
		faults = append(faults, layOver(o.Every, values, of, "")...)
		for _, site := range slices.Sorted(maps.Keys(sites)) {
			charts, ok := sites[site].(map[string]any)
			if !ok {
				faults = append(faults, geored.Fault{Field: of + ": " + overlaySites, Value: site, Problem: "holds no table of charts"})
			}
			if o.Sites[geored.SiteName(site)] == nil {
				o.Sites[geored.SiteName(site)] = map[string]helm.Values{}
			}
			faults = append(faults, layOver(o.Sites[geored.SiteName(site)], charts, of, overlaySites+"."+site+".")...)
		}
	}
	return o, faults.Err()
}

// layOver lays values of charts, which stand below that path of a file, over those that there are.
func layOver(there map[string]helm.Values, charts map[string]any, file, below string) (faults geored.Faults) {
	for _, chart := range slices.Sorted(maps.Keys(charts)) {
		values, ok := charts[chart].(map[string]any)
		switch {
		case !isChart(chart):
			faults = append(faults, geored.Fault{Field: file, Value: below + chart, Problem: "is no chart of this program", Remedy: "put the values below " + chartNames()})
		case !ok:
			faults = append(faults, geored.Fault{Field: file, Value: below + chart, Problem: "holds no table of values"})
		default:
			there[chart] = helm.Merge(there[chart], values)
			for _, f := range placeholders(below+chart, values) {
				f.Field = file + ": " + f.Field
				faults = append(faults, f)
			}
		}
	}
	return faults
}
