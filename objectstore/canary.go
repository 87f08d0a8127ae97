package objectstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// CanarySite is a site that a canary is written at and looked for.
type CanarySite struct {
	Name  geored.SiteName
	Store Target
}

// Canary proves that a mirror works now: an object is written at each site and looked for at every other one, then
// deleted and looked for again. What a mirror says of itself is no proof: bucket replication tells "online" over a link
// that is cut. Two watch mirrors, one each way, may pass a deleted canary to each other once more: its prefix says what it is.
type Canary struct {
	Sites  []CanarySite // two or more. Required.
	Bucket string       // Required.
	Prefix string       // of the objects; zero: "georedkit-canary/"
	// Patience is how long an object may take to appear, and again to disappear. Zero: 1 minute.
	Patience time.Duration
	// Interval is between two looks. Zero: 200 milliseconds.
	Interval time.Duration
	Clock    geored.Clock // zero: the machine's
}

// Crossing is what became of a canary on its way between two sites.
type Crossing struct {
	From, To geored.SiteName
	Arrived  bool          // with the right size, under a key that nobody else has
	Took     time.Duration // until it was seen; about the interval too long at most
	// Deleted says that it disappeared at To after it was deleted at From.
	Deleted    bool
	DeleteTook time.Duration
	Err        error // why it cannot be told; nil: the other fields hold
}

// Run sends one canary from each site, all at once. There is one crossing per ordered pair of sites, in their order, also
// when the error is not nil; it joins theirs. Every canary is deleted at every site before Run returns, as far as they
// answer.
func (c Canary) Run(ctx context.Context) ([]Crossing, error) {
	if err := c.faults().Err(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	crossings := make([][]Crossing, len(c.Sites))
	var wg sync.WaitGroup
	for i := range c.Sites {
		wg.Add(1)
		go func() {
			defer wg.Done()
			crossings[i] = c.send(ctx, i)
		}()
	}
	wg.Wait()
	all := slices.Concat(crossings...)
	var errs []error
	for _, crossing := range all {
		errs = append(errs, crossing.Err)
	}
	return all, errors.Join(errs...)
}

func (c Canary) faults() geored.Faults {
	var faults geored.Faults
	if len(c.Sites) < 2 {
		faults = append(faults, geored.Fault{Field: "Sites", Problem: "names fewer than two sites", Remedy: "give two or more"})
	}
	for i, site := range c.Sites {
		if slices.ContainsFunc(c.Sites[:i], func(other CanarySite) bool { return other.Name == site.Name }) {
			faults = append(faults, geored.Fault{Site: site.Name, Field: "Sites", Value: string(site.Name), Problem: "stands there twice", Remedy: "give each site once"})
		}
		if !site.Name.IsValid() || site.Store == nil {
			faults = append(faults, geored.Fault{Site: site.Name, Field: "Sites", Value: string(site.Name), Problem: "has no valid name, or no store"})
		}
	}
	if c.Bucket == "" {
		faults = append(faults, geored.Fault{Field: "Bucket", Problem: "is missing", Remedy: "name a bucket that is mirrored"})
	}
	return faults
}

func (c Canary) withDefaults() Canary {
	if c.Prefix == "" {
		c.Prefix = "georedkit-canary/"
	}
	if c.Patience <= 0 {
		c.Patience = time.Minute
	}
	if c.Interval <= 0 {
		c.Interval = 200 * time.Millisecond
	}
	if c.Clock == nil {
		c.Clock = geored.SystemClock()
	}
	return c
}

// send writes one site's canary and follows it to all others.
func (c Canary) send(ctx context.Context, from int) []Crossing {
	body := rand.Text()
	ref := Ref{Bucket: c.Bucket, Key: c.Prefix + string(c.Sites[from].Name) + "-" + body}
	defer c.cleanUp(ctx, ref)
	var crossings []Crossing
	for i, site := range c.Sites {
		if i != from {
			crossings = append(crossings, Crossing{From: c.Sites[from].Name, To: site.Name})
		}
	}
	began := c.Clock.Now()
	if err := c.put(ctx, from, ref, body); err != nil {
		return failAll(crossings, err)
	}
	c.follow(crossings, func(x *Crossing) {
		x.Took, x.Arrived, x.Err = c.await(ctx, x.To, ref, began, func(o *Object) bool { return o != nil && o.Size == int64(len(body)) })
	})
	began = c.Clock.Now()
	if err := c.Sites[from].Store.Delete(ctx, ref); err != nil {
		return failAll(crossings, &SiteError{c.Sites[from].Name, "delete", ref.String(), err})
	}
	c.follow(crossings, func(x *Crossing) {
		if x.Arrived {
			x.DeleteTook, x.Deleted, x.Err = c.await(ctx, x.To, ref, began, func(o *Object) bool { return o == nil })
		}
	})
	return crossings
}

func (c Canary) put(ctx context.Context, from int, ref Ref, body string) error {
	meta := Metadata{Headers: map[string]string{"content-type": "text/plain"}}
	if err := c.Sites[from].Store.Put(ctx, ref, int64(len(body)), meta, strings.NewReader(body)); err != nil {
		return &SiteError{c.Sites[from].Name, "write", ref.String(), err}
	}
	return nil
}

func failAll(crossings []Crossing, err error) []Crossing {
	for i := range crossings {
		crossings[i].Err = errors.Join(crossings[i].Err, err)
	}
	return crossings
}

// follow does one thing about all crossings at once.
func (c Canary) follow(crossings []Crossing, do func(*Crossing)) {
	var wg sync.WaitGroup
	for i := range crossings {
		wg.Add(1)
		go func() {
			defer wg.Done()
			do(&crossings[i])
		}()
	}
	wg.Wait()
}

// lookBudget is what one look may take more than the patience, so that a slow site is told from a mirror that does nothing.
const lookBudget = 30 * time.Second

// await looks until what is there is right, or patience ends. A site that did not answer the last look is an error.
func (c Canary) await(ctx context.Context, at geored.SiteName, ref Ref, began time.Time, right func(*Object) bool) (time.Duration, bool, error) {
	i := slices.IndexFunc(c.Sites, func(s CanarySite) bool { return s.Name == at })
	for {
		o, err := within(ctx, Comparer{Clock: c.Clock, Budget: c.Patience + lookBudget}, func(ctx context.Context) (*Object, error) {
			return lookAt(ctx, c.Sites[i].Store, ref)
		})
		took := c.Clock.Now().Sub(began)
		if err == nil && right(o) {
			return took, true, nil
		}
		if took < c.Patience {
			if c.Clock.Sleep(ctx, c.Interval) == nil {
				continue
			}
			err = context.Cause(ctx)
		}
		if err != nil {
			return took, false, &SiteError{at, "look for", ref.String(), err}
		}
		return took, false, nil
	}
}

// cleanUp deletes the canary everywhere: a mirror that carries no deletes would keep it. The caller's context may have
// ended, so that it gets a little time of its own.
func (c Canary) cleanUp(ctx context.Context, ref Ref) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, site := range c.Sites {
		// A site that does not answer keeps it; its key says what it is.
		_ = site.Store.Delete(ctx, ref)
	}
}

