package objectstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
	"github.com/georedkit/georedkit/objectstore/s3"
)

// bitten fails the test when the fault never took effect.
func bitten(t *testing.T, s *objecttest.Server) {
	t.Helper()
	if s.Bites() == 0 {
		t.Fatal("the fault did nothing")
	}
}

func TestListingThatEndsEarlyIsNoEnd(t *testing.T) {
	servers, sites := world(t, 2)
	seedBoth(servers, 3000)
	servers[1].Break(objecttest.CutListing("p03", 100))
	for _, workers := range []int{1, 4} {
		result, found, err := compare(t, objectstore.Comparer{Sites: sites, Workers: workers})
		bitten(t, servers[1])
		if !errors.Is(err, objectstore.ErrIncomplete) || result.Verdict() != geored.Unknown || len(result.Buckets[0].Rest) == 0 {
			t.Errorf("%d workers: %v, %v, rest %v", workers, result.Verdict(), err, result.Buckets[0].Rest)
		}
		if len(found) > 0 {
			t.Errorf("%d workers: keys behind the cut count as missing: %q", workers, found[0])
		}
		if err != nil && !strings.Contains(err.Error(), "site dc2: list bucket files: ") {
			t.Errorf("the error does not say where: %v", err)
		}
	}
}

func TestInterruptedComparisonGoesOn(t *testing.T) {
	servers, sites := world(t, 3)
	seedBoth(servers, 4000)
	servers[0].Put("files", "p06/zz-extra", "x")
	servers[2].Break(objecttest.CutListing("p03", 200))
	first, found, err := compare(t, objectstore.Comparer{Sites: sites, Workers: 2})
	bitten(t, servers[2])
	if err == nil {
		t.Fatal("the cut went unnoticed")
	}
	if len(found) != 1 { // dc1 and dc2 were compared to the end all the same
		t.Errorf("found %q", found)
	}
	servers[2].Mend()
	text, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	var kept objectstore.Comparison
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	before := servers[1].Pages()
	second, more, err := compare(t, objectstore.Comparer{Sites: sites, Workers: 2, Resume: &kept})
	if err != nil || len(more) != 1 || len(second.Buckets[0].Rest) > 0 {
		t.Fatalf("%v, found %q, rest %v", err, more, second.Buckets[0].Rest)
	}
	for _, p := range second.Buckets[0].Pairs {
		if p.Equal() != 4000 {
			t.Errorf("%s, %s: %d equal after resuming, want 4000: keys were left out or counted twice", p.From, p.To, p.Equal())
		}
	}
	third, _, err := compare(t, objectstore.Comparer{Sites: sites, Workers: 2, Resume: &second})
	if err != nil || third.Buckets[0].Pairs[0].Equal() != 4000 {
		t.Errorf("resuming what is complete: %v, %+v", err, third.Buckets[0].Pairs[0])
	}
	if pages := servers[1].Pages() - before; pages > 8 {
		t.Errorf("%d pages were read again", pages)
	}
}

func TestUnsortedListingIsRefused(t *testing.T) {
	servers, sites := world(t, 2)
	seedBoth(servers, 50)
	servers[0].Break(objecttest.Unsorted())
	result, found, err := compare(t, objectstore.Comparer{Sites: sites})
	bitten(t, servers[0])
	if !errors.Is(err, objectstore.ErrOrder) || result.Verdict() != geored.Unknown || len(found) > 0 {
		t.Errorf("%v, %v, %q", result.Verdict(), err, found)
	}
}

func TestStaleListingIsCorrectedByHead(t *testing.T) {
	servers, sites := world(t, 2)
	seedBoth(servers, 50)
	key := "p00/key00007"
	servers[1].Break(objecttest.StaleListing(key))
	_, found, _ := compare(t, objectstore.Comparer{Sites: sites, Effort: objectstore.ListingsOnly})
	bitten(t, servers[1])
	if want := []string{"files/" + key + ": dc1 -> dc2: missing (listing)"}; !slices.Equal(found, want) {
		t.Errorf("by listing: %q, want %q", found, want)
	}
	result, found, err := compare(t, objectstore.Comparer{Sites: sites})
	if err != nil || len(found) > 0 || result.Verdict() != geored.Pass {
		t.Errorf("by HEAD: %v, %v, %q", result.Verdict(), err, found)
	}
}

