package kafka

import (
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// IncidentKind is what happened to a mirrored partition.
type IncidentKind string

// The kinds.
const (
	Gap         IncidentKind = "retention-gap"    // the source removed what was not copied yet
	Recreated   IncidentKind = "topic-recreated"  // the source's topic was deleted and made again
	Truncated   IncidentKind = "source-truncated" // the source lost the end of its log, or the whole of it
	CopiedAgain IncidentKind = "copied-again"     // the mirror went back: the copy holds records twice
	Gone        IncidentKind = "topic-gone"       // the source has the topic no more, or the mirror copies it no more
	CopyLost    IncidentKind = "copy-lost"        // the target lost records of the copy: it was deleted, made anew or truncated
)

// Incident is something that happened between two samples and that no later lag can show.
type Incident struct {
	Partition
	Kind IncidentKind `json:"kind"`
	ID   TopicID      `json:"id"` // of the topic after it
	// After and Seen enclose when it happened. After is zero when it was there at the first look.
	After time.Time `json:"after,omitzero"`
	Seen  time.Time `json:"seen"`
	// Offsets that the copy lacks (for [CopiedAgain]: has twice): that many records, less the holes of compaction and
	// the marks of transactions.
	Offsets int64 `json:"offsets"`
	// Certain is false when marks of transactions alone may explain the offsets.
	Certain bool  `json:"certain"`
	Base    Track `json:"base,omitzero"` // what was seen before it
}

// Verdict is what an incident means: records are lost, may be lost, or are there twice.
func (i Incident) Verdict() geored.Verdict {
	switch {
	case i.Kind == CopiedAgain, (i.Kind == Recreated || i.Kind == Gone || i.Kind == CopyLost) && i.Offsets == 0:
		return geored.Warn
	case !i.Certain:
		return geored.Unknown
	}
	return geored.Fail
}

// String is one line of evidence.
func (i Incident) String() string {
	when := "before " + i.Seen.UTC().Format(time.RFC3339)
	if !i.After.IsZero() {
		when = "between " + i.After.UTC().Format(time.RFC3339) + " and " + i.Seen.UTC().Format(time.RFC3339)
	}
	what := map[IncidentKind]string{
		Gap:         "were removed by retention before they were copied",
		Recreated:   "are missing since the topic was deleted and made again",
		Truncated:   "that were copied are gone at the source: it was truncated or made anew",
		CopiedAgain: "were copied again: duplicates",
		Gone:        "were not copied when the topic was last seen: it is gone at the source, or no longer selected",
		CopyLost:    "of the copy are gone at the target: it was deleted, made anew or truncated",
	}[i.Kind]
	certainty := ""
	if !i.Certain {
		certainty = "up to "
	}
	return fmt.Sprintf("%s: %s%d offsets %s (%s)", i.Partition, certainty, i.Offsets, what, when)
}

// firstSeen finds what shows without a past: the position does not lie in the source's log.
func firstSeen(p Position, now time.Time) (Incident, bool) {
	i := Incident{Partition: p.Partition, ID: p.ID, Seen: now, Certain: true, Base: Track{Position: p}}
	switch {
	case p.Next < 0:
	case p.Source.Start > p.Next:
		i.Kind, i.Offsets = Gap, p.Source.Start-p.Next
		return i, true
	case p.Next > p.Source.End:
		i.Kind, i.Offsets = Truncated, p.Next-p.Source.End
		return i, true
	case p.LacksCopy():
		i.Kind, i.Offsets = CopyLost, p.uncovered()
		return i, true
	}
	return Incident{}, false
}

// gone is what a partition means that a look found no more: what was not copied when it was last seen may have been before it
// went, and cannot be now.
func (t Track) gone(now time.Time) Incident {
	return Incident{Partition: t.Partition, Kind: Gone, ID: t.ID, After: t.Seen, Seen: now, Offsets: t.uncopied(), Certain: t.uncopied() == 0, Base: t}
}

// withIncidents adds what happened to a partition between two looks, and counts anew what a recreated topic lost: the
// mirror may still have been on its way at the look that found it.
func withIncidents(incidents []Incident, before Track, p Position, now time.Time) []Incident {
	for k := range incidents {
		if i := &incidents[k]; i.Partition == p.Partition && i.Kind == Recreated && i.ID == p.ID {
			i.Offsets = i.Base.lostByRecreation(p)
		}
	}
	if i, found := before.since(p, now); found && !merged(incidents, i) {
		incidents = append(incidents, i)
	}
	return incidents
}

// merged counts i into an incident that stands already: a gap is seen at every look until the mirror jumps over it, and
// retention goes on meanwhile.
func merged(incidents []Incident, i Incident) bool {
	for k := range incidents {
		known := &incidents[k]
		if known.Partition == i.Partition && known.Kind == i.Kind && known.ID == i.ID && known.Base.Next == i.Base.Next {
			known.Offsets, known.Certain = max(known.Offsets, i.Offsets), known.Certain || i.Certain
			return true
		}
	}
	return false
}

// since compares two looks at one partition.
func (t Track) since(p Position, now time.Time) (Incident, bool) {
	i := Incident{Partition: p.Partition, ID: p.ID, After: t.Seen, Seen: now, Certain: true, Base: t}
	switch {
	case t.ID != p.ID && !t.ID.IsZero() && !p.ID.IsZero():
		i.Kind, i.Offsets = Recreated, t.lostByRecreation(p)
	case p.Source.End < t.Source.End:
		i.Kind, i.Offsets = Truncated, t.Source.End-p.Source.End
	case t.lostCopy(p):
		i.Kind = CopyLost
		i.Offsets, i.Certain = t.lostByTarget(p)
		return i, i.Offsets > 0 || t.copyAnew(p) && p.Next >= 0 // one without a position begins anew
	case p.Source.Start > t.from():
		i.Kind = Gap
		i.Offsets, i.Certain = t.lostByRetention(p)
		return i, i.Offsets > 0
	case p.Next >= 0 && p.Next < t.Next && t.Next <= t.Source.End: // one beyond the end had to go back
		i.Kind, i.Offsets = CopiedAgain, t.Next-p.Next
	default:
		return Incident{}, false
	}
	return i, true
}

// copyAnew says that the copy is another topic than it was.
func (t Track) copyAnew(p Position) bool {
	return !t.CopyID.IsZero() && !p.CopyID.IsZero() && t.CopyID != p.CopyID
}

// lostCopy says that the target lost records of the copy, and that the mirror does not bring them again. Canaries come and go.
func (t Track) lostCopy(p Position) bool {
	switch {
	case p.isCanary() || !t.copied():
		return false
	case p.LacksCopy(), t.copyAnew(p):
		return true
	}
	_, certain := t.lostByTarget(p)
	return certain
}

// lostByTarget counts what the copy lacks. One that was made anew is to hold what its source still has; holes and marks may
// explain that it holds less. Of one that ends earlier the mirror brings again what lies behind its position.
func (t Track) lostByTarget(p Position) (offsets int64, certain bool) {
	switch {
	case p.LacksCopy():
		return p.uncovered(), true
	case t.copyAnew(p):
		return max(p.uncovered(), 0), false
	}
	lost := t.Target.End - p.Target.End - max(t.Next-p.Next, 0)
	return lost, p.Next >= 0 && lost > max(t.Source.End-t.Next, 0) // so much may have been copied and not committed
}

// lostByRecreation counts what the copy lacks of both topics: what was not copied of the old one when it was last seen,
// and what the mirror jumped over in the new one because it went on from its old position.
func (t Track) lostByRecreation(p Position) int64 {
	old := t.uncopied()
	if p.Next > p.Source.End || p.Next < 0 {
		return old // it will find its position gone and begin anew
	}
	passed := p.Next // a new topic begins at 0, whatever retention has left of it
	return old + max(passed-t.arrived(p), 0)
}

// arrived counts what came to the copy between two looks.
func (t Track) arrived(p Position) int64 {
	if t.copyAnew(p) {
		return p.Target.End
	}
	return max(p.Target.End-t.Target.End, 0)
}

// uncopied counts what was not copied when the partition was looked at.
func (t Track) uncopied() int64 {
	offsets := max(t.Source.End-max(t.Next, t.Source.Start), 0)
	if t.Tail.Complete {
		offsets = min(offsets, t.Tail.Records+t.Tail.Aborted+t.Tail.Open)
	}
	return offsets
}

// lostByRetention counts what was removed between two looks and did not arrive. A mark of a transaction stands beside a
// record at least, so that marks alone explain no more than as many offsets as records arrived.
func (t Track) lostByRetention(p Position) (offsets int64, certain bool) {
	if p.Next < p.Source.Start {
		return p.Source.Start - max(p.Next, t.from()), t.Next >= 0 || !t.copied() // the mirror has not come to it yet
	}
	copied := t.arrived(p)
	missing := min(p.Next-t.from()-copied, p.Source.Start-t.from())
	return max(missing, 0), missing > copied && (t.Next >= 0 || !t.copied())
}

// from is the first offset that was not copied: a mirror without a position begins at the beginning.
func (t Track) from() int64 {
	if t.Next < 0 {
		return t.Source.Start
	}
	return t.Next
}

// copied says that something was, also where no position was committed yet.
func (t Track) copied() bool { return t.Target.End > t.Target.Start }
