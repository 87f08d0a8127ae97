//go:build lab

package s3_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
)

// fill puts n equal objects into the bucket of all sites, over as many folders as are given.
func fill(t *testing.T, sites []store, bucket string, n, folders int) {
	t.Helper()
	for _, site := range sites {
		client := site.client(t, nil)
		errs := make(chan error)
		for w := range 8 {
			go func() {
				var err error
				for i := w; i < n && err == nil; i += 8 {
					key := fmt.Sprintf("p%03d/object-%06d", i%folders, i)
					err = client.Put(t.Context(), objectstore.Ref{Bucket: bucket, Key: key}, 4, objectstore.Metadata{}, strings.NewReader("same"))
				}
				errs <- err
			}()
		}
		for range 8 {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
	}
}

func planted(t *testing.T, server string, efforts map[bool]int, known func(*objecttest.Planted)) {
	running := start(t, "-server", server)
	a, b := running.Sites[0], running.Sites[1]
	for _, site := range running.Sites {
		site.makeBucket(t, "files", objectstore.Versioned)
	}
	fill(t, running.Sites, "files", 2500, 5)
	clientA, clientB := a.client(t, nil), b.client(t, nil)
	want, err := objecttest.Plant(t.Context(), objecttest.Plantation{A: a.Name, B: b.Name, StoreA: clientA, StoreB: clientB,
		Bucket: "files", Prefix: "planted/", Pause: func(ctx context.Context) error {
			return geored.SystemClock().Sleep(ctx, objectstore.ClockTolerance+1500*time.Millisecond)
		}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		known(&want[i])
	}
	sites := []objectstore.Site{{Name: a.Name, Store: clientA}, {Name: b.Name, Store: clientB}}
	for full, count := range efforts {
		var found []objectstore.Difference
		c := objectstore.Comparer{Sites: sites, Buckets: []string{"files"}, Versions: full, Metadata: full,
			Found: func(d objectstore.Difference) { found = append(found, d) }}
		result, err := c.Compare(t.Context())
		if err != nil || result.Verdict() != geored.Fail {
			t.Errorf("full %v: %v, %v", full, result.Verdict(), err)
		}
		missed, invented := objecttest.Score(want, found, !full)
		if len(found) != count || len(invented) > 0 || len(missed) > 100-count {
			t.Errorf("full %v: %d found, want %d; missed %v, invented %v", full, len(found), count, missed, invented)
		}
		t.Logf("full %v: %v", full, result.Buckets[0])
	}
}

func TestMinIOPlantedDifferencesAreFound(t *testing.T) {
	planted(t, "minio", map[bool]int{false: 80, true: 100}, func(*objecttest.Planted) {})
}

// versitygw tells no metadata, so that 10 of the hundred cannot be seen in its listings, and dates a delete marker as the
// version that it hides, so that nobody can tell which is newer.
func TestVersityGWPlantedDifferencesAreFound(t *testing.T) {
	planted(t, "versitygw", map[bool]int{false: 80, true: 90}, func(p *objecttest.Planted) {
		p.Directed = p.Directed && p.Kind != objectstore.Deleted
	})
}
