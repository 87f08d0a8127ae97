package objectstore_test

import (
	"fmt"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
)

// TestLayouts compares buckets of every shape: what decides how a listing is asked for must not decide what it finds.
func TestLayouts(t *testing.T) {
	for name, key := range map[string]func(int) string{
		"flat":              func(i int) string { return fmt.Sprintf("k%05d", i) },
		"one deep folder":   func(i int) string { return fmt.Sprintf("a/b/c/k%05d", i) },
		"large and small":   func(i int) string { return fmt.Sprintf("%c/k%05d", "aaaabc"[i%6], i) },
		"many small":        func(i int) string { return fmt.Sprintf("%04d/k", i) },
		"folders in folder": func(i int) string { return fmt.Sprintf("a/%02d/%02d/k%05d", i%20, i%7, i) },
		"around the slash":  func(i int) string { return fmt.Sprintf("a%c%04d", "!-./0"[i%5], i) },
	} {
		servers, sites := world(t, 2)
		const n = 3500
		for i := range n {
			servers[0].Put("files", key(i), "x")
			servers[1].Put("files", key(i), "x")
		}
		servers[0].Put("files", key(n), "x")
		servers[1].Put("files", key(n+1), "x")
		for _, versions := range []bool{false, true} {
			for _, workers := range []int{1, 6} {
				before := servers[0].Pages()
				result, found, err := compare(t, objectstore.Comparer{Sites: sites, Workers: workers, Versions: versions})
				if p := result.Buckets[0].Pairs[0]; err != nil || p.Equal() != n || p.Different != 2 || len(found) != 2 {
					t.Errorf("%s, versions %v, %d workers: %v, %+v, %d found", name, versions, workers, err, p, len(found))
				}
				// A page more per worker for where it stops, and what finding the cuts costs.
				if pages := servers[0].Pages() - before; pages > 4+16+3*workers {
					t.Errorf("%s, versions %v, %d workers: %d pages", name, versions, workers, pages)
				}
			}
		}
	}
}

// TestManyVersionsOfOneKey spreads one key over pages, once up to the limit and once beyond it.
func TestManyVersionsOfOneKey(t *testing.T) {
	for n, want := range map[int]geored.Verdict{2500: geored.Pass, 10_500: geored.Unknown} {
		servers, sites := world(t, 2)
		for _, s := range servers {
			s.SetVersioning("files", objectstore.Versioned)
			s.Put("files", "a", "x")
			for range n {
				s.Put("files", "k", "x")
			}
			s.Put("files", "z", "x")
		}
		result, found, err := compare(t, objectstore.Comparer{Sites: sites, Versions: true})
		if result.Verdict() != want || len(found) > 0 || (err == nil) != (want == geored.Pass) {
			t.Errorf("%d versions: %v, %v, %q", n, result.Verdict(), err, found)
		}
	}
}