func TestWrongETagIsDoubtedThenProven(t *testing.T) {
	servers, sites := world(t, 2)
	seedBoth(servers, 50)
	servers[1].Break(objecttest.WrongETag("p00/key00007"))
	result, found, err := compare(t, objectstore.Comparer{Sites: sites, Effort: objectstore.ListingsOnly})
	bitten(t, servers[1])
	if err != nil || result.Verdict() != geored.Unknown || len(found) != 1 || !strings.Contains(found[0], "unproven") {
		t.Errorf("%v, %v, %q", result.Verdict(), err, found)
	}
	if result, found, err = compare(t, objectstore.Comparer{Sites: sites}); err != nil || len(found) > 0 || result.Verdict() != geored.Pass {
		t.Errorf("%v, %v, %q", result.Verdict(), err, found)
	}
}

// TestEfforts goes from what a listing leaves open to what only the bytes can tell.
func TestEfforts(t *testing.T) {
	for _, c := range []struct {
		name  string
		other string
		want  map[objectstore.Effort]geored.Verdict
	}{
		{"same bytes", "content", map[objectstore.Effort]geored.Verdict{
			objectstore.ListingsOnly: geored.Unknown, objectstore.Heads: geored.Unknown, objectstore.Bytes: geored.Pass}},
		{"other bytes", "cOntent", map[objectstore.Effort]geored.Verdict{
			objectstore.ListingsOnly: geored.Unknown, objectstore.Heads: geored.Unknown, objectstore.Bytes: geored.Fail}},
	} {
		servers, sites := world(t, 2)
		none := []objectstore.Checksum{}
		servers[0].Seed("files", []byte("content"), objectstore.Object{Key: "k", ETag: "9bb58f26192e4ba00f01e2e7b136bbd8-2", Checksums: none})
		servers[1].Seed("files", []byte(c.other), objectstore.Object{Key: "k", Encryption: objectstore.KMSKey, Checksums: none})
		for effort, want := range c.want {
			if result, found, err := compare(t, objectstore.Comparer{Sites: sites, Effort: effort}); err != nil || result.Verdict() != want {
				t.Errorf("%s, effort %q: %v, %v, %q", c.name, effort, result.Verdict(), err, found)
			}
		}
	}
}

func TestProofLimit(t *testing.T) {
	servers, sites := world(t, 2)
	for i := range 5 {
		servers[0].Put("files", fmt.Sprint("k", i), "a")
		servers[1].Put("files", fmt.Sprint("k", i), "b")
	}
	result, found, err := compare(t, objectstore.Comparer{Sites: sites, ProofLimit: 3, Workers: 1})
	if p := result.Buckets[0].Pairs[0]; err != nil || p.Different != 3 || p.Unproven != 2 ||
		strings.Count(strings.Join(found, "\n"), string(objectstore.ProofLimitReached)) != 2 {
		t.Errorf("%v, %+v, %q", err, p, found)
	}
}

// TestFaultyInputAndServers: each is an error that names the site, the bucket and what to do.
func TestFaultyServers(t *testing.T) {
	for _, c := range []struct {
		fault objecttest.Fault
		want  error
	}{
		{objecttest.Denied(), objectstore.ErrDenied},
		{objecttest.Expired(), objectstore.ErrExpired},
		{objecttest.Unreachable(), objectstore.ErrUnreachable},
		{objecttest.ClockSkew(time.Hour), objectstore.ErrClockSkew},
		{objecttest.Throttled(1000), objectstore.ErrThrottled},
	} {
		servers, sites := world(t, 3)
		seedBoth(servers, 10)
		servers[2].Break(c.fault)
		result, found, err := compare(t, objectstore.Comparer{Sites: sites, Buckets: []string{"files"}})
		bitten(t, servers[2])
		if !errors.Is(err, c.want) || result.Verdict() != geored.Unknown || len(found) > 0 {
			t.Errorf("%v: %v, %v, %q", c.want, result.Verdict(), err, found)
			continue
		}
		var site *objectstore.SiteError
		if text := err.Error(); !errors.As(err, &site) || site.Site != "dc3" || !strings.Contains(text, "bucket files") || !strings.Contains(text, objectstore.Remedy(c.want)) {
			t.Errorf("the error does not say where and what to do: %v", err)
		}
		b := result.Buckets[0]
		if p := b.Pairs[0]; p.From != "dc1" || p.To != "dc2" || p.Equal() != 10 {
			t.Errorf("%v: the two that answer were not compared: %+v", c.want, b.Pairs)
		}
	}
}

