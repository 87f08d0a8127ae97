package cassandra_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
)

// A node that dies in the middle: what was read before is still proven.
func TestNodeDiesInTheMiddle(t *testing.T) {
	r := seeded(t, two)
	how := quickly()
	how.Concurrency = 1
	seen := 0
	how.Observe = func(cassandra.Comparison, cassandra.RangeResult) {
		if seen++; seen == 3 {
			r.Node("dc2", 0).Stop()
		}
	}
	x := compare(t, r, how)
	equal, unread := 0, 0
	for _, result := range x.Ranges {
		switch {
		case result.Equality == cassandra.Equal:
			equal++
		case result.Equality == cassandra.Unproven && result.Reads[1].Err != "":
			unread++
		}
	}
	if x.Equality != cassandra.Unproven || equal < 3 || unread == 0 || equal+unread != len(x.Ranges) {
		t.Errorf("%s: %d equal, %d unread of %d", x, equal, unread, len(x.Ranges))
	}
}

// A connection that breaks between two pages is no end of the rows.
func TestNodeDiesBetweenPages(t *testing.T) {
	r := seeded(t, two)
	for i := range 900 {
		r.Insert("dev.changeset", 1000+i, "x")
	}
	config := r.Config()
	var once sync.Once
	config.Clock = pausing{geored.SystemClock(), func() { once.Do(r.Node("dc2", 0).Stop) }}
	how := quickly()
	how.Ranges, how.PageSize, how.Concurrency, how.RowsPerSecond = 1, 50, 1, 1000
	x, err := open(t, config).Compare(t.Context(), how)
	if err != nil || x.Equality != cassandra.Unproven {
		t.Fatal(x, err)
	}
	if read := x.Ranges[0].Reads[1]; read.Err == "" || read.Rows == 0 || read.Rows >= 1000 {
		t.Errorf("%+v", read)
	}
}

// pausing is a clock that does something instead of short pauses.
type pausing struct {
	geored.Clock
	instead func()
}

func (p pausing) Sleep(ctx context.Context, d time.Duration) error {
	if d > 10*time.Second {
		return p.Clock.Sleep(ctx, d)
	}
	p.instead()
	return nil
}

func TestTableDroppedInTheMiddle(t *testing.T) {
	r := seeded(t, two)
	how := quickly()
	how.Concurrency = 1
	seen := 0
	how.Observe = func(cassandra.Comparison, cassandra.RangeResult) {
		if seen++; seen == 3 {
			r.DropTable("dev.changeset")
		}
	}
	x := compare(t, r, how)
	if x.Equality != cassandra.Unproven || !strings.Contains(x.String(), "unconfigured table") {
		t.Error(x)
	}
}

func TestSilentSiteIsAFault(t *testing.T) {
	t.Parallel()
	r := seeded(t, two)
	r.Node("dc2", 0).Pause()
	x, err := open(t, impatient(r)).Compare(t.Context(), quickly())
	faults, ok := geored.AsFaults(err)
	if !ok || len(faults) != 1 || faults[0].Site != "dc2" || x.Equality != cassandra.Unproven {
		t.Errorf("%s: %v", x, err)
	}
}

func TestWhatCannotBeCompared(t *testing.T) {
	r := seeded(t, two)
	key := []cassandratest.Column{{Name: "id", Type: "int", Kind: cassandratest.PartitionKey}}
	r.CreateTable(cassandratest.Table{Keyspace: "dev", Name: "view", View: true, Columns: key})
	r.CreateTable(cassandratest.Table{Keyspace: "dev", Name: "counter", Counter: true, Columns: key})
	r.SetReplication(cassandra.Keyspace{Name: "local", Class: "NetworkTopologyStrategy", Replication: map[string]string{"dc1": "1"}})
	r.CreateTable(cassandratest.Table{Keyspace: "local", Name: "t", Columns: key})
	c := open(t, r.Config())
	for table, want := range map[cassandra.Table]string{
		{Keyspace: "dev", Name: "view"}:    "take its base table",
		{Keyspace: "dev", Name: "counter"}: "count its rows instead",
		{Keyspace: "local", Name: "t"}:     "no replica in site dc2",
		{Keyspace: "dev", Name: "none"}:    "does not exist there",
		{}:                                 "keyspace: is missing",
	} {
		how := quickly()
		how.Table = table
		if _, err := c.Compare(t.Context(), how); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", table, err, want)
		}
	}
	if n, err := c.Count(t.Context(), cassandra.Reading{Table: cassandra.Table{Keyspace: "dev", Name: "counter"}}); err != nil {
		t.Error(n, err)
	}
}

