package ice

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Outage is how long sites were apart, as far as it is known.
type Outage struct {
	Least time.Duration `json:"leastNs"` // no shorter than this
	Most  time.Duration `json:"mostNs"`  // no longer than this: limits are held against it
	Began time.Time     `json:"began"`   // the latest time at which it can have begun
	// Known says in words how long it was and who says so. It does not change as time goes by, and so may stand in plans.
	Known string    `json:"known"`
	Asked time.Time `json:"asked"` // when this was found out
	// Longer is how long it went on after it had been found out, as far as is known. It is in Most.
	Longer time.Duration `json:"longerNs,omitempty"`
	// Found says that nobody said it: evidence alone tells how long it was.
	Found bool `json:"found,omitempty"`
	// Proven is when all stores of all sites were last proven to hold the same. Zero: not known.
	Proven   time.Time `json:"proven,omitzero"`
	Unproven []string  `json:"unproven,omitempty"` // parts that were left out of it
}

func (o Outage) String() string { return o.Known }

// until is an outage that went on until then.
func (o Outage) until(then time.Time) Outage {
	if more := then.Sub(o.Asked); more > 0 {
		o.Most, o.Longer, o.Asked = o.Most+more, o.Longer+more, then
	}
	return o
}

// sinceProven is how long an outage may lie back that nobody recovered a part from; false: for ever.
func (o Outage) sinceProven(part string) (time.Duration, bool) {
	return o.Asked.Sub(o.Proven), !o.Proven.IsZero() && !slices.Contains(o.Unproven, part)
}

// OutageSaid is what an operator says of an outage; the zero value says nothing.
type OutageSaid struct {
	Length time.Duration
	Since  time.Time
}

// Evidence is one thing that was looked at to tell when an outage began.
type Evidence struct {
	Source string    `json:"source"`          // "hints that dc1 keeps"
	Apart  time.Time `json:"apart,omitzero"`  // the sites were apart at this time already
	Joined time.Time `json:"joined,omitzero"` // they were still together at this time
	Says   string    `json:"says"`            // in words; also why it says nothing
}

func (e Evidence) String() string {
	switch {
	case !e.Apart.IsZero():
		return fmt.Sprintf("%s: apart since %s at the latest: %s", e.Source, clockText(e.Apart), e.Says)
	case !e.Joined.IsZero():
		return fmt.Sprintf("%s: still together at %s: %s", e.Source, clockText(e.Joined), e.Says)
	}
	return e.Source + ": " + e.Says
}

func clockText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// FindOutage says how long the sites were apart at most: what the operator says, held against the evidence, or the time since
// the evidence shows them together last. Evidence of when they were apart alone is not enough: a guess that is too short loses
// deletions. The error is [geored.Faults] and names everything that was looked at.
func FindOutage(said OutageSaid, evidence []Evidence, now time.Time) (Outage, error) {
	o := Outage{Asked: now, Began: now}
	apart, joined := bounds(evidence)
	refuse := func(field, value, problem, remedy string) (Outage, error) {
		return Outage{}, geored.Faults{{Field: field, Value: value, Problem: problem + lookedAt(evidence), Remedy: remedy}}
	}
	switch {
	case said.Length != 0 && !said.Since.IsZero():
		return refuse("-outage", said.Length.String(), "does not go with -since", "give one of them")
	case said.Length < 0:
		return refuse("-outage", said.Length.String(), "is no length", "write something like 3h40m")
	case said.Since.After(now):
		return refuse("-since", clockText(said.Since), "has not come yet", "write when the sites were last together")
	case joined.After(now.Add(skewFail)) || apart.After(now.Add(skewFail)):
		return refuse("outage", clockText(now), "this machine's clock is behind the sites', so that no length can be told", "set it right (NTP), and start again")
	case said.Length > 0:
		o.Least, o.Most, o.Began, o.Known = said.Length, said.Length, now.Add(-said.Length), fmt.Sprintf("%s (-outage)", said.Length)
	case !said.Since.IsZero():
		o.Most, o.Began, o.Known = now.Sub(said.Since), said.Since, fmt.Sprintf("since %s (-since)", clockText(said.Since))
	case apart.IsZero() && joined.IsZero():
		return refuse("outage", "", "nothing tells how long the sites were apart", "say it with -outage or -since")
	case joined.IsZero():
		return refuse("outage", "", fmt.Sprintf("it began before %s, and nothing tells how long before", clockText(apart)), "say with -since when the sites were last together")
	case !apart.IsZero() && apart.Before(joined):
		return refuse("outage", "", "the evidence contradicts itself", "say with -outage or -since what is true")
	default:
		o.Most, o.Found, o.Known = now.Sub(joined), true, fmt.Sprintf("since %s at the earliest (found)", clockText(joined))
		if !apart.IsZero() {
			o.Least, o.Began = now.Sub(apart), apart
		}
	}
	if !apart.IsZero() && now.Sub(apart) > o.Most {
		return refuse("outage", o.Known, fmt.Sprintf("is shorter than the evidence shows: the sites were apart at %s already", clockText(apart)), "say the time at which they were last together")
	}
	return o, nil
}

// bounds are the earliest time at which the sites are shown apart and the latest at which they are shown together.
func bounds(evidence []Evidence) (apart, joined time.Time) {
	for _, e := range evidence {
		if !e.Apart.IsZero() && (apart.IsZero() || e.Apart.Before(apart)) {
			apart = e.Apart
		}
		if e.Joined.After(joined) {
			joined = e.Joined
		}
	}
	return apart, joined
}

func lookedAt(evidence []Evidence) string {
	if len(evidence) == 0 {
		return "; nothing could be looked at"
	}
	lines := make([]string, len(evidence))
	for i, e := range evidence {
		lines[i] = e.String()
	}
	return "; looked at: " + strings.Join(lines, "; ")
}
