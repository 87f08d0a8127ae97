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
	// that each answered itself. Without it, sites with several replicas are at best [Unproven].
	EveryReplica bool
	// Settle is how long rows that differ are given to arrive before they are read again; zero: 5 seconds. Rows that
	// still change then are in flight.
	Settle time.Duration
	// MaxDifferences is how many keys are kept; more are counted. Zero: 10000.
	MaxDifferences int
	// Resume goes on where an earlier comparison of the same table stopped: ranges it found equal are not read again.
	Resume *Comparison
	// Observe is told of each range once it was read from everybody, one call at a time. Zero: nobody.
	Observe func(RangeResult)
}

// Equality is the outcome of a comparison. The zero value is invalid and counts as [Unproven].
type Equality string

// The outcomes.
const (
	Equal     Equality = "equal"     // every replica of every site was read, and all hold the same
	Different Equality = "different" // at least one row differs, and did so at two looks
	Unproven  Equality = "unproven"  // neither could be shown; the reasons say why
)

// Verdict is pass, fail or unknown.
func (e Equality) Verdict() geored.Verdict {
	switch e {
	case Equal:
		return geored.Pass
	case Different:
		return geored.Fail
	}
	return geored.Unknown
}

// Comparison is what came of comparing a table between all sites. It is plain data: as JSON it is the checkpoint that
// [Comparing].Resume takes.
type Comparison struct {
	Table
	TableID     string        `json:"tableID"`
	Equality    Equality      `json:"equality"`
	Reasons     []string      `json:"reasons,omitempty"` // why it is no more than that
	Coverage    []Coverage    `json:"coverage"`          // per site
	Ranges      []RangeResult `json:"ranges"`            // every planned range, by token
	Differences []Difference  `json:"differences,omitempty"`
	Omitted     int           `json:"omitted,omitempty"` // differences beyond MaxDifferences, which were not looked at twice
	Began       time.Time     `json:"began"`
	Took        time.Duration `json:"tookNs"`
}

// RangeResult is what came of one range.
type RangeResult struct {
	Range
	Equality Equality `json:"equality"`
	Reason   string   `json:"reason,omitempty"`
	Reads    []Read   `json:"reads"` // by site, then node
}

// Read is one reading of a range through one node.
type Read struct {
	Source
	Digest
	Err string `json:"error,omitempty"` // why it was not read; the digest then holds what was read before
	// Shown says that the node itself answered, and no other for it: it is the site's only replica, or nobody else in
	// its site read the table meanwhile.
	Shown bool `json:"shown"`
}

// Rows is how many rows were read in a site: those of one replica per range.
func (c Comparison) Rows(site geored.SiteName) int64 {
	var rows int64
	for _, r := range c.Ranges {
		for _, read := range r.Reads {
			if read.Site == site {
				rows += read.Digest.Rows
				break
			}
		}
	}
	return rows
}

// Compare compares one table between all sites. First it digests every range on every site, at LOCAL_ONE, which reads
// and never writes; then it reads ranges that differ again, row by row, and after a pause the rows that differed once
// more.
//
// What it sees: keys, values and write times of all columns that have them, static ones too. What it cannot: deletions
// themselves (a row that is missing may never have arrived or be deleted; CQL does not tell), the time of deletion by
// TTL, and the bare existence of a row without values.
//
// The error is [geored.Faults] when the table cannot be compared at all, or the context's cause; the comparison is
// complete also then: what was not read is unproven.
func (c *Cluster) Compare(ctx context.Context, how Comparing) (Comparison, error) {
	if how.Settle <= 0 {
		how.Settle = 5 * time.Second
	}
	if how.MaxDifferences <= 0 {
		how.MaxDifferences = 10000
	}
	began := c.Clock.Now()
	result := Comparison{Table: how.Table, Equality: Unproven, Began: began}
	ring, err := c.Ring(ctx)
	if err == nil {
		var p plan
		p, err = c.plan(ctx, ring, how.Reading, false)
		if err == nil {
			x := &comparing{Cluster: c, Comparing: how, plan: p, ring: ring, result: &result, gaps: map[geored.SiteName][]string{}}
			err = x.run(ctx)
		}
	}
	if err != nil && len(result.Reasons) == 0 {
		result.Reasons = []string{err.Error()}
	}
	result.Took = c.Clock.Now().Sub(began)
	return result, err
}
