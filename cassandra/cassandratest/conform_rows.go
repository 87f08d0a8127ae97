package cassandratest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

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