func TestHangingServerUsesUpItsBudget(t *testing.T) {
	clock := geotest.StoppedClock(time.Now())
	servers, sites := world(t, 2)
	seedBoth(servers, 10)
	servers[1].Break(objecttest.Hanging())
	go func() {
		for servers[1].Bites() == 0 {
			time.Sleep(time.Millisecond)
		}
		clock.Advance(time.Minute)
	}()
	result, _, err := compare(t, objectstore.Comparer{Sites: sites, Buckets: []string{"files"}, Clock: clock})
	bitten(t, servers[1])
	if !errors.Is(err, geored.ErrBudget) || result.Verdict() != geored.Unknown {
		t.Errorf("%v, %v", result.Verdict(), err)
	}
}

func TestBucketMissingAtOneSite(t *testing.T) {
	servers, sites := world(t, 3)
	seedBoth(servers, 10)
	servers[0].Put("logs", "k", "x")
	servers[1].Put("logs", "k", "x")
	result, found, err := compare(t, objectstore.Comparer{Sites: sites})
	logs := result.Buckets[1]
	if err != nil || result.Verdict() != geored.Fail || len(found) > 0 || !slices.Equal(logs.Missing, []geored.SiteName{"dc3"}) ||
		len(logs.Pairs) != 1 || logs.Pairs[0].Equal() != 1 || result.Buckets[0].Verdict() != geored.Pass {
		t.Errorf("%v, %v, %+v", err, found, result)
	}
}

func TestVersioningOnOneSideOnly(t *testing.T) {
	servers, sites := world(t, 2)
	servers[0].SetVersioning("files", objectstore.Versioned)
	seedBoth(servers, 10)
	if result, _, err := compare(t, objectstore.Comparer{Sites: sites, Versions: true}); err != nil ||
		result.Verdict() != geored.Unknown || len(result.Buckets[0].Notes) != 1 {
		t.Errorf("with versions: %v, %+v", err, result)
	}
	if result, _, err := compare(t, objectstore.Comparer{Sites: sites}); err != nil || result.Verdict() != geored.Pass {
		t.Errorf("without versions: %v, %+v", err, result)
	}
}

func TestFaultyInput(t *testing.T) {
	_, sites := world(t, 2)
	for _, c := range []struct {
		name string
		c    objectstore.Comparer
		want int
	}{
		{"nothing", objectstore.Comparer{}, 1},
		{"one site", objectstore.Comparer{Sites: sites[:1]}, 1},
		{"a site twice", objectstore.Comparer{Sites: []objectstore.Site{sites[0], sites[0]}}, 1},
		{"all at once", objectstore.Comparer{Sites: []objectstore.Site{{Name: "A"}, sites[0]}, Buckets: []string{"[", ""}, Effort: "x"}, 5},
		{"other sites resumed", objectstore.Comparer{Sites: sites, Resume: &objectstore.Comparison{Sites: []geored.SiteName{"x", "y"}}}, 1},
		{"no such pattern beside a name", objectstore.Comparer{Sites: sites, Buckets: []string{"files", "nothing*"}}, 1},
		{"no such pattern", objectstore.Comparer{Sites: sites, Buckets: []string{"nothing*"}}, 1},
	} {
		_, err := c.c.Compare(t.Context())
		if faults, ok := geored.AsFaults(err); !ok || len(faults) != c.want {
			t.Errorf("%s: %v, want %d faults", c.name, err, c.want)
		}
	}
}

func TestCancelledComparisonSaysSo(t *testing.T) {
	servers, sites := world(t, 2)
	seedBoth(servers, 10)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	result, err := objectstore.Comparer{Sites: sites, Buckets: []string{"files"}}.Compare(ctx)
	if !errors.Is(err, context.Canceled) || result.Verdict() != geored.Unknown || len(result.Buckets[0].Rest) == 0 {
		t.Errorf("%v, %+v", err, result)
	}
}

