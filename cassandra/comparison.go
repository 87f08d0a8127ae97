package cassandra

import (
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Equality is the outcome of a comparison. The zero value is invalid and counts as [Unproven].
type Equality string

// The outcomes.
const (
	Equal     Equality = "equal"     // every replica of every site was read and all hold the same, or their Merkle trees agree
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
	Trees       string        `json:"trees,omitempty"`   // what the Merkle trees told; zero: they were not asked
	Coverage    []Coverage    `json:"coverage"`          // per site
	Ranges      []RangeResult `json:"ranges"`            // every planned range, by token
	Differences []Difference  `json:"differences,omitempty"`
	Omitted     int           `json:"omitted,omitempty"` // differences beyond MaxDifferences, which were not looked at twice
	// OmittedOldest is the oldest write among them that a site lacks. Zero: none is omitted, or none bears a time.
	OmittedOldest time.Time     `json:"omittedOldest,omitzero"`
	Began         time.Time     `json:"began"`
	Took          time.Duration `json:"tookNs"`
}

// RangeResult is what came of one range.
type RangeResult struct {
	Range
	Equality Equality `json:"equality"`
	Reason   string   `json:"reason,omitempty"`
	Reads    []Read   `json:"reads,omitempty"` // by site, then node; none where Merkle trees agree
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

// Rows is how many rows were read in a site: those of one replica per range. Where Merkle trees agree none are read.
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

// Comparisons are those of several tables.
type Comparisons []Comparison

// Verdict is fail when any table differs, else unknown when any is unproven or there is none, else pass.
func (cs Comparisons) Verdict() geored.Verdict {
	verdict := geored.Pass
	for _, c := range cs {
		switch c.Equality.Verdict() {
		case geored.Fail:
			return geored.Fail
		case geored.Unknown:
			verdict = geored.Unknown
		}
	}
	if len(cs) == 0 {
		return geored.Unknown
	}
	return verdict
}

// String has one line for each table.
func (cs Comparisons) String() string {
	lines := make([]string, len(cs))
	for i, c := range cs {
		lines[i] = c.String()
	}
	return strings.Join(lines, "\n")
}
