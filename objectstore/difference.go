package objectstore

import (
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Kind is in what two objects differ, or may differ.
type Kind string

// The kinds.
const (
	Missing Kind = "missing"  // To has no such key, or no current version of it
	Deleted Kind = "deleted"  // one of them has a delete marker as its current version (seen with versions only)
	Size    Kind = "size"     // other sizes
	Content Kind = "content"  // other bytes of the same size
	Headers Kind = "metadata" // other user metadata or content headers
	Tags    Kind = "tags"     // other tags
	History Kind = "history"  // other old versions or delete markers
)

// Difference is one object that is not shown to be equal at two sites.
type Difference struct {
	Bucket, Key string
	// From is the site that has what To lacks, or whose version is the newer one by more than [ClockTolerance]. When
	// neither is newer, Directed is false and they stand in the order in which the sites were given.
	From, To geored.SiteName
	Directed bool
	State    State // [Different] or [Unproven]
	Kind     Kind
	Proof    Proof // of a difference
	Doubt    Doubt // of an unproven one
	// Here and There are what From and To show of it; nil: nothing.
	Here, There *Object
	Detail      string // of a history: what one has and the other has not
}

// String is one line: "files/a.txt: dc1 -> dc2: missing (listing)".
func (d Difference) String() string {
	arrow := "<>"
	if d.Directed {
		arrow = "->"
	}
	why := string(d.Proof)
	if d.State == Unproven {
		why = "unproven: " + string(d.Doubt)
	}
	text := fmt.Sprintf("%s/%s: %s %s %s: %s (%s)", d.Bucket, d.Key, d.From, arrow, d.To, d.Kind, why)
	if d.Detail != "" {
		text += ": " + d.Detail
	}
	return text
}

// ClockTolerance is how far apart two modification times may be and still count as the same: servers keep them to the
// second in some places and their clocks are not one.
const ClockTolerance = 2 * time.Second

// newer says whether a was written after b: 1, before it: -1, or neither can be told: 0.
func newer(a, b Object) int {
	switch d := a.Modified.Sub(b.Modified); {
	case a.Modified.IsZero() || b.Modified.IsZero():
		return 0
	case d > ClockTolerance:
		return 1
	case d < -ClockTolerance:
		return -1
	}
	return 0
}
