package main

import (
	"slices"
	"testing"
)

func TestLaterVersionsDoMore(t *testing.T) {
	const column, more, never = "column message.priority", "one change more", "a change that is never made"
	for version, want := range map[string][]string{"3.5.41629": nil, "3.5.41630": {column, more}, "3.5.41631": {column, more, never}} {
		var got []string
		for _, s := range (model{}).steps(version)[4:] {
			got = append(got, s.what)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
}

func TestKeyspacesGoToEverySite(t *testing.T) {
	got := settings{site: "a", sites: []string{"a", "b"}}.everywhere("2")
	if want := "{'class': 'NetworkTopologyStrategy', 'a': 2, 'b': 2}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func Example_cqlsh() {
	printTable([]string{"id", "count"}, []map[string]any{{"id": "a", "count": 107}, {"id": "long", "count": 1}})
	// Output:
	//    id | count
	// ------+-------
	//     a |   107
	//  long |     1
	//
	// (2 rows)
}
