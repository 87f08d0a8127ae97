package objectstore

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Comparison is what comparing came to, also when it was interrupted: what it counts was compared, and what is left is
// listed. It is plain data, so that it can be kept and gone on with (see [Comparer]).
type Comparison struct {
	Sites      []geored.SiteName  `json:"sites"`
	Buckets    []BucketComparison `json:"buckets"`              // by name
	Unanswered []SiteSilence      `json:"unanswered,omitempty"` // sites that did not name their buckets
	Began      time.Time          `json:"began"`
	Took       time.Duration      `json:"tookNs"`
}

// SiteSilence is a site that could not be read, or not to the end.
type SiteSilence struct {
	Site   geored.SiteName `json:"site"`
	Reason string          `json:"reason"`
	err    error
}

// BucketComparison is what comparing one bucket came to.
type BucketComparison struct {
	Bucket     string                    `json:"bucket"`
	Missing    []geored.SiteName         `json:"missing,omitempty"` // sites that have no such bucket
	Listed     map[geored.SiteName]int64 `json:"listed"`            // objects read, with their versions where asked for
	Pairs      []Pair                    `json:"pairs"`             // each two sites once, in the order of the sites
	Unanswered []SiteSilence             `json:"unanswered,omitempty"`
	Rest       []Remainder               `json:"rest,omitempty"` // what was not compared
	// Unequal settings that make the comparison worth less: versioning on one side only.
	Notes []string `json:"notes,omitempty"`
}

// Remainder is keys that were not compared between some sites.
type Remainder struct {
	Span
	Between []Between `json:"between"`
}

// Between is two sites, in the order in which they were given.
type Between [2]geored.SiteName

// Pair counts the keys of two sites. A key that is at neither is not counted.
type Pair struct {
	From, To  geored.SiteName
	EqualBy   map[Proof]int64 `json:"equalBy,omitempty"`
	Different int64           `json:"different"`
	Unproven  int64           `json:"unproven"`
	// Kinds counts differences and doubts; a key may have more than one.
	Kinds map[Kind]int64 `json:"kinds,omitempty"`
	// NoMetadata counts keys whose metadata was asked for and not told: they are equal in content alone.
	NoMetadata int64 `json:"noMetadata,omitempty"`
}

// Equal is the number of keys that are shown to be equal.
func (p Pair) Equal() int64 {
	var n int64
	for _, count := range p.EqualBy {
		n += count
	}
	return n
}

// keys is how many keys were compared, between all pairs together.
func (b BucketComparison) keys() int64 {
	var n int64
	for _, p := range b.Pairs {
		n += p.Equal() + p.Different + p.Unproven
	}
	return n
}

// Verdict is fail when anything differs or a bucket is missing; unknown when anything was not compared, or is not
// proven; else pass. A bucket that no two sites have is unknown.
func (b BucketComparison) Verdict() geored.Verdict {
	verdict := geored.Pass
	for _, p := range b.Pairs {
		switch {
		case p.Different > 0:
			return geored.Fail
		case p.Unproven > 0 || p.NoMetadata > 0:
			verdict = geored.Unknown
		}
	}
	switch {
	case len(b.Missing) > 0:
		return geored.Fail
	case len(b.Unanswered)+len(b.Rest)+len(b.Notes) > 0, len(b.Pairs) == 0:
		return geored.Unknown
	}
	return verdict
}

// Verdict joins those of the buckets. A comparison of nothing is unknown, and so is one with a silent site in it unless
// it failed already.
func (c Comparison) Verdict() geored.Verdict {
	var verdicts []geored.Verdict
	for _, b := range c.Buckets {
		verdicts = append(verdicts, b.Verdict())
	}
	if len(c.Unanswered) > 0 {
		verdicts = append(verdicts, geored.Unknown)
	}
	return geored.Join(verdicts...)
}

// Err joins what went wrong at the sites, in the order of sites and buckets.
func (c Comparison) Err() error {
	var errs []error
	add := func(silences []SiteSilence) {
		for _, s := range silences {
			if s.err == nil { // it was read back from JSON
				s.err = errors.New(s.Reason)
			}
			errs = append(errs, s.err)
		}
	}
	add(c.Unanswered)
	for _, b := range c.Buckets {
		add(b.Unanswered)
	}
	return errors.Join(errs...)
}

// String is one line per bucket.
func (b BucketComparison) String() string {
	text := fmt.Sprintf("bucket %s: %s", b.Bucket, b.Verdict())
	for _, p := range b.Pairs {
		text += fmt.Sprintf("; %s, %s: %d equal, %d different, %d unproven", p.From, p.To, p.Equal(), p.Different, p.Unproven)
	}
	return text
}

// pair gives the counts of two sites, made when they are first asked for.
func (b *BucketComparison) pair(between Between) *Pair {
	i := slices.IndexFunc(b.Pairs, func(p Pair) bool { return Between{p.From, p.To} == between })
	if i < 0 {
		i = len(b.Pairs)
		b.Pairs = append(b.Pairs, Pair{From: between[0], To: between[1], EqualBy: map[Proof]int64{}, Kinds: map[Kind]int64{}})
	}
	return &b.Pairs[i]
}

func (c *Comparison) bucket(name string) *BucketComparison {
	if c == nil {
		return nil
	}
	for i := range c.Buckets {
		if c.Buckets[i].Bucket == name {
			return &c.Buckets[i]
		}
	}
	return nil
}

// clone lets an earlier result be added to without changing it.
func (b BucketComparison) clone() BucketComparison {
	if b.Listed = maps.Clone(b.Listed); b.Listed == nil {
		b.Listed = map[geored.SiteName]int64{}
	}
	b.Pairs = slices.Clone(b.Pairs)
	for i := range b.Pairs {
		p := Pair{From: b.Pairs[i].From, To: b.Pairs[i].To, EqualBy: map[Proof]int64{}, Kinds: map[Kind]int64{}}
		p.add(b.Pairs[i])
		b.Pairs[i] = p
	}
	b.Rest = nil
	return b
}

// add takes over the counts of one part.
func (p *Pair) add(part Pair) {
	p.Different += part.Different
	p.Unproven += part.Unproven
	p.NoMetadata += part.NoMetadata
	for proof, n := range part.EqualBy {
		p.EqualBy[proof] += n
	}
	for kind, n := range part.Kinds {
		p.Kinds[kind] += n
	}
}
