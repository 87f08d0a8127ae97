package drift

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Version is that of the records that this package writes and reads.
const Version = 1

// Record is what an installation left at one site.
type Record struct {
	Version int             `json:"version"`
	Site    geored.SiteName `json:"site"`
	Cluster string          `json:"cluster"` // its identity, as in geored.Cluster
	Taken   time.Time       `json:"taken"`
	Salt    Salt            `json:"salt"`
	// Wanted is the digest of what each step of the plan wanted at the site.
	Wanted map[geored.StepID]string `json:"wanted"`
	Things []Thing                  `json:"things"` // sorted by area and name
	Digest string                   `json:"digest"` // of all the rest
}

// Thing is something at a site that was put there, in facts that can be compared.
type Thing struct {
	Area  string            `json:"area"` // what is compared together: "peers"
	Name  string            `json:"name"` // "node dc1-1"; unique in its area
	Facts map[string]string `json:"facts"`
	// Under is what moves when the thing is changed on purpose, as the revision of the release that it belongs to. While it
	// does not move, [Record.Renew] keeps the recorded facts. Zero: each installation records the thing as it is then.
	Under string `json:"under,omitempty"`
	Mends string `json:"mends"`           // who must mend it, and how
	Wrote string `json:"wrote,omitempty"` // who wrote it last, and when; not compared
}

// Sealed is the record with its things in order, and with its digest.
func (r Record) Sealed() (Record, error) {
	r.Version = Version
	r.Things = slices.SortedFunc(slices.Values(r.Things), compareThings)
	var err error
	r.Digest, err = r.digest()
	return r, err
}

func (r Record) digest() (string, error) {
	r.Digest = ""
	return geored.DigestOf(r)
}

// Parse reads a record. It refuses one of another version, and one that somebody changed since it was sealed.
func Parse(text []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(text, &r); err != nil {
		return Record{}, fmt.Errorf("record: %w", err)
	}
	if r.Version != Version {
		return Record{}, fmt.Errorf("record: version %d is not %d", r.Version, Version)
	}
	digest, err := r.digest()
	if err == nil && digest != r.Digest {
		err = errors.New("record: its digest is that of something else: somebody changed it")
	}
	return r, err
}

// Renew is what to record of a site where there is a record already: things as they are now, but with the facts of the old
// record where nothing that may change a thing has moved since. So a drift is not recorded as what was meant.
func (r Record) Renew(now []Thing) []Thing {
	before := map[string]Thing{}
	for _, t := range r.Things {
		before[t.key()] = t
	}
	var things []Thing
	for _, t := range now {
		if old, ok := before[t.key()]; ok && t.Under != "" && old.Under == t.Under {
			t = old
		} else if !ok && t.Under != "" && under(r.Things, t) {
			continue // it was added beside what was installed
		}
		things = append(things, t)
	}
	for _, old := range r.Things { // what went is missed, while that which brought it has not moved
		if gone := !slices.ContainsFunc(now, func(t Thing) bool { return t.key() == old.key() }); gone && old.Under != "" && under(now, old) {
			things = append(things, old)
		}
	}
	return slices.SortedFunc(slices.Values(things), compareThings)
}

// under says whether any of the things hangs on the same as t.
func under(things []Thing, t Thing) bool {
	return slices.ContainsFunc(things, func(other Thing) bool { return other.Under == t.Under })
}

// Same says whether two lists hold the same facts of the same things, in whatever order.
func Same(a, b []Thing) bool {
	if len(a) != len(b) || len(Compare(a, b)) > 0 {
		return false
	}
	return slices.EqualFunc(slices.SortedFunc(slices.Values(a), compareThings), slices.SortedFunc(slices.Values(b), compareThings),
		func(a, b Thing) bool { return a.key() == b.key() && a.Under == b.Under && maps.Equal(a.Facts, b.Facts) })
}
