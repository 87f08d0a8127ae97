package cassandratest

import (
	"context"
	"errors"
	"testing"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

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
	how.Observe = func(cassandra.Comparison, cassandra.RangeResult) {
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
	how.Observe, how.Resume, read = func(cassandra.Comparison, cassandra.RangeResult) { read++ }, cassandra.Comparisons{partial}, 0
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
