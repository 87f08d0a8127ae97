package objectstore

import (
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Mechanism is how buckets are mirrored between sites. It decides what an outage leaves behind and what a reset is.
type Mechanism string

// The mechanisms.
const (
	WatchMirror       Mechanism = "mc mirror --watch"  // a process at each site that copies by events
	BucketReplication Mechanism = "bucket replication" // by the server, per bucket
	SiteReplication   Mechanism = "site replication"   // by the server, everything
)

// Recovery is what must be done after an outage, as far as the mechanism and the buckets' own limits decide it.
type Recovery struct {
	// Automatic says that what was created during the outage comes by itself, once the mechanism runs again.
	Automatic bool
	Reset     bool // the mechanism must be reset by hand first
	// Findings are what does not come by itself, each with its remedy; all of them are warnings.
	Findings []geored.Finding
}

// Outage is what is known of an outage.
type Outage struct {
	Length    time.Duration
	Mechanism Mechanism
	// MirrorSurvived says that the mirroring process was not restarted since the outage began. A watch is not told again
	// what happened while it was cut off; only a restart makes it list everything.
	MirrorSurvived bool
	// Removes says that a watch mirror was started with --remove.
	Removes bool
	// Noncurrent is after how long the buckets' lifecycle drops old versions and delete markers. Zero: never.
	Noncurrent time.Duration
	Versioning Versioning
}

// Recover derives what an outage needs. It asks nobody; that the sites are equal in the end is for a [Comparer] to prove.
// An unknown mechanism is a [geored.Fault].
func (o Outage) Recover() (Recovery, error) {
	r := Recovery{}
	add := func(message, remedy string) {
		r.Findings = append(r.Findings, geored.Finding{Check: "objectstore/outage", Verdict: geored.Warn, Message: message, Remedy: remedy})
	}
	switch o.Mechanism {
	case WatchMirror:
		r.Automatic, r.Reset = !o.MirrorSurvived, o.MirrorSurvived
		o.watchLimits(add)
	case BucketReplication, SiteReplication:
		r.Automatic = true
		add("what the server counts as replicated and the other side lost stays lost", "compare; reset the replication only when versions are missing, and compare again: a reset that is completed does not mean equal")
	default:
		return r, geored.Fault{Field: "Mechanism", Value: string(o.Mechanism), Problem: "is not known",
			Remedy: fmt.Sprintf("say %q, %q or %q", WatchMirror, BucketReplication, SiteReplication)}
	}
	if o.Noncurrent > 0 && o.Length >= o.Noncurrent && o.Versioning != Unversioned {
		add(fmt.Sprintf("the outage of %s outlasted the %s for which old versions and delete markers are kept: what was deleted can no longer be told from what was never there", o.Length, o.Noncurrent),
			"decide by hand about objects that only one site has; CatchUp never deletes them")
	}
	return r, nil
}

// watchLimits is what `mc mirror --watch` does not do, as its source and its behaviour show.
func (o Outage) watchLimits(add func(message, remedy string)) {
	if o.MirrorSurvived {
		add("events during a disconnect are lost: the watch reconnects without listing again", "restart the mirror at each site, one after the other; it lists everything when it starts")
	}
	add("objects of the same size whose copy is newer are never copied: it compares size and time, not content", "compare, then catch up")
	if o.Removes {
		add("with --remove, objects created at the other site during the outage may be deleted before they are copied", "stop the mirrors, compare and catch up both ways, then start them")
	} else {
		add("objects deleted at one site during the outage come back from the other: deletes are carried by events only", "compare with versions; the delete markers tell what was deleted")
	}
	if o.Versioning != Unversioned {
		add("old versions and delete markers are not copied", "use bucket replication where history matters")
	}
}
