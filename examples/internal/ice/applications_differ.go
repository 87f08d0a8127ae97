package ice

import (
	"maps"
	"reflect"
	"slices"
)

// differing are the paths at which two trees of values differ, sorted; none of the values is shown. No table is an empty one.
func differing(at string, wanted, have any) []string {
	w, isTable := wanted.(map[string]any)
	h, wasTable := have.(map[string]any)
	isTable, wasTable = isTable || wanted == nil && wasTable, wasTable || have == nil && isTable
	if !isTable || !wasTable {
		if reflect.DeepEqual(normal(wanted), normal(have)) {
			return nil
		}
		return []string{at}
	}
	keys := map[string]any{}
	maps.Copy(keys, w)
	maps.Copy(keys, h)
	var paths []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		paths = append(paths, differing(at+"."+key, w[key], h[key])...)
	}
	return paths
}

// normal makes numbers comparable that came through different decoders.
func normal(v any) any {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case []any:
		items := make([]any, len(v))
		for i := range v {
			items[i] = normal(v[i])
		}
		return items
	case map[string]any:
		table := map[string]any{}
		for key := range v {
			table[key] = normal(v[key])
		}
		return table
	}
	return v
}
