package cassandra

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// recorded gives the recordings of real servers whose names begin so.
func recorded(t testing.TB, prefix string) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/" + prefix + "*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings %s: %v", prefix, err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimPrefix(filepath.Base(file), prefix)] = string(text)
	}
	return texts
}

func TestPreviewsOfRealServers(t *testing.T) {
	a, c := Table{"dev", "a"}, Table{"dev", "c"}
	want := map[string]preview{
		"41-equal.txt": {}, "50-equal.txt": {},
		"41-differ.txt": {a: nil, c: nil},
		"50-differ.txt": {a: {{4323455642275676425, 4467570830351532289}}},
	}
	texts := recorded(t, "preview-")
	if len(texts) != len(want) {
		t.Fatalf("%d recordings, want %d", len(texts), len(want))
	}
	for name, text := range texts {
		got, err := parsePreview(text)
		if err != nil || !maps.EqualFunc(got, want[name], slices.Equal[[]Range]) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want[name])
		}
	}
}

// Whatever is not understood is no agreement.
func TestPreviewsThatAreNotUnderstood(t *testing.T) {
	whole := recorded(t, "preview-")["41-differ.txt"]
	for _, text := range []string{"", "Repair preview completed successfully", previewDone, previewDone + "Preview complete", "Repair completed successfully; " + inSync,
		strings.Replace(whole, "4 ranges", "5 ranges", 1), strings.Replace(whole, "dev.a - 2 ranges", "dev.a: 2 ranges", 1), strings.Split(whole, "dev.c")[0]} {
		if got, err := parsePreview(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
	for _, text := range []string{"(1,2],(3,4],...", "(1,2", "", "(x,2]", "(99999999999999999999,2]"} {
		if got := parseRanges(text); got != nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
	if f := findingOf(Table{"dev", "a"}, []preview{{{"dev", "a"}: {{1, 2}}}, {{"dev", "a"}: nil}}, nil); f.agreeOn(Range{5, 6}) || !f.differ {
		t.Errorf("one node does not say where, and still: %+v", f)
	}
}

func FuzzPreview(f *testing.F) {
	for _, text := range recorded(f, "preview-") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parsePreview(text)
		if err == nil && len(got) == 0 && !strings.Contains(text, inSync) && !strings.Contains(text, ": 0 ranges") {
			t.Errorf("%q was read as agreement", text)
		}
	})
}

func TestUnitedRanges(t *testing.T) {
	whole := unite(parseRanges("(-9223372036854774807,-9223372036854775807],(-9223372036854775807,-9223372036854774807]"))
	if !slices.Equal(whole, []Range{everything}) {
		t.Errorf("a ring of two tokens: %v", whole)
	}
	if whole := unite(parseRanges("(0,0]")); !slices.Equal(whole, []Range{everything}) {
		t.Errorf("a ring of one token: %v", whole)
	}
	part := unite([]Range{{5, 7}, {1, 3}, {2, 4}})
	if !slices.Equal(part, []Range{{1, 4}, {5, 7}}) || (Range{3, 6}).within(part) || !(Range{2, 4}).within(part) || (Range{4, 5}).overlaps(Range{5, 7}) {
		t.Errorf("%v", part)
	}
	missing := RepairRecord{ranges: []Range{{0, 10}}}
	if err := missing.covers(Node{HostID: "n"}, []placed{{Range{5, 20}, [][]Node{{{HostID: "n"}}}}}); err == nil {
		t.Error("a range that was left out is covered")
	}
}

func TestTableStatsOfRealServers(t *testing.T) {
	for name, text := range recorded(t, "tablestats-") {
		held, err := parseTableStats(text, "dev")
		empty := strings.Contains(name, "empty")
		if err != nil || empty != (len(held) == 0) {
			t.Errorf("%s: %v, %v", name, held, err)
		}
		if _, err := parseTableStats(text, "none"); err == nil {
			t.Errorf("%s: a keyspace that is not there is empty", name)
		}
	}
	for _, text := range []string{"", "{}", `{"dev": 1}`, `{"dev": {}}`, `{"dev": {"tables": {"a": {}}}}`, `{"dev": {"tables": {"a": {"space_used_live": "0"}}}}`} {
		if held, err := parseTableStats(text, "dev"); err == nil {
			t.Errorf("%s was read as %v", text, held)
		}
	}
}

func FuzzTableStats(f *testing.F) {
	for _, text := range recorded(f, "tablestats-") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if held, err := parseTableStats(text, "dev"); err != nil && held != nil {
			t.Errorf("%q: %v and %v", text, held, err)
		}
	})
}