func TestCheck(t *testing.T) {
	servers, sites := world(t, 2)
	seedBoth(servers, 10)
	verdict := func(c objectstore.Comparer) (geored.Report, geored.Verdict) {
		report, err := geored.Prove(t.Context(), geored.CheckConfig{}, c.Check())
		if err != nil {
			t.Fatal(err)
		}
		return report, report.Verdict()
	}
	if report, v := verdict(objectstore.Comparer{Sites: sites}); v != geored.Pass {
		t.Errorf("equal: %+v", report)
	}
	servers[0].Put("files", "more", "x")
	report, v := verdict(objectstore.Comparer{Sites: sites})
	if v != geored.Fail || !slices.Equal(report.Findings[0].Evidence, []string{"files/more: dc1 -> dc2: missing (absence)"}) {
		t.Errorf("different: %+v", report)
	}
	servers[0].Delete("files", "more")
	servers[1].Break(objecttest.CutListing("", 3))
	if report, v := verdict(objectstore.Comparer{Sites: sites}); v != geored.Unknown || len(report.Findings[0].Unanswered) != 1 {
		t.Errorf("cut: %+v", report)
	}
	if report, v := verdict(objectstore.Comparer{}); v != geored.Unknown {
		t.Errorf("faulty input: %+v", report)
	}
}

func TestMetadataThatNobodyTells(t *testing.T) {
	servers, sites := world(t, 2)
	seedBoth(servers, 10)
	sites[1].Store = noMetadata{sites[1].Store}
	if result, _, err := compare(t, objectstore.Comparer{Sites: sites, Metadata: true}); err != nil ||
		result.Verdict() != geored.Unknown || result.Buckets[0].Pairs[0].NoMetadata != 10 {
		t.Errorf("%v, %+v", err, result)
	}
}

// noMetadata is a server without MinIO's extension.
type noMetadata struct{ objectstore.Reader }

func (n noMetadata) List(ctx context.Context, q objectstore.Query) (objectstore.Page, error) {
	q.Metadata = false
	return n.Reader.List(ctx, q)
}

var _ objectstore.Reader = (*s3.Client)(nil)

// A bucket that a site lacked is read there by the comparison that goes on, once it has one.
func TestABucketThatWasMadeSinceIsRead(t *testing.T) {
	servers, sites := world(t, 2)
	late := objecttest.New(t, nil)
	servers, sites = append(servers, late), append(sites, late.Site(t, "dc3"))
	for _, s := range servers[:2] {
		s.Put("files", "key", "same")
	}
	first, _, err := compare(t, objectstore.Comparer{Sites: sites, Buckets: []string{"files"}})
	if err != nil || first.Verdict() != geored.Fail {
		t.Fatalf("%s, %v", first.Verdict(), err)
	}
	late.SetVersioning("files", objectstore.Unversioned)
	second, found, err := compare(t, objectstore.Comparer{Sites: sites, Buckets: []string{"files"}, Resume: &first})
	if err != nil || second.Verdict() != geored.Fail || len(found) != 2 || len(second.Buckets[0].Pairs) != 3 {
		t.Errorf("%s, %v, %q, %+v", second.Verdict(), err, found, second.Buckets[0].Pairs)
	}
}

// TestTagsThatRightsHide: a listing without tags reads as one of objects that have none.
func TestTagsThatRightsHide(t *testing.T) {
	servers, sites := world(t, 2)
	seedBoth(servers, 50)
	for i, tag := range []string{"green", "red"} {
		servers[i].Seed("files", []byte("x"), objectstore.Object{Key: "tagged", Metadata: &objectstore.Metadata{Headers: map[string]string{"content-type": "text/plain"}, Tags: map[string]string{"state": tag}}})
		servers[i].Break(objecttest.HiddenTags())
	}
	result, found, err := compare(t, objectstore.Comparer{Sites: sites, Metadata: true})
	bitten(t, servers[0])
	if err != nil || result.Verdict() != geored.Unknown || len(found) > 0 {
		t.Errorf("%v, %v, %q", result.Verdict(), err, found)
	}
	for _, server := range servers {
		server.Mend()
	}
	if result, found, err = compare(t, objectstore.Comparer{Sites: sites, Metadata: true}); err != nil || result.Verdict() != geored.Fail || len(found) != 1 {
		t.Errorf("with the right: %v, %v, %q", result.Verdict(), err, found)
	}
}
