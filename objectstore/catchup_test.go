package objectstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
)

// differences compares with versions and metadata.
func differences(t *testing.T, sites []objectstore.Site) []objectstore.Difference {
	t.Helper()
	var found []objectstore.Difference
	_, err := objectstore.Comparer{Sites: sites, Versions: true, Metadata: true,
		Found: func(d objectstore.Difference) { found = append(found, d) }}.Compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// outage is two sites that were equal, then apart: each wrote on its own.
func outage(t *testing.T) ([]*objecttest.Server, []objectstore.Site, time.Time) {
	t.Helper()
	clock := geotest.StoppedClock(time.Now())
	servers, sites := world(t, 2, objecttest.WithClock(clock))
	for _, s := range servers {
		s.SetVersioning("files", objectstore.Versioned)
		for _, key := range []string{"same", "changed-at-1", "changed-at-2", "changed-at-both", "deleted-at-1", "deleted-and-changed"} {
			s.Put("files", key, "before")
		}
	}
	clock.Advance(time.Hour)
	since := clock.Now()
	clock.Advance(time.Hour)
	servers[1].Put("files", "changed-at-2", "after, at 2")
	servers[1].Put("files", "changed-at-both", "after, at 2")
	servers[1].Put("files", "created-at-2", "new")
	clock.Advance(time.Hour)
	servers[0].Seed("files", []byte("new"), objectstore.Object{Key: "created-at-1", Metadata: &objectstore.Metadata{
		User: map[string]string{"owner": "x"}, Tags: map[string]string{"k": "v"}, Headers: map[string]string{"content-type": "text/html"}}})
	servers[0].Put("files", "changed-at-1", "after, at 1")
	servers[0].Put("files", "changed-at-both", "after, at 1")
	servers[0].Delete("files", "deleted-at-1")
	servers[0].Delete("files", "deleted-and-changed")
	clock.Advance(time.Hour)
	servers[1].Put("files", "deleted-and-changed", "after, at 2")
	return servers, sites, since
}

func planned(plan objectstore.CatchUp) []string {
	var lines []string
	for _, t := range plan.Transfers {
		lines = append(lines, fmt.Sprint(t.Action, " ", t.Key))
	}
	return lines
}

func TestCatchUpPlans(t *testing.T) {
	_, sites, since := outage(t)
	found := differences(t, sites)
	for _, c := range []struct {
		name  string
		rules objectstore.CatchUpRules
		want  []string
	}{
		{"nothing known", objectstore.CatchUpRules{}, []string{"copy created-at-1"}},
		{"since", objectstore.CatchUpRules{Since: since}, []string{"copy changed-at-1", "copy created-at-1"}},
		{"newer wins", objectstore.CatchUpRules{Conflicts: objectstore.NewerWins}, []string{"copy changed-at-1", "copy changed-at-both", "copy created-at-1"}},
		{"source wins", objectstore.CatchUpRules{Conflicts: objectstore.SourceWins}, []string{"copy changed-at-1", "copy changed-at-2", "copy changed-at-both", "copy created-at-1"}},
		{"deletes", objectstore.CatchUpRules{Deletes: true}, []string{"copy created-at-1", "delete deleted-at-1"}},
	} {
		c.rules.From, c.rules.To = "dc1", "dc2"
		plan, err := objectstore.PlanCatchUp(found, c.rules)
		if got := planned(plan); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
		left := map[string]bool{}
		for _, l := range plan.Left {
			left[l.Key] = l.Reason != ""
		}
		for _, d := range found {
			if !left[d.Key] && !slices.ContainsFunc(plan.Transfers, func(x objectstore.Transfer) bool { return x.Key == d.Key }) {
				t.Errorf("%s: %s is neither transferred nor left", c.name, d.Key)
			}
		}
	}
	if _, err := objectstore.PlanCatchUp(found, objectstore.CatchUpRules{From: "dc1", To: "dc1", Conflicts: "x"}); err == nil {
		t.Error("faulty rules are taken")
	}
}

// run carries a plan out from site 1 to site 2.
func run(ctx context.Context, plan objectstore.CatchUp, sites []objectstore.Site) ([]objectstore.TransferOutcome, error) {
	return plan.Run(ctx, objectstore.TransferConfig{Source: sites[0].Store, Target: sites[1].Store.(objectstore.Target), Workers: 2})
}

func TestCatchUpMakesBothEqual(t *testing.T) {
	_, sites, since := outage(t)
	there := objectstore.CatchUpRules{From: "dc1", To: "dc2", Since: since, Conflicts: objectstore.NewerWins, Deletes: true}
	plan, err := objectstore.PlanCatchUp(differences(t, sites), there)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []geored.Status{geored.Changed, geored.Unchanged} { // run again, there is nothing to do
		outcomes, err := run(t.Context(), plan, sites)
		if err != nil || len(outcomes) != len(plan.Transfers) {
			t.Fatal(err)
		}
		for _, o := range outcomes {
			if o.Status != want {
				t.Errorf("%s is %s, want %s", o.Key, o.Status, want)
			}
		}
	}
	back := objectstore.CatchUpRules{From: "dc2", To: "dc1", Conflicts: objectstore.NewerWins}
	if plan, err = objectstore.PlanCatchUp(differences(t, sites), back); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), plan, []objectstore.Site{sites[1], sites[0]}); err != nil {
		t.Fatal(err)
	}
	result, found, err := compare(t, objectstore.Comparer{Sites: sites, Metadata: true})
	if err != nil || result.Verdict() != geored.Pass {
		t.Errorf("%v, %v, %q", result.Verdict(), err, found)
	}
}

