package cassandra_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
)

var changes = cassandra.Table{Keyspace: "dev", Name: "changeset"}

// seeded is a ring with a hundred rows, the same in every site.
func seeded(t testing.TB, sites []geored.SiteName, options ...cassandratest.Option) *cassandratest.Ring {
	t.Helper()
	r := cassandratest.New(t, sites, options...)
	r.CreateTable(cassandratest.Table{Keyspace: "dev", Name: "changeset", Columns: []cassandratest.Column{
		{Name: "id", Type: "bigint", Kind: cassandratest.PartitionKey}, {Name: "v", Type: "text"},
	}})
	for i := range 100 {
		r.Insert("dev.changeset", i, fmt.Sprint("row ", i))
	}
	return r
}

func quickly() cassandra.Comparing {
	return cassandra.Comparing{Reading: cassandra.Reading{Table: changes, Ranges: 8}, Settle: time.Millisecond}
}

func compare(t *testing.T, r *cassandratest.Ring, how cassandra.Comparing) cassandra.Comparison {
	t.Helper()
	x, err := open(t, r.Config()).Compare(t.Context(), how)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestOneReplicaOfSeveralProvesNothing(t *testing.T) {
	r := seeded(t, two, cassandratest.NodesPerSite(2))
	how := quickly()
	x := compare(t, r, how)
	if x.Equality != cassandra.Unproven || !strings.Contains(x.String(), "1 of 2 replicas read") {
		t.Errorf("one of two replicas: %s", x)
	}
	how.EveryReplica = true
	if x := compare(t, r, how); x.Equality != cassandra.Equal {
		t.Errorf("every replica: %s", x)
	}
	r.InsertOn(r.Node("dc2", 1), "dev.changeset", 1000, "on one replica only")
	x = compare(t, r, how)
	if x.Equality != cassandra.Different || len(x.Differences) != 1 || x.Differences[0].Key != "id = 1000" {
		t.Errorf("a row on one of four replicas: %s %v", x, x.Differences)
	}
}

// A coordinator that reads from another replica hides its own: connecting to a node proves nothing.
func TestReadsPassedOnAreFoundOut(t *testing.T) {
	t.Parallel()
	r := seeded(t, two, cassandratest.NodesPerSite(2))
	how := quickly()
	how.EveryReplica = true
	r.Node("dc2", 1).PassReadsTo(r.Node("dc2", 0))
	r.InsertOn(r.Node("dc2", 1), "dev.changeset", 1000, "never seen")
	x := compare(t, r, how)
	if x.Equality != cassandra.Unproven || len(x.Coverage[1].Gaps) == 0 || !x.Coverage[0].IsFull() {
		t.Errorf("%s; coverage %v", x, x.Coverage)
	}
	r.Node("dc2", 1).PassReadsTo(nil)
	r.Node("dc1", 0).CloseTable("system_views.local_scan_latency", true)
	r.Node("dc2", 1).CloseTable("system_views.local_scan_latency", true)
	if x := compare(t, r, how); x.Coverage[0].IsFull() || x.Coverage[1].IsFull() {
		t.Errorf("nobody can say what it answered, and still: %v", x.Coverage)
	}
}

// A second look that is passed on to the replica with fewer rows must not make the first one undone.
func TestSecondLookPassedOn(t *testing.T) {
	t.Parallel()
	r := seeded(t, two, cassandratest.NodesPerSite(2))
	r.InsertOn(r.Node("dc2", 1), "dev.changeset", 1000, "on one replica only")
	how := quickly()
	how.EveryReplica, how.Ranges = true, 1
	bitten := false
	how.Observe = func(_ cassandra.Comparison, seen cassandra.RangeResult) {
		bitten = seen.Reads[3].Rows == 101
		r.Node("dc2", 1).PassReadsTo(r.Node("dc2", 0))
	}
	x := compare(t, r, how)
	if !bitten || x.Equality == cassandra.Equal {
		t.Errorf("%s; %+v", x, x.Ranges)
	}
}

func TestRangesAreSplitOnTimeOut(t *testing.T) {
	r := seeded(t, two)
	r.Node("dc2", 0).TimeOut(1 << 59)
	x := compare(t, r, quickly())
	if x.Equality != cassandra.Equal {
		t.Fatal(x)
	}
	r.InsertAt("dc2", "dev.changeset", 1000, "more")
	if x := compare(t, r, quickly()); len(x.Differences) != 1 || x.Equality != cassandra.Different {
		t.Error(x, x.Differences)
	}
	r.Node("dc2", 0).TimeOut(1) // whatever it is asked
	x = compare(t, r, quickly())
	if x.Equality != cassandra.Unproven || !strings.Contains(x.String(), "site dc2: node "+r.Node("dc2", 0).Address()+": timed out") {
		t.Error(x)
	}
	for _, read := range x.Ranges {
		if read.Reads[0].Err != "" || read.Reads[1].Err == "" {
			t.Errorf("%+v", read)
		}
	}
}

// Rows that arrive between two looks were in flight, rows that keep changing still are.
func TestRowsInFlight(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(*cassandratest.Ring)
		want      cassandra.Equality
		inFlight  int
	}{
		"arrived":  {func(r *cassandratest.Ring) { r.Insert("dev.changeset", 1000, "there") }, cassandra.Equal, 0},
		"changing": {func(r *cassandratest.Ring) { r.InsertAt("dc1", "dev.changeset", 1000, "newer") }, cassandra.Unproven, 1},
		"still":    {func(*cassandratest.Ring) {}, cassandra.Different, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := seeded(t, two)
			r.InsertAt("dc1", "dev.changeset", 1000, "there")
			config := r.Config()
			config.Clock = sleeping{geored.SystemClock(), func() { test.meanwhile(r) }}
			x, err := open(t, config).Compare(t.Context(), quickly())
			if err != nil || x.Equality != test.want {
				t.Fatal(x, err)
			}
			inFlight := 0
			for _, d := range x.Differences {
				if d.InFlight {
					inFlight++
				}
			}
			if inFlight != test.inFlight {
				t.Errorf("%d rows in flight, want %d: %v", inFlight, test.inFlight, x.Differences)
			}
		})
	}
}

