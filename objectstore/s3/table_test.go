package s3_test

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
)

// rows are the README's table of who finds which difference: each kind's keys, and what the columns say of it.
var rows = []struct{ kind, keys string }{
	{"only at one site", "only-"}, {"other size", "size-"},
	{"same size, other content, newer at the first site", "content-a-"}, {"same size, other content, newer at the second site", "content-b-"},
	{"deleted at one site", "marker-"}, {"deleted and written again at one site", "history-"},
	{"other user metadata", "metadata-"}, {"other tags", "tags-"},
}

// columns of the README's table.
const (
	planted100 = iota + 1
	mcDiff
	rcloneCheck
	plain
	full
)

// says is the number that a cell begins with.
func says(t *testing.T, kind string, column int) int {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(readme)) {
		if !strings.HasPrefix(line, "| "+kind+" |") {
			continue
		}
		cell := strings.TrimSpace(strings.Split(strings.Trim(line, "|\n"), "|")[column])
		cell, _, _ = strings.Cut(cell, ",")
		if n, err := strconv.Atoi(cell); err == nil {
			return n
		}
	}
	t.Fatalf("the README has no number for %q in column %d", kind, column)
	return 0
}

// held asserts that what was found is what the README says, kind by kind.
func held(t *testing.T, what string, column int, keys []string) {
	t.Helper()
	for _, row := range rows {
		n := 0
		for _, key := range keys {
			if strings.Contains(key, "/"+row.keys) {
				n++
			}
		}
		if want := says(t, row.kind, column); n != want {
			t.Errorf("%s, %s: found %d, the README says %d", what, row.kind, n, want)
		}
	}
}

func TestReadmeSaysWhatIsFound(t *testing.T) {
	a, b := objecttest.New(t, []string{"files"}), objecttest.New(t, []string{"files"})
	a.SetVersioning("files", objectstore.Versioned)
	b.SetVersioning("files", objectstore.Versioned)
	planted, err := objecttest.Plant(t.Context(), objecttest.Plantation{A: "dc1", B: "dc2", StoreA: a.Client(t, "dc1", nil), StoreB: b.Client(t, "dc2", nil),
		Bucket: "files", Prefix: "planted/", Pause: func(ctx context.Context) error {
			return geored.SystemClock().Sleep(ctx, objectstore.ClockTolerance+time.Second)
		}})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, p := range planted {
		keys = append(keys, p.Key)
	}
	held(t, "planted", planted100, keys)
	for column, whole := range map[int]bool{plain: false, full: true} {
		var found []string
		_, err := objectstore.Comparer{Sites: []objectstore.Site{a.Site(t, "dc1"), b.Site(t, "dc2")}, Buckets: []string{"files"},
			Versions: whole, Metadata: whole, Found: func(d objectstore.Difference) { found = append(found, d.Key) }}.Compare(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held(t, "georedkit", column, found)
	}
}
