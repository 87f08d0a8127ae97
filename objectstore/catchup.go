package objectstore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// ConflictRule says what becomes of an object that may have changed at both sites.
type ConflictRule string

// The rules.
const (
	RefuseConflicts ConflictRule = ""           // it is left alone
	NewerWins       ConflictRule = "newer-wins" // the version written last, by the servers' clocks; where they tell nothing it is left alone
	SourceWins      ConflictRule = "source-wins"
)

// CatchUpRules is what a catch-up may do.
type CatchUpRules struct {
	From, To geored.SiteName // the direction. Required.
	// Since is when both sites were last known to be equal. An object that was not written at To since then is overwritten
	// without a conflict. Zero: not known, and every object that is at both sites and differs is a conflict.
	Since     time.Time
	Conflicts ConflictRule
	// Deletes removes at To what was deleted at From, where From has a delete marker newer than the object. Nothing is
	// ever deleted because it is merely missing: nobody can tell that from an object that was created at To.
	Deletes bool
}

// Transfer is one object to be copied or deleted at To.
type Transfer struct {
	Bucket string        `json:"bucket"`
	Key    string        `json:"key"`
	Action geored.Action `json:"action"` // [geored.Copy] or [geored.Delete]
	Bytes  int64         `json:"bytes"`
	Reason string        `json:"reason"`
	// Source and Target are the ETags when it was planned; empty: there was none. A transfer is refused when they changed.
	Source ETag `json:"source,omitempty"`
	Target ETag `json:"target,omitempty"`
}

// Left is a difference that a catch-up does not touch, and why.
type Left struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// CatchUp is what will be done: the dry run. It is plain data.
type CatchUp struct {
	From, To  geored.SiteName
	Transfers []Transfer
	Left      []Left
}

// Bytes is how much will be copied.
func (c CatchUp) Bytes() int64 {
	var n int64
	for _, t := range c.Transfers {
		n += t.Bytes
	}
	return n
}

// PlanCatchUp makes a plan of the differences that a comparison found. It asks nobody. Differences between other sites
// are passed over; every other one is either in a transfer or left with a reason. Faulty rules are [geored.Faults].
func PlanCatchUp(differences []Difference, rules CatchUpRules) (CatchUp, error) {
	plan := CatchUp{From: rules.From, To: rules.To}
	if err := rules.faults().Err(); err != nil {
		return plan, err
	}
	seen := map[Ref]bool{}
	for _, d := range differences {
		if !d.isBetween(rules.From, rules.To) {
			continue
		}
		ref := Ref{Bucket: d.Bucket, Key: d.Key}
		t, reason := rules.transfer(d)
		switch {
		case reason != "":
			plan.Left = append(plan.Left, Left{d.Bucket, d.Key, reason})
		case !seen[ref]:
			seen[ref] = true
			plan.Transfers = append(plan.Transfers, t)
		}
	}
	slices.SortFunc(plan.Transfers, func(a, b Transfer) int { return compareRefs(a.Bucket, a.Key, b.Bucket, b.Key) })
	slices.SortFunc(plan.Left, func(a, b Left) int {
		return cmp.Or(compareRefs(a.Bucket, a.Key, b.Bucket, b.Key), strings.Compare(a.Reason, b.Reason))
	})
	return plan, nil
}

func (r CatchUpRules) faults() geored.Faults {
	var faults geored.Faults
	if !r.From.IsValid() || !r.To.IsValid() || r.From == r.To {
		faults = append(faults, geored.Fault{Field: "From, To", Value: string(r.From) + ", " + string(r.To),
			Problem: "are not two sites", Remedy: "name the site to copy from and another to copy to"})
	}
	switch r.Conflicts {
	case RefuseConflicts, NewerWins, SourceWins:
	default:
		faults = append(faults, geored.Fault{Field: "Conflicts", Value: string(r.Conflicts), Problem: "is no rule"})
	}
	return faults
}

func (d Difference) isBetween(a, b geored.SiteName) bool {
	return d.From == a && d.To == b || d.From == b && d.To == a
}

// transfer says what to do about a difference, or why nothing is done.
func (r CatchUpRules) transfer(d Difference) (t Transfer, reason string) {
	source, target := d.Here, d.There
	if d.From != r.From {
		source, target = target, source
	}
	switch {
	case d.State != Different:
		return t, "not proven to differ: " + string(d.Doubt)
	case d.Kind == History:
		return t, "old versions and delete markers are not copied"
	case source == nil:
		return t, fmt.Sprintf("only at %s, and nothing shows that it was deleted at %s", r.To, r.From)
	case source.DeleteMarker:
		return r.deletion(d, *source, target)
	}
	t = Transfer{Bucket: d.Bucket, Key: d.Key, Action: geored.Copy, Bytes: source.Size, Source: source.ETag, Reason: fmt.Sprintf("%s at %s", d.Kind, r.To)}
	if target == nil {
		return t, ""
	}
	t.Target = target.ETag
	if reason := r.conflict(*source, *target); reason != "" {
		return t, reason
	}
	t.Reason = string(d.Kind) + " differs"
	return t, ""
}

func (r CatchUpRules) deletion(d Difference, marker Object, target *Object) (t Transfer, reason string) {
	switch {
	case !r.Deletes:
		return t, fmt.Sprintf("deleted at %s; deleting at %s was not asked for", r.From, r.To)
	case target == nil || target.DeleteMarker:
		return t, "deleted at both"
	case newer(marker, *target) <= 0:
		return t, fmt.Sprintf("conflict: deleted at %s, but not shown to be after it was written at %s", r.From, r.To)
	}
	return Transfer{Bucket: d.Bucket, Key: d.Key, Action: geored.Delete, Target: target.ETag,
		Reason: fmt.Sprintf("deleted at %s on %s, written at %s on %s", r.From, marker.Modified.UTC().Format(time.RFC3339),
			r.To, target.Modified.UTC().Format(time.RFC3339))}, ""
}

// conflict says why an object that both sites have must not be overwritten.
func (r CatchUpRules) conflict(source, target Object) string {
	switch {
	case r.Conflicts == SourceWins:
		return ""
	case r.Conflicts == NewerWins && newer(source, target) > 0:
		return ""
	case r.Conflicts == RefuseConflicts && !r.Since.IsZero() && target.Modified.Before(r.Since) && newer(source, target) > 0:
		return ""
	}
	return fmt.Sprintf("conflict: both sites have a version; %s wrote on %s, %s on %s", r.From,
		source.Modified.UTC().Format(time.RFC3339), r.To, target.Modified.UTC().Format(time.RFC3339))
}

func compareRefs(bucketA, keyA, bucketB, keyB string) int {
	return cmp.Or(strings.Compare(bucketA, bucketB), strings.Compare(keyA, keyB))
}
