//go:build lab

package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/s3"
)

// apart is two real sites that were equal, and then each wrote on its own.
type apart struct {
	*testing.T
	sites [2]*s3.Client
	since time.Time
}

func (a apart) put(site int, key, content string) {
	a.Helper()
	meta := objectstore.Metadata{User: map[string]string{"owner": key}, Tags: map[string]string{"kind": "test"}, Headers: map[string]string{"content-type": "text/html"}}
	if err := a.sites[site].Put(a.Context(), objectstore.Ref{Bucket: "files", Key: key}, int64(len(content)), meta, strings.NewReader(content)); err != nil {
		a.Fatal(err)
	}
}

func (a apart) remove(site int, key string) {
	a.Helper()
	if err := a.sites[site].Delete(a.Context(), objectstore.Ref{Bucket: "files", Key: key}); err != nil {
		a.Fatal(err)
	}
}

// get is empty for what is not there.
func (a apart) get(site int, key string) string {
	a.Helper()
	body, err := a.sites[site].Open(a.Context(), objectstore.Ref{Bucket: "files", Key: key})
	if errors.Is(err, objectstore.ErrNoObject) {
		return ""
	}
	if err != nil {
		a.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		a.Fatal(err)
	}
	return string(text)
}

func (a apart) compare() (geored.Verdict, []objectstore.Difference) {
	a.Helper()
	var found []objectstore.Difference
	c := objectstore.Comparer{Buckets: []string{"files"}, Versions: true, Metadata: true, Found: func(d objectstore.Difference) {
		if d.Kind != objectstore.History { // a copy is a new version, by design
			found = append(found, d)
		}
	}}
	for i, site := range a.sites {
		c.Sites = append(c.Sites, objectstore.Site{Name: siteName(i), Store: site})
	}
	if _, err := c.Compare(a.Context()); err != nil {
		a.Fatal(err)
	}
	c.Versions, c.Found = false, nil
	result, err := c.Compare(a.Context())
	if err != nil {
		a.Fatal(err)
	}
	return result.Verdict(), found
}

func siteName(i int) geored.SiteName { return geored.SiteName(fmt.Sprintf("dc%d", i+1)) }

// catchUp plans from one site to the other and asserts what is done and what is left as a conflict.
func (a apart) catchUp(from int, rules objectstore.CatchUpRules, want, conflicts []string) objectstore.CatchUp {
	a.Helper()
	_, found := a.compare()
	rules.From, rules.To = siteName(from), siteName(1-from)
	plan, err := objectstore.PlanCatchUp(found, rules)
	if err != nil {
		a.Fatal(err)
	}
	var got, left []string
	for _, t := range plan.Transfers {
		got = append(got, fmt.Sprint(t.Action, " ", t.Key))
	}
	for _, l := range plan.Left {
		if strings.HasPrefix(l.Reason, "conflict") {
			left = append(left, l.Key)
		}
	}
	slices.Sort(left)
	if left = slices.Compact(left); !slices.Equal(got, want) || !slices.Equal(left, conflicts) {
		a.Errorf("from %s: %q with conflicts %q, want %q with %q", rules.From, got, left, want, conflicts)
	}
	return plan
}

func (a apart) run(from int, plan objectstore.CatchUp, want geored.Status) {
	a.Helper()
	outcomes, err := plan.Run(a.Context(), objectstore.TransferConfig{Source: a.sites[from], Target: a.sites[1-from]})
	if err != nil {
		a.Error(err)
	}
	for _, o := range outcomes {
		if o.Status != want {
			a.Errorf("%s %s: %s, want %s", o.Action, o.Key, o.Status, want)
		}
	}
}

// drift lets both sites go apart, each write far enough from the one before to be told from it.
func drift(t *testing.T, s stores) apart {
	a := apart{T: t}
	large := bytes.Repeat([]byte("0123456789abcdef"), 11<<20/16)
	for i, site := range s.Sites {
		site.makeBucket(t, "files", objectstore.Versioned)
		a.sites[i] = site.client(t, nil)
		if _, err := site.admin(t).PutObject(t.Context(), "files", "large", bytes.NewReader(large), int64(len(large)), minio.PutObjectOptions{PartSize: uint64(5+i) << 20}); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"same", "changed-at-1", "changed-at-2", "changed-at-both", "deleted-at-1", "deleted-and-changed"} {
			a.put(i, key, "before")
		}
	}
	pause := func() { time.Sleep(objectstore.ClockTolerance + time.Second) }
	pause()
	a.since = time.Now()
	pause()
	a.put(1, "changed-at-2", "after, at 2")
	a.put(1, "changed-at-both", "after, at 2")
	a.put(1, "created-at-2", "new")
	pause()
	a.put(0, "created-at-1", "new")
	a.put(0, "changed-at-1", "after, at 1")
	a.put(0, "changed-at-both", "after, at 1")
	a.remove(0, "deleted-at-1")
	a.remove(0, "deleted-and-changed")
	pause()
	a.put(1, "deleted-and-changed", "after, at 2")
	return a
}

