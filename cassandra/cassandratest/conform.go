package cassandratest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

// Subject is a ring that [Conform] runs on: a [Ring], a [Live] one, or a user's own, for instance with sessions of
// another driver in Config.Connect. It has two sites or more, all healthy, and makes tables in keyspace "dev".
type Subject interface {
	Config() cassandra.Config
	CreateTable(Table)
	// Insert writes one row to every replica of every site, with one write time.
	Insert(table string, values ...any)
	// InsertAt writes one row to the replicas of one site and to no other.
	InsertAt(site geored.SiteName, table string, values ...any)
}

// Conform holds package cassandra on this subject to what it promises. Each test makes tables of its own, named after
// the time, so that the suite can run on one ring again.
func Conform(t *testing.T, s Subject) {
	c := &conformance{Subject: s, stamp: time.Now().UnixNano()}
	c.cluster = c.open(t, s.Config())
	for _, test := range []struct {
		name string
		run  func(*conformance, *testing.T)
	}{
		{"a healthy ring passes every check of its nodes", (*conformance).ring},
		{"equal rows are equal", (*conformance).equal},
		{"a row that one site lacks is named", (*conformance).missing},
		{"a cell that differs is named with its direction", (*conformance).different},
		{"null, empty and absent are told apart", (*conformance).empty},
		{"composite keys, statics and collections", (*conformance).composite},
		{"all native types", (*conformance).types},
		{"one row more in a site is counted", (*conformance).count},
		{"an earlier comparison is gone on with", (*conformance).resume},
		{"what does not exist is named", (*conformance).unknown},
		{"a wrong password is said and not shown", (*conformance).credentials},
		{"TLS where none is spoken is said", (*conformance).tls},
		{"a data center that does not exist is named", (*conformance).misspelt},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(c, t) })
	}
}

type conformance struct {
	Subject
	cluster *cassandra.Cluster
	stamp   int64
	tables  int
}