// sleeping is a clock that does something while a comparison lets rows settle.
type sleeping struct {
	geored.Clock
	meanwhile func()
}

func (s sleeping) Sleep(ctx context.Context, d time.Duration) error {
	if d == quickly().Settle {
		s.meanwhile()
		return nil
	}
	return s.Clock.Sleep(ctx, d)
}

func TestThreeSitesWithThreeVersions(t *testing.T) {
	r := seeded(t, three)
	r.InsertAt("dc1", "dev.changeset", 7, "first")
	r.InsertAt("dc2", "dev.changeset", 7, "second")
	r.DeleteAt("dc3", "dev.changeset", 8)
	x := compare(t, r, quickly())
	if x.Equality != cassandra.Different || len(x.Differences) != 2 {
		t.Fatal(x, x.Differences)
	}
	for _, d := range x.Differences {
		switch d.Key {
		case "id = 7":
			if !slices.Equal(d.Latest(), []geored.SiteName{"dc2"}) || len(d.Missing()) != 0 {
				t.Error(d, d.Latest())
			}
		case "id = 8":
			if !slices.Equal(d.Missing(), []geored.SiteName{"dc3"}) || !slices.Equal(d.Latest(), []geored.SiteName{"dc1", "dc2"}) {
				t.Error(d, d.Missing())
			}
		default:
			t.Error(d)
		}
	}
}

func TestMoreDifferencesThanAreKept(t *testing.T) {
	r := seeded(t, two)
	for i := range 50 {
		r.DeleteAt("dc2", "dev.changeset", i)
	}
	how := quickly()
	how.MaxDifferences = 10
	x := compare(t, r, how)
	if x.Equality != cassandra.Different || len(x.Differences) != 10 || x.Omitted != 40 || x.OmittedOldest.IsZero() {
		t.Errorf("%s: %d kept, %d omitted", x, len(x.Differences), x.Omitted)
	}
	if rows := x.Rows("dc1") - x.Rows("dc2"); rows != 50 {
		t.Errorf("dc1 has %d rows more", rows)
	}
}
