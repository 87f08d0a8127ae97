package objectstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
)

// mirrored is sites that mirror to each other, each to all.
func mirrored(t *testing.T, n int) ([]*objecttest.Server, objectstore.Canary) {
	t.Helper()
	servers, sites := world(t, n)
	c := objectstore.Canary{Bucket: "files", Patience: 10 * time.Second, Interval: 5 * time.Millisecond}
	for i, s := range servers {
		for j, other := range servers {
			if i != j {
				s.MirrorTo(t, other)
			}
		}
		c.Sites = append(c.Sites, objectstore.CanarySite{Name: sites[i].Name, Store: sites[i].Store.(objectstore.Target)})
	}
	return servers, c
}

func TestCanary(t *testing.T) {
	for _, n := range []int{2, 3, 5} {
		_, c := mirrored(t, n)
		crossings, err := c.Run(t.Context())
		if err != nil || len(crossings) != n*(n-1) {
			t.Fatalf("%d sites: %d crossings, %v", n, len(crossings), err)
		}
		for _, x := range crossings {
			if !x.Arrived || !x.Deleted || x.From == x.To {
				t.Errorf("%+v", x)
			}
		}
	}
}

func TestCanaryFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault objecttest.Fault
		want  geored.Verdict
	}{
		{"events are lost", objecttest.LostEvents(), geored.Fail},
		{"deletes are lost", objecttest.LostDeletes(), geored.Warn},
		{"no answer", objecttest.Unreachable(), geored.Unknown},
		{"denied", objecttest.Denied(), geored.Unknown},
	} {
		servers, canary := mirrored(t, 2)
		canary.Patience = 300 * time.Millisecond
		servers[0].Break(c.fault)
		report, err := geored.Prove(t.Context(), geored.CheckConfig{Clock: geored.SystemClock(), Budget: 2 * time.Minute}, canary.Check())
		if err != nil {
			t.Fatal(err)
		}
		bitten(t, servers[0])
		if f := report.Findings[0]; f.Site != "dc1" || f.To != "dc2" || f.Verdict != c.want {
			t.Errorf("%s: %+v, want %s", c.name, f, c.want)
		}
		servers[0].Mend()
	}
}

func TestCanaryLeavesNothingBehind(t *testing.T) {
	servers, canary := mirrored(t, 2)
	canary.Patience = 300 * time.Millisecond
	servers[0].Break(objecttest.LostDeletes())
	if _, err := canary.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	result, _, err := compare(t, objectstore.Comparer{Sites: []objectstore.Site{servers[0].Site(t, "dc1"), servers[1].Site(t, "dc2")}})
	if err != nil || result.Verdict() != geored.Pass || result.Buckets[0].Listed["dc2"] != 0 {
		t.Errorf("%v, %+v", err, result)
	}
}

func TestCanaryFaultyInput(t *testing.T) {
	crossings, err := objectstore.Canary{Sites: make([]objectstore.CanarySite, 1)}.Run(t.Context())
	if faults, ok := geored.AsFaults(err); !ok || len(faults) != 3 || crossings != nil {
		t.Errorf("%v, %v", crossings, err)
	}
}

// What crosses from a site to itself proves no mirror.
func TestACanaryDoesNotCrossToItself(t *testing.T) {
	_, c := mirrored(t, 2)
	c.Sites[1] = c.Sites[0]
	crossings, err := c.Run(t.Context())
	if faults, ok := geored.AsFaults(err); !ok || len(faults) != 1 || faults[0].Site != "dc1" || crossings != nil {
		t.Errorf("%v, %v", crossings, err)
	}
}

// A prefix that nothing begins with compares nothing. The check may be asked again and again.
func TestACheckOfAPrefix(t *testing.T) {
	servers, sites := world(t, 2)
	servers[0].Put("files", "invoices/1", "one")
	told := 0
	for prefix, want := range map[string]geored.Verdict{"invoices/": geored.Fail, "invocies/": geored.Unknown} {
		check := objectstore.Comparer{Sites: sites, Prefix: prefix, Found: func(objectstore.Difference) { told++ }}.Check()
		for range 3 {
			if f := check.Run(t.Context()); len(f) != 1 || f[0].Verdict != want {
				t.Errorf("%s: %+v, want %s", prefix, f, want)
			}
		}
	}
	if told != 3 {
		t.Errorf("one difference was told of %d times in three runs", told)
	}
}

