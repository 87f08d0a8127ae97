package cassandra

import (
	"context"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Comparing is how sites are compared.
type Comparing struct {
	Reading
	// EveryReplica reads every replica of every site instead of one, the nodes of a site one after another, and proves
	// that each answered itself. Without it, sites with several replicas are at best [Unproven] where Trees
	// do not agree.
	EveryReplica bool
	// Trees has the nodes compare Merkle trees before any row is read, by nodetool repair -full --preview, which changes
	// nothing. Where they agree the table is [Equal], every replica included; rows are read only where they differ, or
	// where they could not be asked. On equal tables that costs the servers less than half, but at their own pace:
	// RowsPerSecond does not hold it back. Zero: rows are read.
	Trees Nodetool
	// Settle is how long rows that differ are given to arrive before they are read again; zero: 5 seconds. Rows that
	// still change then are in flight.
	Settle time.Duration
	// MaxDifferences is how many keys are kept for each table; more are counted. Zero: 10000.
	MaxDifferences int
	// Resume goes on where earlier comparisons stopped: ranges that one of the same table found equal are not read again.
	Resume Comparisons
	// Observe is told of each range once it was read from everybody, one call at a time, with the comparison it belongs
	// to, which has a table and its ID and nothing else yet: with these ranges appended and written down, it is a checkpoint
	// that survives whatever ends the program. Zero: nobody.
	Observe func(Comparison, RangeResult)
}

func (how Comparing) withDefaults() Comparing {
	if how.Settle <= 0 {
		how.Settle = 5 * time.Second
	}
	if how.MaxDifferences <= 0 {
		how.MaxDifferences = 10000
	}
	return how
}

// Compare compares one table between all sites. First it digests every range on every site, at LOCAL_ONE, which reads
// and never writes; then it reads ranges that differ again, row by row, and after a pause the rows that differed once
// more.
//
// What it sees: keys, values and write times of all columns that have them, static ones too. What it cannot: deletions
// themselves (a row that is missing may never have arrived or be deleted; CQL does not tell), the time of deletion by
// TTL, and the bare existence of a row without values. Columns that are masked (5.0) it sees as its user does: compare as one
// who may UNMASK them.
//
// The error is [geored.Faults] when the table cannot be compared at all, or the context's cause; the comparison is
// complete also then: what was not read is unproven.
func (c *Cluster) Compare(ctx context.Context, how Comparing) (Comparison, error) {
	all, err := c.CompareAll(ctx, []Table{how.Table}, how)
	return all[0], err
}

// CompareAll compares several tables, one after another, so that the servers never carry more than how allows for one;
// its Table is not looked at. There is one comparison for each table, in that order, also with an error, which joins what
// [Cluster.Compare] would say of each: a table that cannot be compared does not keep the others from it.
func (c *Cluster) CompareAll(ctx context.Context, tables []Table, how Comparing) (Comparisons, error) {
	work := &comparingAll{Cluster: c, how: how.withDefaults(), results: make(Comparisons, len(tables)), plans: make([]plan, len(tables))}
	for i, t := range tables {
		work.results[i] = Comparison{Table: t, Equality: Unproven, Began: c.Clock.Now()}
	}
	if len(tables) == 0 {
		return nil, geored.Faults{{Field: "tables", Problem: "are missing"}}
	}
	return work.results, work.run(ctx)
}
