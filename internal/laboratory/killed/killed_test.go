package killed

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

// script tells of three steps, and stays as long as a kill inside a step may wait.
const script = `#!/bin/sh
for last; do :; done
for step in a b c; do
  echo '{"kind":"step-applying","step":"'$step'"}' >> "$last"
  sleep 0.1
  echo '{"kind":"step-ended","step":"'$step'"}' >> "$last"
  sleep 0.1
done
sleep 1
exit 3
`

// A program is killed once at each chosen point, in their order, and then left to end.
func TestAlong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		chosen func(int, Point) bool
		want   []Point
	}{
		"none":    {func(int, Point) bool { return false }, nil},
		"some":    {func(i int, _ Point) bool { return i == 1 || i == 4 }, []Point{{"a", geored.StepEnded}, {"c", geored.StepApplying}}},
		"a third": {func(i int, _ Point) bool { return i%3 == 0 }, []Point{{"a", geored.StepApplying}, {"b", geored.StepEnded}}},
	} {
		killed, last := Program{Path: path}.Along(t, c.chosen)
		if !slices.Equal(killed, c.want) || last.Code != 3 {
			t.Errorf("%s: killed at %v, last %+v", name, killed, last)
		}
	}
}

func TestChosen(t *testing.T) {
	for part, want := range map[string]string{"": "111111", "1/3": "010010", "5/3": "001001", "0/1": "111111"} {
		t.Setenv(Part, part)
		chosen, got := Chosen(t), ""
		for i := range 6 {
			if chosen(i, Point{}) {
				got += "1"
			} else {
				got += "0"
			}
		}
		if got != want {
			t.Errorf("%q: %s, want %s", part, got, want)
		}
	}
}

// failures counts what a comparison would have failed with.
type failures struct {
	testing.TB
	n int
}

func (f *failures) Helper()               {}
func (f *failures) Errorf(string, ...any) { f.n++ }

func TestStandingIsCompared(t *testing.T) {
	wanted := Standing{"dc1 jobs ice-arcus/modelmanager": 1, "repairs of dev": 2}
	if again := ParseStanding(t, wanted.String()); again.String() != wanted.String() || len(again) != 2 {
		t.Errorf("%v", again)
	}
	for name, c := range map[string]struct {
		got  Standing
		want int
	}{
		"the same":         {Standing{"dc1 jobs ice-arcus/modelmanager": 1, "repairs of dev": 2}, 0},
		"a doubled job":    {Standing{"dc1 jobs ice-arcus/modelmanager": 2, "repairs of dev": 2}, 1},
		"a missing repair": {Standing{"dc1 jobs ice-arcus/modelmanager": 1}, 1},
		"something else":   {Standing{"dc1 jobs ice-arcus/modelmanager": 1, "repairs of dev": 2, "dc2 jobs x": 1}, 1},
	} {
		f := &failures{TB: t}
		c.got.Same(f, wanted)
		if f.n != c.want {
			t.Errorf("%s: %d complaints, want %d", name, f.n, c.want)
		}
	}
	if since := (Standing{"a": 3, "b": 1}).Since(Standing{"a": 1, "b": 1}); since.String() != "a: 2\n" {
		t.Errorf("%v", since)
	}
}
