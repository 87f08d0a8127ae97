package objectstore

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Effort is how far a comparison goes to prove what the listings leave open.
type Effort string

// The efforts.
const (
	Heads        Effort = ""        // objects in doubt are asked for by HEAD: encryption, checksums, and whether they are there
	ListingsOnly Effort = "listing" // what the listings leave open stays unproven
	Bytes        Effort = "bytes"   // and what HEAD leaves open is read at both sites
)

// Comparer compares buckets over sites. It reads both sides of every pair at once and holds a few pages of each, however
// large the buckets are.
type Comparer struct {
	Sites    []Site   // two or more, each with a name of its own. Required.
	Buckets  []string // names or patterns as [path.Match] has them; zero: all that any site has
	Prefix   string   // compare only keys that begin with it
	Versions bool     // compare old versions and delete markers too: a few per cent dearer
	// Metadata compares user metadata, content headers and tags too, but Expires, which MinIO's listings do not tell. It is nearly
	// three times as dear for the servers.
	Metadata bool
	Effort   Effort
	// ProofLimit is for how many objects of one bucket HEAD or bytes are asked for. Zero: 10000.
	ProofLimit int
	// Workers is how many parts of a bucket are read at once, each with one request at a time per site. Zero: 4, and up
	// to 16 where the way to a site is long.
	Workers int
	// Found is told of every difference and doubt as it is found, one at a time; those of different parts of a bucket come
	// in any order. Zero: they are only counted.
	Found func(Difference)
	// Resume goes on with an earlier comparison over the same sites, buckets and options: only what it left out is read,
	// and its counts are added. Zero: begin anew.
	Resume *Comparison
	Clock  geored.Clock  // zero: the machine's
	Budget time.Duration // for one question about a bucket, or one HEAD; zero: 30 seconds
}

// Compare compares. Faulty input is [geored.Faults], and then nothing is asked. Otherwise the comparison is complete in
// the sense that it says what it did not see; the error joins what went wrong as [*SiteError]s.
func (c Comparer) Compare(ctx context.Context) (Comparison, error) {
	if err := c.faults().Err(); err != nil {
		return Comparison{}, err
	}
	c = c.withDefaults()
	result := Comparison{Began: c.Clock.Now()}
	for _, site := range c.Sites {
		result.Sites = append(result.Sites, site.Name)
	}
	names, idle, silences := c.bucketNames(ctx)
	result.Unanswered = silences
	for _, name := range names {
		result.Buckets = append(result.Buckets, c.compareBucket(ctx, name))
	}
	result.Took = c.Clock.Now().Sub(result.Began)
	if err := idle.Err(); err != nil {
		return result, err
	}
	return result, result.Err()
}

func (c Comparer) withDefaults() Comparer {
	if c.Clock == nil {
		c.Clock = geored.SystemClock()
	}
	if c.ProofLimit <= 0 {
		c.ProofLimit = 10_000
	}
	if c.Budget <= 0 {
		c.Budget = 30 * time.Second
	}
	return c
}

func (c Comparer) faults() geored.Faults {
	faults := siteFaults(c.Sites)
	for _, pattern := range c.Buckets {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			faults = append(faults, geored.Fault{Field: "Buckets", Value: pattern, Problem: "is no bucket name and no pattern",
				Remedy: "write a name, or * and ? and [a-z] for parts of it"})
		}
	}
	if c.Resume != nil && !slices.EqualFunc(c.Resume.Sites, c.Sites, func(n geored.SiteName, s Site) bool { return n == s.Name }) {
		faults = append(faults, geored.Fault{Field: "Resume", Problem: "is a comparison of other sites", Remedy: "give the same sites in the same order"})
	}
	switch c.Effort {
	case Heads, ListingsOnly, Bytes:
	default:
		faults = append(faults, geored.Fault{Field: "Effort", Value: string(c.Effort), Problem: "is no effort"})
	}
	return faults
}

