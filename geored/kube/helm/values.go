package helm

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"sigs.k8s.io/yaml"
)

// Values are what a chart is installed with.
type Values map[string]any

// ParseValues reads a file of values in YAML or JSON. A key that stands twice is an error.
func ParseValues(text []byte) (Values, error) {
	var values Values
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		return nil, err
	}
	if values == nil {
		values = Values{}
	}
	return values, nil
}

// Merge lays values over one another as Helm does with several -f: a table is merged key by key, anything else is taken
// from the last that has it.
func Merge(layers ...Values) Values {
	merged := Values{}
	for _, layer := range layers {
		for key, value := range layer {
			below, ok := table(merged[key])
			if above, isTable := table(value); isTable && ok {
				merged[key] = map[string]any(Merge(below, above))
				continue
			}
			merged[key] = value
		}
	}
	return merged
}

func table(value any) (Values, bool) {
	switch t := value.(type) {
	case map[string]any:
		return t, true
	case Values:
		return t, true
	}
	return nil, false
}

// plain gives values as a release in the cluster has them: through JSON, where there is one kind of number.
func (v Values) plain() (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	plain := map[string]any{}
	return plain, json.Unmarshal(text, &plain)
}

// difference is the path of a value in which two tables differ; "" when they do not. Values may be secrets: it names no
// value.
func difference(a, b map[string]any) string {
	keys := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		below, isTable := table(a[key])
		other, both := table(b[key])
		if isTable && both {
			if inner := difference(below, other); inner != "" {
				return key + "." + inner
			}
		} else if !reflect.DeepEqual(a[key], b[key]) {
			return key
		}
	}
	return ""
}
