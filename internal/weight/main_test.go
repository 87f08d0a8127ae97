package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// No package may become heavier unseen: write the new weight down with `make weight > internal/weight/testdata/weight.txt`
// and say in CHANGELOG.md what it buys.
func TestNoPackageGainsWeightUnseen(t *testing.T) {
	text, err := os.ReadFile("testdata/weight.txt")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 {
			written[fields[0]] = strings.TrimSpace(line)
		}
	}
	readBy(t)
	weights, err := weigh()
	if err != nil {
		t.Fatal(err)
	}
	if len(weights) == 0 {
		t.Fatal("no package was weighed")
	}
	for _, w := range weights {
		if got := w.String(); written[w.Package] != got {
			t.Errorf("%s: written with %q, now with %q", w.Package, without(written[w.Package], got), without(got, written[w.Package]))
		}
	}
}

// readBy has the cache of tests know what go list reads: it sees only what the test itself opens.
func readBy(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && (filepath.Ext(path) == ".go" || entry.Name() == "go.mod") {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// without gives the words of a line that the other does not have.
func without(line, other string) []string {
	return slices.DeleteFunc(strings.Fields(line), func(word string) bool { return slices.Contains(strings.Fields(other), word) })
}
