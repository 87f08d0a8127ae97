package objectstore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
)

// world is servers, one per site, all with the bucket "files".
func world(t *testing.T, n int, options ...objecttest.Option) ([]*objecttest.Server, []objectstore.Site) {
	t.Helper()
	servers, sites := make([]*objecttest.Server, n), make([]objectstore.Site, n)
	for i := range servers {
		servers[i] = objecttest.New(t, []string{"files"}, options...)
		sites[i] = servers[i].Site(t, geored.SiteName(fmt.Sprintf("dc%d", i+1)))
	}
	return servers, sites
}

// compare gives the result with what was found, sorted.
func compare(t *testing.T, c objectstore.Comparer) (objectstore.Comparison, []string, error) {
	t.Helper()
	var found []string
	c.Found = func(d objectstore.Difference) { found = append(found, d.String()) }
	result, err := c.Compare(t.Context())
	slices.Sort(found)
	return result, found, err
}

func seedBoth(servers []*objecttest.Server, n int) {
	for i := range n {
		for _, s := range servers {
			s.Put("files", fmt.Sprintf("p%02d/key%05d", i%7, i), "same")
		}
	}
}

func TestEqualBucketsPass(t *testing.T) {
	for _, n := range []int{2, 3, 5} {
		servers, sites := world(t, n)
		seedBoth(servers, 2500)
		for _, workers := range []int{1, 4} {
			result, found, err := compare(t, objectstore.Comparer{Sites: sites, Workers: workers})
			if err != nil || len(found) > 0 || result.Verdict() != geored.Pass {
				t.Fatalf("%d sites: %v, %v, %q", n, result.Verdict(), err, found)
			}
			b := result.Buckets[0]
			if pairs := n * (n - 1) / 2; len(b.Pairs) != pairs {
				t.Errorf("%d sites make %d pairs, want %d", n, len(b.Pairs), pairs)
			}
			for _, p := range b.Pairs {
				if p.Equal() != 2500 || p.EqualBy[objectstore.ByETag] != 2500 {
					t.Errorf("%s, %s: %d equal, want 2500 by ETag", p.From, p.To, p.Equal())
				}
			}
			for _, site := range sites {
				if b.Listed[site.Name] < 2500 {
					t.Errorf("%s: %d listed", site.Name, b.Listed[site.Name])
				}
			}
		}
	}
}

func TestPlantedDifferencesAreFound(t *testing.T) {
	clock := geotest.StoppedClock(time.Now())
	servers, sites := world(t, 2, objecttest.WithClock(clock))
	for _, s := range servers {
		s.SetVersioning("files", objectstore.Versioned)
	}
	seedBoth(servers, 3000)
	planted, err := objecttest.Plant(t.Context(), objecttest.Plantation{A: "dc1", B: "dc2", Bucket: "files",
		StoreA: sites[0].Store.(objectstore.Writer), StoreB: sites[1].Store.(objectstore.Writer),
		Pause: func(context.Context) error { clock.Advance(time.Minute); return nil }})
	if err != nil || len(planted) != 100 {
		t.Fatalf("%d planted: %v", len(planted), err)
	}
	for _, full := range []bool{false, true} {
		for _, workers := range []int{1, 3, 8} {
			var found []objectstore.Difference
			c := objectstore.Comparer{Sites: sites, Versions: full, Metadata: full, Workers: workers,
				Found: func(d objectstore.Difference) { found = append(found, d) }}
			result, err := c.Compare(t.Context())
			if err != nil || result.Verdict() != geored.Fail {
				t.Fatalf("%v, %v", result.Verdict(), err)
			}
			missed, invented := objecttest.Score(planted, found, !full)
			if len(missed)+len(invented) > 0 {
				t.Errorf("full %v, %d workers: missed %+v, invented %v", full, workers, missed, invented)
			}
			if want := map[bool]int{false: 80, true: 100}[full]; len(found) != want {
				t.Errorf("full %v: %d found, want %d", full, len(found), want)
			}
		}
	}
}

func TestDifferenceNamesItsSites(t *testing.T) {
	servers, sites := world(t, 3)
	for _, s := range servers {
		s.Put("files", "everywhere", "x")
	}
	servers[0].Put("files", "first", "x")
	servers[1].Put("files", "both", "x")
	servers[2].Put("files", "both", "x")
	_, found, err := compare(t, objectstore.Comparer{Sites: sites})
	want := []string{
		"files/both: dc2 -> dc1: missing (absence)", "files/both: dc3 -> dc1: missing (absence)",
		"files/first: dc1 -> dc2: missing (absence)", "files/first: dc1 -> dc3: missing (absence)",
	}
	if err != nil || !slices.Equal(found, want) {
		t.Errorf("%v\n%s", err, strings.Join(found, "\n"))
	}
}