// A header that only the target has goes with the copy, and is not taken for a default.
func TestCatchUpTakesHeadersAway(t *testing.T) {
	servers, sites := world(t, 2)
	body, at := []byte("content"), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	servers[0].Seed("files", body, objectstore.Object{Key: "k", Modified: at, Metadata: &objectstore.Metadata{Headers: map[string]string{"content-type": "text/plain"}}})
	servers[1].Seed("files", body, objectstore.Object{Key: "k", Modified: at, Metadata: &objectstore.Metadata{Headers: map[string]string{"content-type": "text/plain", "cache-control": "no-store"}}})
	plan, err := objectstore.PlanCatchUp(differences(t, sites), objectstore.CatchUpRules{From: "dc1", To: "dc2", Conflicts: objectstore.SourceWins})
	if err != nil || len(plan.Transfers) != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	if outcomes, err := run(t.Context(), plan, sites); err != nil || outcomes[0].Status != geored.Changed {
		t.Errorf("%+v, %v", outcomes, err)
	}
	if left := differences(t, sites); len(left) > 0 {
		t.Errorf("%v", left)
	}
}

func TestCatchUpRefusesWhatChanged(t *testing.T) {
	servers, sites, since := outage(t)
	plan, err := objectstore.PlanCatchUp(differences(t, sites), objectstore.CatchUpRules{From: "dc1", To: "dc2", Since: since, Deletes: true})
	if err != nil {
		t.Fatal(err)
	}
	servers[1].Put("files", "changed-at-1", "written meanwhile")
	servers[0].Put("files", "created-at-1", "written meanwhile")
	servers[0].Put("files", "deleted-at-1", "back again")
	outcomes, err := run(t.Context(), plan, sites)
	if !errors.Is(err, objectstore.ErrChanged) || len(outcomes) != 3 {
		t.Fatalf("%v, %+v", err, outcomes)
	}
	for _, o := range outcomes {
		if o.Status != geored.Failed || !errors.Is(o.Err, objectstore.ErrChanged) {
			t.Errorf("%s is %s: %v", o.Key, o.Status, o.Err)
		}
	}
	if !servers[1].Has("files", "deleted-at-1") || servers[1].Has("files", "created-at-1") {
		t.Error("something was done all the same")
	}
}

// corrupting loses the last byte of what it is given, and says that all went well.
type corrupting struct{ objectstore.Target }

func (c corrupting) Put(ctx context.Context, ref objectstore.Ref, size int64, meta objectstore.Metadata, _ io.Reader) error {
	return c.Target.Put(ctx, ref, size, meta, strings.NewReader(strings.Repeat("?", int(size))))
}

func TestCatchUpVerifiesTheCopy(t *testing.T) {
	servers, sites := world(t, 2)
	servers[0].Put("files", "k", "content")
	plan, err := objectstore.PlanCatchUp(differences(t, sites), objectstore.CatchUpRules{From: "dc1", To: "dc2"})
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := plan.Run(t.Context(), objectstore.TransferConfig{Source: sites[0].Store, Target: corrupting{sites[1].Store.(objectstore.Target)}})
	if err == nil || outcomes[0].Status != geored.Failed || !servers[1].Has("files", "k") {
		t.Errorf("%v, %+v", err, outcomes)
	}
}

func TestCatchUpInterrupted(t *testing.T) {
	servers, sites := world(t, 2)
	for i := range 50 {
		servers[0].Put("files", fmt.Sprint("k", i), "x")
	}
	plan, err := objectstore.PlanCatchUp(differences(t, sites), objectstore.CatchUpRules{From: "dc1", To: "dc2"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := 0
	outcomes, err := plan.Run(ctx, objectstore.TransferConfig{Source: sites[0].Store, Target: sites[1].Store.(objectstore.Target), Workers: 1,
		Done: func(objectstore.TransferOutcome) {
			if done++; done == 10 {
				cancel()
			}
		}})
	pending := 0
	for _, o := range outcomes {
		if o.Status == geored.Pending {
			pending++
		}
	}
	if !errors.Is(err, context.Canceled) || len(outcomes) != 50 || pending < 35 {
		t.Fatalf("%v, %d outcomes, %d pending", err, len(outcomes), pending)
	}
	outcomes, err = run(t.Context(), plan, sites)
	unchanged := 0
	for _, o := range outcomes {
		if o.Status == geored.Unchanged {
			unchanged++
		}
	}
	if result, _, _ := compare(t, objectstore.Comparer{Sites: sites}); err != nil || unchanged < 10 || result.Verdict() != geored.Pass {
		t.Errorf("%v, %d unchanged, %v", err, unchanged, result.Verdict())
	}
}
