package main

import (
	"slices"
	"testing"
)

func TestSiteNames(t *testing.T) {
	for text, want := range map[string][]string{
		"paris,rome": {"paris", "rome"},
		"3":          {"dc1", "dc2", "dc3"},
		"0":          nil,
	} {
		if got := siteNames(text); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
