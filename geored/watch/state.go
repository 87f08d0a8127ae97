package watch

import (
	"cmp"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Place is a check at a site, or on the way from it to another; both are zero for what is found over all sites.
type Place struct {
	Check geored.CheckID  `json:"check"`
	Site  geored.SiteName `json:"site,omitempty"`
	To    geored.SiteName `json:"to,omitempty"`
}

// Told is what the last round said of a place: its worst finding.
type Told struct {
	Place
	Verdict geored.Verdict `json:"verdict"`
	Message string         `json:"message,omitempty"`
	Remedy  string         `json:"remedy,omitempty"`
	Since   time.Time      `json:"since"` // when it came to this verdict
	At      time.Time      `json:"at"`    // when it was last asked
	Took    time.Duration  `json:"tookNs"`
}

// State is what is known now.
type State struct {
	Every  time.Duration // between the beginnings of rounds
	Stale  time.Duration // the age beyond which nothing of it counts any more
	Began  time.Time     // of the watch
	Rounds int           // that came to their end
	Round  time.Time     // when the last of them ended. Zero: none has
	Took   time.Duration // the last of them
	Told   []Told        // sorted by check, site, to
}

// Age is how long nothing was heard: since the last round ended, or since the watch began.
func (s State) Age(now time.Time) time.Duration {
	if s.Round.IsZero() {
		return now.Sub(s.Began)
	}
	return now.Sub(s.Round)
}

// IsStale says whether a round is overdue: then nothing of the state counts.
func (s State) IsStale(now time.Time) bool { return s.Round.IsZero() || s.Age(now) > s.Stale }

// Verdict is that over all places; unknown when the state is stale.
func (s State) Verdict(now time.Time) geored.Verdict {
	if s.IsStale(now) {
		return geored.Unknown
	}
	verdicts := make([]geored.Verdict, len(s.Told))
	for i, t := range s.Told {
		verdicts[i] = t.Verdict
	}
	return geored.Join(verdicts...)
}

// worst makes one Told of each place from the findings of a round, sorted.
func worst(findings []geored.Finding, at time.Time) []Told {
	by := map[Place]Told{}
	for _, f := range findings {
		p := Place{f.Check, f.Site, f.To}
		told, seen := by[p]
		if !seen || told.Verdict != f.Verdict && worse(f.Verdict, told.Verdict) {
			told.Place, told.Verdict, told.Message, told.Remedy = p, f.Verdict, f.Message, f.Remedy
		}
		told.At, told.Took = at, max(told.Took, f.Took)
		by[p] = told
	}
	told := make([]Told, 0, len(by))
	for _, t := range by {
		told = append(told, t)
	}
	slices.SortFunc(told, func(a, b Told) int { return compare(a.Place, b.Place) })
	return told
}

// worse says whether a decides over b. Skipped decides over nothing, which the join of verdicts does not show.
func worse(a, b geored.Verdict) bool {
	return a != geored.Skipped && (b == geored.Skipped || geored.Join(a, b) == a)
}

func compare(a, b Place) int {
	return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Site, b.Site), cmp.Compare(a.To, b.To))
}
