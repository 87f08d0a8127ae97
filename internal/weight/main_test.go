package main

import (
	"os"
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
	weights, err := weigh()
	if err != nil {
		t.Fatal(err)
	}
	if len(weights) == 0 {
		t.Fatal("no package was weighed")
	}
	for _, w := range weights {
		if got := w.String(); written[w.Package] != got {
			t.Errorf("written: %s\nnow:     %s", written[w.Package], got)
		}
	}
}