// A program that writes down each range it is told of goes on from there after its death.
func TestCheckpointOfObservedRanges(t *testing.T) {
	r := seeded(t, two)
	var checkpoint cassandra.Comparison
	ctx, die := context.WithCancel(t.Context())
	how := quickly()
	how.Concurrency = 1
	how.Observe = func(of cassandra.Comparison, seen cassandra.RangeResult) {
		ranges := append(checkpoint.Ranges, seen)
		checkpoint, checkpoint.Ranges = of, ranges
		if len(ranges) == 3 {
			die()
		}
	}
	if _, err := open(t, r.Config()).Compare(ctx, how); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	text, err := json.Marshal(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	how.Resume = make(cassandra.Comparisons, 1)
	if err := json.Unmarshal(text, &how.Resume[0]); err != nil {
		t.Fatal(err)
	}
	again := 0
	how.Observe = func(cassandra.Comparison, cassandra.RangeResult) { again++ }
	equal := 0
	for _, old := range checkpoint.Ranges {
		if old.Equality == cassandra.Equal {
			equal++
		}
	}
	x, err := open(t, r.Config()).Compare(t.Context(), how)
	if err != nil || x.Equality != cassandra.Equal || equal < 2 || again != len(x.Ranges)-equal {
		t.Errorf("%s: %v: %d ranges were read again, %d of %d were known", x, err, again, equal, len(x.Ranges))
	}
}

func TestComparisonIsItsOwnCheckpoint(t *testing.T) {
	r := seeded(t, two)
	x := compare(t, r, quickly())
	text, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	var back cassandra.Comparison
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	how := quickly()
	how.Resume = cassandra.Comparisons{back}
	how.Observe = func(_ cassandra.Comparison, r cassandra.RangeResult) { t.Errorf("range %s was read again", r.Range) }
	r.DeleteAt("dc2", "dev.changeset", 1) // not looked at: it was proven before
	if x := compare(t, r, how); x.Equality != cassandra.Equal {
		t.Error(x)
	}
	how.Resume[0].TableID = "another"
	how.Observe = nil
	if x := compare(t, r, how); x.Equality != cassandra.Different {
		t.Errorf("the checkpoint of another table was believed: %s", x)
	}
}

func TestPace(t *testing.T) {
	r := seeded(t, two)
	for i := range 2048 - 100 {
		r.Insert("dev.changeset", 1000+i, "x")
	}
	clock := &standing{}
	config := r.Config()
	config.Clock = clock
	how := quickly()
	how.RowsPerSecond, how.Ranges, how.Concurrency = 1000, 1, 1
	if x, err := open(t, config).Compare(t.Context(), how); err != nil || x.Equality != cassandra.Equal {
		t.Fatal(x, err)
	}
	if clock.longest != 2048*time.Millisecond {
		t.Errorf("2048 rows at 1000 a second took %s", clock.longest)
	}
}

// standing is a clock that stands still and knows the longest pause that was asked for; budgets never run out on it.
type standing struct {
	mu      sync.Mutex
	longest time.Duration
}

func (*standing) Now() time.Time { return time.Time{}.AddDate(2000, 0, 0) }

func (s *standing) Sleep(ctx context.Context, d time.Duration) error {
	if d > 10*time.Second {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.longest = max(s.longest, d)
	return nil
}

func TestCountNamesWhatItCouldNotCount(t *testing.T) {
	r := seeded(t, two, cassandratest.NodesPerSite(2))
	c := open(t, r.Config())
	n, err := c.Count(t.Context(), cassandra.Reading{Table: changes})
	if err != nil || n.String() != "dev.changeset: dc1 100, dc2 100" || n.Verdict() != geored.Unknown {
		t.Errorf("%s: %s: %v; with two replicas in a site equal numbers prove nothing", n, n.Verdict(), err)
	}
	r.Node("dc2", 0).TimeOut(1)
	n, err = c.Count(t.Context(), cassandra.Reading{Table: changes, Ranges: 4})
	if err != nil || n.Verdict() != geored.Unknown || len(n.Sites[1].Failed) == 0 || n.Sites[1].Rows >= 100 {
		t.Errorf("%s: %s: %v", n, n.Verdict(), err)
	}
}