// Check makes the canary a check with one finding per ordered pair of sites. Give the proof a budget of twice the
// patience and more.
func (c Canary) Check() geored.Check {
	return geored.Check{
		ID:    "objectstore/mirror",
		Title: "what is written and deleted at one site reaches the others",
		Run: func(ctx context.Context) []geored.Finding {
			crossings, err := c.Run(ctx)
			if len(crossings) == 0 {
				return []geored.Finding{{Verdict: geored.Unknown, Message: err.Error()}}
			}
			findings := make([]geored.Finding, len(crossings))
			for i, x := range crossings {
				findings[i] = x.finding(c.Bucket)
			}
			return findings
		},
	}
}

func (x Crossing) finding(bucket string) geored.Finding {
	f := geored.Finding{Site: x.From, To: x.To, Asked: []geored.Target{{Site: x.From, To: x.To, Name: "bucket " + bucket}}}
	switch {
	case x.Err != nil:
		f.Verdict, f.Message = geored.Unknown, x.Err.Error()
		f.Unanswered = []geored.Silence{{Target: f.Asked[0], Reason: x.Err.Error()}}
	case !x.Arrived:
		f.Verdict = geored.Fail
		f.Message = fmt.Sprintf("an object written at %s did not reach %s within %s", x.From, x.To, geored.RoundDuration(x.Took))
		f.Remedy = "reset the mirror, then compare and catch up: a mirror that lost events does not find them again"
	case !x.Deleted:
		f.Verdict = geored.Warn
		f.Message = fmt.Sprintf("an object reached %s after %s, but its deletion did not", x.To, geored.RoundDuration(x.Took))
		f.Remedy = "let the mirror carry deletes, or expect deleted objects to come back"
	default:
		f.Verdict = geored.Pass
		f.Message = fmt.Sprintf("an object reached %s after %s, its deletion after %s", x.To, geored.RoundDuration(x.Took), geored.RoundDuration(x.DeleteTook))
	}
	return f
}