func (c *conformance) open(t *testing.T, config cassandra.Config) *cassandra.Cluster {
	t.Helper()
	cluster, err := cassandra.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func (c *conformance) table(columns ...Column) cassandra.Table {
	c.tables++
	name := fmt.Sprintf("conform_%d_%d", c.stamp, c.tables)
	c.CreateTable(Table{Keyspace: "dev", Name: name, Columns: columns})
	return cassandra.Table{Keyspace: "dev", Name: name}
}

func (c *conformance) plainTable() cassandra.Table {
	return c.table(Column{"id", "bigint", PartitionKey}, Column{"v", "text", Regular}, Column{"n", "int", Regular})
}

func (c *conformance) sites() (first geored.SiteName, others []geored.SiteName) {
	for _, s := range c.Config().Sites {
		others = append(others, s.Name)
	}
	return others[0], others[1:]
}

// compare compares every replica, quickly.
func (c *conformance) compare(t *testing.T, table cassandra.Table) cassandra.Comparison {
	t.Helper()
	x, err := c.cluster.Compare(t.Context(), c.how(table))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (c *conformance) how(table cassandra.Table) cassandra.Comparing {
	return cassandra.Comparing{
		Reading:      cassandra.Reading{Table: table, Ranges: 8, PageSize: 50},
		EveryReplica: true, Settle: 10 * time.Millisecond,
	}
}

func (c *conformance) ring(t *testing.T) {
	cluster := c.cluster
	if _, err := cluster.AwaitSchema(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	report, err := geored.Prove(t.Context(), geored.CheckConfig{}, cluster.Checks()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		ours := f.Check != cassandra.CheckReplication || strings.Contains(f.Message, "dev") || strings.Contains(f.Message, "system_auth")
		if ours && f.Verdict != geored.Pass {
			t.Errorf("%s: %s: %s: %v", f.Check, f.Verdict, f.Message, f.Evidence)
		}
		if len(f.Asked) == 0 {
			t.Errorf("%s: nobody was asked: %s", f.Check, f.Message)
		}
	}
}

func (c *conformance) equal(t *testing.T) {
	table := c.plainTable()
	for i := range 200 {
		c.Insert(table.String(), int64(i), fmt.Sprintf("row %d", i), i)
	}
	x := c.compare(t, table)
	if x.Equality != cassandra.Equal || len(x.Differences) > 0 {
		t.Fatalf("%s; %v", x, x.Differences)
	}
	first, others := c.sites()
	for _, site := range append(others, first) {
		if x.Rows(site) != 200 {
			t.Errorf("site %s: %d rows were read, not 200", site, x.Rows(site))
		}
	}
	for _, coverage := range x.Coverage {
		if !coverage.IsFull() {
			t.Errorf("coverage: %s", coverage)
		}
	}
}

func (c *conformance) missing(t *testing.T) {
	table := c.plainTable()
	first, others := c.sites()
	for i := range 20 {
		c.Insert(table.String(), int64(i), "everywhere", i)
	}
	c.InsertAt(first, table.String(), int64(77), "only here", 1)
	d := only(t, c.compare(t, table))
	if d.Key != "id = 77" || !d.Confirmed || d.InFlight {
		t.Errorf("%+v", d)
	}
	if !slices.Equal(d.Missing(), others) || !slices.Equal(d.Latest(), []geored.SiteName{first}) {
		t.Errorf("missing in %v, latest in %v: %s", d.Missing(), d.Latest(), d)
	}
}

// only wants a comparison that found exactly one difference.
func only(t *testing.T, x cassandra.Comparison) cassandra.Difference {
	t.Helper()
	if x.Equality != cassandra.Different || len(x.Differences) != 1 {
		t.Fatalf("%s; %v", x, x.Differences)
	}
	return x.Differences[0]
}

func (c *conformance) different(t *testing.T) {
	table := c.plainTable()
	_, others := c.sites()
	last := others[len(others)-1]
	c.Insert(table.String(), int64(1), "old", 1)
	c.InsertAt(last, table.String(), int64(1), "new", 1)
	d := only(t, c.compare(t, table))
	if d.Key != "id = 1" || len(d.Missing()) > 0 || !slices.Equal(d.Latest(), []geored.SiteName{last}) {
		t.Errorf("latest in %v: %s", d.Latest(), d)
	}
}

func (c *conformance) empty(t *testing.T) {
	table := c.plainTable()
	first, others := c.sites()
	c.Insert(table.String(), int64(1), "", 1)
	c.Insert(table.String(), int64(2), nil, 2)
	if x := c.compare(t, table); x.Equality != cassandra.Equal {
		t.Fatal(x)
	}
	c.InsertAt(first, table.String(), int64(3), "", 3)
	for _, site := range others {
		c.InsertAt(site, table.String(), int64(3), nil, 3)
	}
	only(t, c.compare(t, table))
}

func (c *conformance) composite(t *testing.T) {
	table := c.table(
		Column{"tenant", "text", PartitionKey}, Column{"Day", "date", PartitionKey},
		Column{"at", "timestamp", Clustering}, Column{"n", "int", Clustering},
		Column{"note", "text", Static}, Column{"tags", "set<text>", Regular}, Column{"fixed", "frozen<list<int>>", Regular},
	)
	day, at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 21, 10, 30, 0, 0, time.UTC)
	for i := range 60 {
		c.Insert(table.String(), "a", day, at, i, "note", []string{"x", "y"}, []int{i})
	}
	if x := c.compare(t, table); x.Equality != cassandra.Equal {
		t.Fatal(x)
	}
	first, _ := c.sites()
	c.InsertAt(first, table.String(), "it's", day, at, 3, nil, []string{"x"}, []int{1})
	want := "tenant = 'it''s' AND Day = '2026-11-21' AND at = '2026-11-21T10:30:00.000Z' AND n = 3"
	if d := only(t, c.compare(t, table)); d.Key != want {
		t.Errorf("key %s\nwant %s", d.Key, want)
	}
}

func (c *conformance) types(t *testing.T) {
	columns := []Column{{"id", "uuid", PartitionKey}}
	id := "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	values := []any{id}
	for _, v := range []struct {
		cqlType string
		value   any
	}{
		{"ascii", "a"}, {"bigint", int64(-1)}, {"blob", []byte{0xff}}, {"boolean", true}, {"double", 1.5}, {"float", float32(2.5)},
		{"inet", "10.0.0.1"}, {"int", 7}, {"smallint", int16(7)}, {"text", "ü"}, {"timestamp", time.UnixMilli(1)}, {"tinyint", int8(1)},
		{"varint", 12}, {"time", time.Hour}, {"date", time.Unix(0, 0)}, {"timeuuid", id}, {"list<int>", []int{1, 2}},
		{"map<text, int>", map[string]int{"a": 1}}, {"frozen<set<text>>", []string{"z"}},
	} {
		columns = append(columns, Column{fmt.Sprintf("c%d", len(columns)), v.cqlType, Regular})
		values = append(values, v.value)
	}
	table := c.table(columns...)
	c.Insert(table.String(), values...)
	if x := c.compare(t, table); x.Equality != cassandra.Equal {
		t.Fatal(x)
	}
	first, _ := c.sites()
	for i := 1; i < len(columns); i++ { // every column counts: without it, the row is another
		row := slices.Clone(values)
		row[0] = rowID(i)
		c.Insert(table.String(), row...)
		row[i] = nil
		c.InsertAt(first, table.String(), row...)
	}
	var differ []string
	for _, d := range c.compare(t, table).Differences {
		differ = append(differ, d.Key)
	}
	for i := 1; i < len(columns); i++ {
		if !slices.Contains(differ, "id = "+rowID(i)) {
			t.Errorf("a missing %s was not found; found: %v", columns[i].Type, differ)
		}
	}
	if len(differ) != len(columns)-1 {
		t.Errorf("%d rows differ, not %d", len(differ), len(columns)-1)
	}
}

func rowID(i int) string { return fmt.Sprintf("6ba7b810-9dad-11d1-80b4-00c04fd4%04x", i) }

func (c *conformance) count(t *testing.T) {
	table := c.plainTable()
	for i := range 30 {
		c.Insert(table.String(), int64(i), "x", i)
	}
	cluster := c.cluster
	reading := cassandra.Reading{Table: table, Ranges: 8, PageSize: 10}
	before, err := cluster.Count(t.Context(), reading)
	if err != nil || before.Verdict() == geored.Fail {
		t.Fatal(before, before.Verdict(), err)
	}
	first, _ := c.sites()
	c.InsertAt(first, table.String(), int64(99), "x", 1)
	after, err := cluster.Count(t.Context(), reading)
	if err != nil || after.Verdict() != geored.Fail {
		t.Fatal(after, after.Verdict(), err)
	}
	for i, site := range after.Sites {
		want := int64(30)
		if site.Site == first {
			want = 31
		}
		if before.Sites[i].Rows != 30 || site.Rows != want {
			t.Errorf("site %s: %d, then %d rows; want 30, then %d", site.Site, before.Sites[i].Rows, site.Rows, want)
		}
	}
}

func (c *conformance) resume(t *testing.T) {
	table := c.plainTable()
	for i := range 30 {
		c.Insert(table.String(), int64(i), "x", i)
	}
	cluster := c.cluster
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	how := c.how(table)
	how.Concurrency = 1
	read := 0
	how.Observe = func(cassandra.Table, cassandra.RangeResult) {
		if read++; read == 3 {
			stop()
		}
	}
	partial, err := cluster.Compare(ctx, how)
	if !errors.Is(err, context.Canceled) || partial.Equality != cassandra.Unproven || len(partial.Ranges) < 8 {
		t.Fatal(partial, err)
	}
	done := count(partial, cassandra.Equal)
	if done < 1 || done >= len(partial.Ranges) {
		t.Fatalf("%d of %d ranges were equal when it was stopped", done, len(partial.Ranges))
	}
	how.Observe, how.Resume, read = func(cassandra.Table, cassandra.RangeResult) { read++ }, cassandra.Comparisons{partial}, 0
	whole, err := cluster.Compare(t.Context(), how)
	if err != nil || whole.Equality != cassandra.Equal || read != len(whole.Ranges)-done {
		t.Fatalf("%s: %v: %d ranges were read, %d had been", whole, err, read, done)
	}
}

func count(x cassandra.Comparison, e cassandra.Equality) int {
	n := 0
	for _, r := range x.Ranges {
		if r.Equality == e {
			n++
		}
	}
	return n
}

func (c *conformance) unknown(t *testing.T) {
	cluster := c.cluster
	for _, table := range []cassandra.Table{{Keyspace: "dev", Name: "nothing"}, {Keyspace: "nowhere", Name: "nothing"}, {}} {
		x, err := cluster.Compare(t.Context(), c.how(table))
		if _, ok := geored.AsFaults(err); !ok || x.Equality != cassandra.Unproven {
			t.Errorf("%s: %v: %v", table, x.Equality, err)
		}
		n, err := cluster.Count(t.Context(), cassandra.Reading{Table: table})
		if _, ok := geored.AsFaults(err); !ok || n.Verdict() != geored.Unknown {
			t.Errorf("%s: %v: %v", table, n.Verdict(), err)
		}
	}
}

func (c *conformance) credentials(t *testing.T) {
	config := c.Config()
	config.Password = "swordfish"
	ring, err := c.open(t, config).Ring(t.Context())
	if err != nil || len(ring.Views) > 0 || len(ring.Silent) == 0 {
		t.Fatalf("%d views: %v", len(ring.Views), err)
	}
	for _, s := range ring.Silent {
		if !strings.Contains(s.Reason, "check user and password") || strings.Contains(s.Reason, "swordfish") {
			t.Errorf("%s: %s", s.Target, s.Reason)
		}
	}
}

func (c *conformance) tls(t *testing.T) {
	config := c.Config()
	if config.TLS != nil {
		t.Skip("the ring speaks TLS")
	}
	config.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	ring, err := c.open(t, config).Ring(t.Context())
	if err != nil || len(ring.Silent) == 0 || !strings.Contains(ring.Silent[0].Reason, "does not speak TLS") {
		t.Errorf("%+v: %v", ring.Silent, err)
	}
}

func (c *conformance) misspelt(t *testing.T) {
	table := c.plainTable()
	config := c.Config()
	config.Sites = slices.Clone(config.Sites)
	config.Sites[1].DataCenter = "elsewhere"
	cluster := c.open(t, config)
	_, err := cluster.Compare(t.Context(), c.how(table))
	if err == nil || !strings.Contains(err.Error(), "elsewhere") || !strings.Contains(err.Error(), string(config.Sites[1].Name)) {
		t.Errorf("compare: %v", err)
	}
	report, err := geored.Prove(t.Context(), geored.CheckConfig{}, cluster.Checks()[:2]...)
	if err != nil || report.Verdict() != geored.Fail {
		t.Errorf("checks: %v: %v", report.Verdict(), err)
	}
}
