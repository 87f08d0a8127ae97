package helm

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/georedkit/georedkit/geored"
)

// Chart is one version of a chart, with the digest of its archive.
type Chart struct {
	Name    string
	Version string
	Digest  string // "sha256:…"
	chart   *chart.Chart
}

// String is the chart as Helm lists it: "ice-kilo-2.0.10".
func (c Chart) String() string { return c.Name + "-" + c.Version }

// copy is the chart for one use: Helm changes what it is given.
func (c Chart) copy() *chart.Chart {
	twin := *c.chart
	metadata := *c.chart.Metadata
	metadata.Dependencies = nil
	for _, d := range c.chart.Metadata.Dependencies { // Helm writes aliases, imports and what is enabled into them
		requirement := *d
		requirement.ImportValues, requirement.Tags = slices.Clone(d.ImportValues), slices.Clone(d.Tags)
		metadata.Dependencies = append(metadata.Dependencies, &requirement)
	}
	twin.Metadata = &metadata
	twin.SetDependencies()
	for _, d := range c.chart.Dependencies() {
		twin.AddDependency(Chart{chart: d}.copy())
	}
	twin.Values = map[string]any(Merge(c.chart.Values))
	return &twin
}

// Faults tells which values the chart refuses: by its schema, or because they are no table where the chart has one, or
// the other way round. Values are not repeated.
func (c Chart) Faults(values Values) geored.Faults {
	if c.chart == nil {
		return geored.Faults{{Field: "chart", Problem: "is missing", Remedy: "pull it from a Repository"}}
	}
	plain, err := values.plain()
	if err != nil {
		return geored.Faults{{Field: "values", Problem: err.Error()}}
	}
	faults := c.kindFaults("", c.chart.Values, plain)
	if len(faults) > 0 {
		return faults // Helm would print them, values and all
	}
	used := c.copy()
	err = chartutil.ProcessDependenciesWithMerge(used, plain) // what is switched off has nothing to refuse
	var whole chartutil.Values
	if err == nil {
		whole, err = chartutil.CoalesceValues(used, plain)
	}
	if err != nil {
		return geored.Faults{{Field: "values", Problem: err.Error()}}
	}
	if err := chartutil.ValidateAgainstSchema(used, whole); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if fault, ok := strings.CutPrefix(strings.TrimSpace(line), "- at "); ok {
				faults = append(faults, c.schemaFault(fault))
			}
		}
		if len(faults) == 0 {
			faults = geored.Faults{{Field: "values", Problem: misfit, Remedy: "see the values of chart " + c.String()}}
		}
	}
	return faults
}

const misfit = "do not fit the chart's schema"

// valueless are the schema's complaints that repeat no value: keys that it does not know, keys that it lacks, kinds.
var valueless = regexp.MustCompile(`^(additional propert(y|ies) .* not allowed|missing propert(y|ies) .*|got [a-z]+, want .*)$`)

// schemaFault reads "'/config/peers': additional properties 'x' not allowed".
func (c Chart) schemaFault(text string) geored.Fault {
	where, problem, _ := strings.Cut(text, ": ")
	path := strings.ReplaceAll(strings.Trim(where, "'/"), "/", ".")
	if !valueless.MatchString(problem) {
		problem = misfit
	}
	return geored.Fault{Field: strings.TrimSuffix("values "+path, " "), Problem: problem, Remedy: "see the values of chart " + c.String()}
}

func (c Chart) kindFaults(path string, defaults, values map[string]any) geored.Faults {
	var faults geored.Faults
	for _, key := range slices.Sorted(maps.Keys(values)) {
		standard, known := defaults[key]
		if !known || standard == nil || values[key] == nil {
			continue
		}
		below, wantsTable := table(standard)
		given, isTable := table(values[key])
		switch {
		case wantsTable && isTable:
			faults = append(faults, c.kindFaults(path+key+".", below, given)...)
		case wantsTable:
			faults = append(faults, geored.Fault{Field: "values " + path + key, Problem: "is no table, and the chart has one there"})
		case isTable:
			faults = append(faults, geored.Fault{Field: "values " + path + key, Problem: "is a table, and the chart has none there"})
		}
	}
	return faults
}