func TestOutageLimits(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		name             string
		outage           objectstore.Outage
		automatic, reset bool
		findings         int
	}{
		{"the watch survived", objectstore.Outage{Length: time.Hour, Mechanism: objectstore.WatchMirror, MirrorSurvived: true, Versioning: objectstore.Unversioned}, false, true, 3},
		{"the watch was restarted", objectstore.Outage{Length: time.Hour, Mechanism: objectstore.WatchMirror, Versioning: objectstore.Unversioned}, true, false, 2},
		{"old versions matter", objectstore.Outage{Length: time.Hour, Mechanism: objectstore.WatchMirror, Removes: true, Versioning: objectstore.Versioned}, true, false, 3},
		{"replication", objectstore.Outage{Length: time.Hour, Mechanism: objectstore.BucketReplication, Noncurrent: day, Versioning: objectstore.Versioned}, true, false, 1},
		{"longer than markers are kept", objectstore.Outage{Length: day, Mechanism: objectstore.SiteReplication, Noncurrent: day, Versioning: objectstore.Versioned}, true, false, 2},
	} {
		r, err := c.outage.Recover()
		if err != nil || r.Automatic != c.automatic || r.Reset != c.reset || len(r.Findings) != c.findings {
			t.Errorf("%s: %+v, %v", c.name, r, err)
		}
		for _, f := range r.Findings {
			if f.Verdict != geored.Warn || f.Message == "" || f.Remedy == "" {
				t.Errorf("%s: %+v", c.name, f)
			}
		}
	}
	if _, err := (objectstore.Outage{}).Recover(); err == nil {
		t.Error("an outage without a mechanism is taken")
	}
}

// pods are mirrors that are ready the second time they are looked at.
type pods struct {
	log    []string
	looked map[string]int
}

func (p *pods) Restart(_ context.Context, site geored.SiteName, mark string) error {
	p.log = append(p.log, fmt.Sprint("restart ", site, " ", mark))
	p.looked[string(site)] = 1
	return nil
}

func (p *pods) Running(_ context.Context, site geored.SiteName, _ string) (geored.State, error) {
	if p.looked[string(site)] == 0 {
		return geored.State{Detail: "the old one runs"}, nil
	}
	if p.looked[string(site)]++; p.looked[string(site)] < 4 {
		return geored.State{Detail: "the new one is not ready"}, nil
	}
	p.log = append(p.log, fmt.Sprint("running ", site))
	return geored.State{Done: true}, nil
}

func TestWatchMirrorsAreResetOneAfterTheOther(t *testing.T) {
	p := &pods{looked: map[string]int{}}
	book := geored.Runbook{Name: "reset", Stages: []geored.Stage{
		geored.StageOf("mirror", objectstore.ResetWatchMirrors(p, "run-1", "dc1", "dc2", "dc3")...)}}
	_, err := book.Run(t.Context(), geored.RunConfig{RunID: "run-1", Clock: geotest.NewClock(t, time.Now())})
	want := "[restart dc1 run-1 running dc1 restart dc2 run-1 running dc2 restart dc3 run-1 running dc3]"
	if err != nil || fmt.Sprint(p.log) != want {
		t.Errorf("%v: %v", err, p.log)
	}
}

// resets is a replicator whose resets go as they are told.
type resets struct {
	objectstore.Replicator
	status []objectstore.ResetStatus
	err    error
}

func (r *resets) ResetStatus(context.Context, string, string) (objectstore.ResetStatus, error) {
	s := r.status[0]
	if len(r.status) > 1 {
		r.status = r.status[1:]
	}
	return s, r.err
}

func TestAwaitReset(t *testing.T) {
	status := func(words ...string) (all []objectstore.ResetStatus) {
		for _, word := range words {
			all = append(all, objectstore.ResetStatus{ID: "id", Status: word})
		}
		return all
	}
	other := []objectstore.ResetStatus{{ID: "another", Status: "Completed"}}
	for _, c := range []struct {
		name string
		r    resets
		ok   bool
	}{
		{"completed", resets{status: status("Ongoing", "Ongoing", "Completed")}, true},
		{"failed", resets{status: status("Ongoing", "Failed")}, false},
		{"canceled", resets{status: status("Canceled")}, false},
		{"another one", resets{status: other}, false},
		{"no answer", resets{status: status("Completed"), err: errors.New("gone")}, false},
	} {
		_, err := objectstore.AwaitReset(t.Context(), &c.r, "files", "arn", "id", geotest.NewClock(t, time.Now()))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