// TestCatchUpBothWays on real servers: without a rule no object that both sites have is touched, and nothing is deleted
// that was not asked for; with rules, one way and then the other, both sites end up equal.
func TestCatchUpBothWays(t *testing.T) {
	a := drift(t, start(t))
	both := []string{"changed-at-1", "changed-at-2", "changed-at-both"}

	there := a.catchUp(0, objectstore.CatchUpRules{}, []string{"copy created-at-1"}, both)
	a.run(0, there, geored.Changed)
	a.run(0, there, geored.Unchanged)                          // as after an interruption
	deleted := []string{"deleted-and-changed", "deleted-at-1"} // at one, and there at the other: also a conflict
	back := a.catchUp(1, objectstore.CatchUpRules{}, []string{"copy created-at-2"}, append(both, deleted...))
	if a.get(0, "deleted-at-1") != "" || a.get(1, "deleted-at-1") != "before" || a.get(1, "changed-at-1") != "before" {
		t.Error("something was touched without a rule")
	}
	a.run(1, back, geored.Changed)
	overtaken := a.catchUp(1, objectstore.CatchUpRules{Conflicts: objectstore.SourceWins},
		[]string{"copy changed-at-1", "copy changed-at-2", "copy changed-at-both", "copy deleted-and-changed", "copy deleted-at-1"}, nil)
	overtaken.Transfers = overtaken.Transfers[4:]

	there = a.catchUp(0, objectstore.CatchUpRules{Since: a.since, Deletes: true},
		[]string{"copy changed-at-1", "delete deleted-at-1"}, []string{"changed-at-2", "changed-at-both", "deleted-and-changed"})
	a.run(0, there, geored.Changed)
	if a.get(1, "deleted-at-1") != "" || a.get(1, "changed-at-1") != "after, at 1" || a.get(1, "deleted-and-changed") == "" {
		t.Error("the rules were not kept")
	}
	outcomes, err := overtaken.Run(t.Context(), objectstore.TransferConfig{Source: a.sites[1], Target: a.sites[0]})
	if !errors.Is(err, objectstore.ErrChanged) || outcomes[0].Status != geored.Failed || a.get(0, "deleted-at-1") != "" {
		t.Errorf("a plan that time has overtaken: %v, %+v", err, outcomes)
	}
	a.run(1, a.catchUp(1, objectstore.CatchUpRules{Since: a.since}, []string{"copy changed-at-2"}, []string{"changed-at-both", "deleted-and-changed"}), geored.Changed)
	if verdict, _ := a.compare(); verdict != geored.Fail {
		t.Errorf("with two conflicts left: %s", verdict)
	}
	a.run(0, a.catchUp(0, objectstore.CatchUpRules{Conflicts: objectstore.NewerWins}, []string{"copy changed-at-both"}, nil), geored.Changed) // deleting was not asked for
	a.run(1, a.catchUp(1, objectstore.CatchUpRules{Conflicts: objectstore.NewerWins}, []string{"copy deleted-and-changed"}, nil), geored.Changed)
	c := objectstore.Comparer{Buckets: []string{"files"}, Metadata: true, Effort: objectstore.Bytes,
		Sites: []objectstore.Site{{Name: "dc1", Store: a.sites[0]}, {Name: "dc2", Store: a.sites[1]}}}
	if result, err := c.Compare(t.Context()); err != nil || result.Verdict() != geored.Pass {
		t.Errorf("at the end: %v, %v", result.Buckets, err)
	}
	if a.get(0, "changed-at-2") != "after, at 2" || a.get(1, "changed-at-both") != "after, at 1" {
		t.Error("the wrong version won")
	}
}

// TestCatchUpIsResumed on real servers: it is broken off in the middle, run again, and copies nothing twice.
func TestCatchUpIsResumed(t *testing.T) {
	s := start(t)
	a := apart{T: t}
	for i, site := range s.Sites {
		site.makeBucket(t, "files", objectstore.Unversioned)
		a.sites[i] = site.client(t, nil)
	}
	fill(t, s.Sites[:1], "files", 60, 3)
	a.put(1, "only-at-2", "x")
	_, found := a.compare()
	plan, err := objectstore.PlanCatchUp(found, objectstore.CatchUpRules{From: "dc1", To: "dc2", Deletes: true})
	if err != nil || len(plan.Transfers) != 60 || len(plan.Left) != 1 {
		t.Fatalf("%d transfers, left %+v, %v", len(plan.Transfers), plan.Left, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := 0
	_, err = plan.Run(ctx, objectstore.TransferConfig{Source: a.sites[0], Target: a.sites[1], Workers: 2, Done: func(objectstore.TransferOutcome) {
		if done++; done == 20 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("it was not broken off: %v", err)
	}
	outcomes, err := plan.Run(t.Context(), objectstore.TransferConfig{Source: a.sites[0], Target: a.sites[1]})
	count := map[geored.Status]int{}
	for _, o := range outcomes {
		count[o.Status]++
	}
	if err != nil || count[geored.Unchanged] < 18 || count[geored.Changed] < 10 || len(outcomes) != 60 {
		t.Errorf("%v, %v", count, err)
	}
	if a.get(1, "only-at-2") == "" {
		t.Error("what is only at the target was deleted: nothing shows that it was deleted at the source")
	}
}

// An object that is sent in parts keeps how it is encoded, as one that is sent at once does.
func TestALargeEncodedObjectStaysEncoded(t *testing.T) {
	site := start(t, "-sites", "1").Sites[0]
	site.makeBucket(t, "files", objectstore.Unversioned)
	store, ref, body := site.client(t, nil), objectstore.Ref{Bucket: "files", Key: "large"}, bytes.Repeat([]byte("x"), 17<<20)
	meta := objectstore.Metadata{Headers: map[string]string{"content-type": "text/plain", "content-encoding": "gzip"}}
	if err := store.Put(t.Context(), ref, int64(len(body)), meta, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	o, err := store.Stat(t.Context(), ref)
	if err != nil || !strings.Contains(string(o.ETag), "-") || o.Metadata.Headers["content-encoding"] != "gzip" {
		t.Errorf("%v: ETag %s, headers %v", err, o.ETag, o.Metadata)
	}
}
