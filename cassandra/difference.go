package cassandra

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Difference is one row that is not the same everywhere.
type Difference struct {
	Key   string `json:"key"`   // as CQL would have it: id = 7 AND name = 'x'; of a row of static columns alone, the partition's
	Token int64  `json:"token"` // of its partition
	Seen  []Seen `json:"seen"`  // by site, then node
	// InFlight says that the row changed between two looks: it may be on its way. Otherwise two looks saw the same
	// difference.
	InFlight bool `json:"inFlight,omitempty"`
	// Confirmed says that the second look came to an end.
	Confirmed bool `json:"confirmed"`

	raw  string
	sums []Sum
}

// Seen is what one source has of a row.
type Seen struct {
	Source
	Present bool      `json:"present"`
	Written time.Time `json:"written"` // the latest of its write times; zero: absent, or no column has one
}

// oldestLacked is the oldest version of the row that a site has neither in it nor in a later one. Zero: it bears no time.
func (d Difference) oldestLacked() (oldest time.Time) {
	for _, here := range d.Seen {
		lacks := func(there Seen) bool { return !there.Present || here.Written.After(there.Written) }
		if here.Present && !here.Written.IsZero() && slices.ContainsFunc(d.Seen, lacks) {
			oldest = earlier(oldest, here.Written)
		}
	}
	return oldest
}

// Missing are the sites that lack the row on at least one replica.
func (d Difference) Missing() []geored.SiteName {
	return d.sites(func(s Seen) bool { return !s.Present })
}

// Latest are the sites that hold the latest version of the row; all who hold it when write times do not tell.
func (d Difference) Latest() []geored.SiteName {
	var latest time.Time
	for _, s := range d.Seen {
		if s.Present && s.Written.After(latest) {
			latest = s.Written
		}
	}
	return d.sites(func(s Seen) bool { return s.Present && s.Written.Equal(latest) })
}

func (d Difference) sites(is func(Seen) bool) []geored.SiteName {
	var sites []geored.SiteName
	for _, s := range d.Seen {
		if is(s) && (len(sites) == 0 || sites[len(sites)-1] != s.Site) {
			sites = append(sites, s.Site)
		}
	}
	return sites
}

// String says what differs, and in which direction: "id = 7: missing in dc2, written in dc1 2026-11-21T10:00:00Z".
func (d Difference) String() string {
	var parts []string
	for _, s := range d.Seen {
		part := string(s.Site) + " has it"
		switch {
		case !s.Present:
			part = "missing in " + string(s.Site)
		case !s.Written.IsZero():
			part += " written " + s.Written.Format(time.RFC3339Nano)
		}
		parts = append(parts, part)
	}
	text := fmt.Sprintf("%s: %s", d.Key, strings.Join(parts, ", "))
	if d.InFlight {
		text += " (in flight)"
	}
	return text
}