func siteFaults(sites []Site) geored.Faults {
	var faults geored.Faults
	if len(sites) < 2 {
		faults = append(faults, geored.Fault{Field: "Sites", Problem: "names fewer than two sites", Remedy: "give two or more"})
	}
	seen := map[geored.SiteName]bool{}
	for _, site := range sites {
		if !site.Name.IsValid() || seen[site.Name] {
			faults = append(faults, geored.Fault{Site: site.Name, Field: "Sites", Value: string(site.Name),
				Problem: "is no DNS-1123 label, or stands twice", Remedy: "give each site a name of its own"})
		}
		seen[site.Name] = true
		if site.Store == nil {
			faults = append(faults, geored.Fault{Site: site.Name, Field: "Store", Problem: "is missing"})
		}
	}
	return faults
}

// bucketNames are those to compare, sorted, and the faults of patterns that match none where all sites answered. The sites are
// asked only when a pattern is to be matched.
func (c Comparer) bucketNames(ctx context.Context) ([]string, geored.Faults, []SiteSilence) {
	patterns := c.Buckets
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	var names, wild []string
	for _, pattern := range patterns {
		if strings.ContainsAny(pattern, `*?[\`) {
			wild = append(wild, pattern)
		} else {
			names = append(names, pattern)
		}
	}
	if len(wild) == 0 {
		slices.Sort(names)
		return slices.Compact(names), nil, nil
	}
	answers := askSites(ctx, c, c.Sites, func(ctx context.Context, s Site) ([]string, error) {
		return s.Store.Buckets(ctx)
	})
	var silences []SiteSilence
	var buckets []string
	for i, site := range c.Sites {
		if err := answers[i].err; err != nil {
			silences = append(silences, silence(site.Name, "list", "buckets", err))
		}
		buckets = append(buckets, answers[i].value...)
	}
	var idle geored.Faults
	for _, pattern := range wild {
		unlike := func(bucket string) bool { ok, _ := path.Match(pattern, bucket); return !ok } // the patterns were checked
		matched := slices.DeleteFunc(slices.Clone(buckets), unlike)
		if len(matched) == 0 && len(silences) == 0 {
			idle = append(idle, geored.Fault{Field: "Buckets", Value: pattern, Problem: "matches no bucket of any site", Remedy: "name one that exists"})
		}
		names = append(names, matched...)
	}
	slices.Sort(names)
	return slices.Compact(names), idle, silences
}

type answer[T any] struct {
	value T
	took  time.Duration
	err   error
}

// askSites asks all sites at once and gives one answer per site, with its error as it came.
func askSites[T any](ctx context.Context, c Comparer, sites []Site, ask func(context.Context, Site) (T, error)) []answer[T] {
	targets := make([]geored.Target, len(sites))
	for i, site := range sites {
		targets[i] = geored.Target{Site: site.Name}
	}
	asked := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (answer[T], error) {
		i := slices.Index(targets, t)
		began := c.Clock.Now()
		value, err := ask(ctx, sites[i])
		return answer[T]{value, c.Clock.Now().Sub(began), err}, nil
	}, geored.AskBudget(c.Budget), geored.AskClock(c.Clock))
	answers := make([]answer[T], len(sites))
	for i := range answers { // of those who stay silent
		if answers[i].err = geored.ErrBudget; ctx.Err() != nil {
			answers[i].err = context.Cause(ctx)
		}
	}
	for target, a := range asked.All() {
		answers[slices.Index(targets, target)] = a
	}
	return answers
}

// within puts one question with the comparison's budget.
func within[T any](ctx context.Context, c Comparer, f func(context.Context) (T, error)) (T, error) {
	a := askSites(ctx, c, []Site{{}}, func(ctx context.Context, _ Site) (T, error) { return f(ctx) })
	return a[0].value, a[0].err
}

func silence(site geored.SiteName, verb, what string, err error) SiteSilence {
	err = &SiteError{site, verb, what, err}
	return SiteSilence{Site: site, Reason: err.Error(), err: err}
}
