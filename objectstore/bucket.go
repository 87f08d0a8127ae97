package objectstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// bucketRun is the comparison of one bucket under way.
type bucketRun struct {
	Comparer
	name   string
	stores map[geored.SiteName]Reader // of the sites that have the bucket and answered
	near   geored.SiteName            // the one of them that answered first
	proofs atomic.Int64

	mu     sync.Mutex
	result BucketComparison
}

func (c Comparer) compareBucket(ctx context.Context, name string) BucketComparison {
	r := &bucketRun{Comparer: c, name: name, stores: map[geored.SiteName]Reader{}}
	rest := []Remainder{{Between: allPairs(c.Sites)}}
	if old := c.Resume.bucket(name); old != nil {
		rest = old.Rest
		r.result = old.clone()
	} else {
		r.result = BucketComparison{Bucket: name}.clone()
	}
	r.look(ctx)
	r.walk(ctx, r.tasks(ctx, rest))
	if r.Prefix != "" && r.result.keys() == 0 {
		r.result.Notes = append(r.result.Notes, fmt.Sprintf("no key begins with %q at any site", r.Prefix))
	}
	return r.result
}

func allPairs(sites []Site) []Between {
	var pairs []Between
	for i, from := range sites {
		for _, to := range sites[i+1:] {
			pairs = append(pairs, Between{from.Name, to.Name})
		}
	}
	return pairs
}

// look finds out which sites have the bucket, how far away they are, and whether they keep versions alike.
func (r *bucketRun) look(ctx context.Context) {
	answers := askSites(ctx, r.Comparer, r.Sites, func(ctx context.Context, s Site) (Bucket, error) {
		return s.Store.Bucket(ctx, r.name)
	})
	r.result.Missing, r.result.Unanswered, r.result.Notes = nil, nil, nil
	versioning := map[Versioning][]geored.SiteName{}
	var rtt, nearest time.Duration
	for i, site := range r.Sites {
		a := answers[i]
		switch {
		case a.err == nil:
			r.stores[site.Name] = site.Store
			versioning[a.value.Versioning] = append(versioning[a.value.Versioning], site.Name)
			if rtt = max(rtt, a.took); r.near == "" || a.took < nearest {
				r.near, nearest = site.Name, a.took
			}
		case errors.Is(a.err, ErrNoBucket):
			r.result.Missing = append(r.result.Missing, site.Name)
		default:
			r.result.Unanswered = append(r.result.Unanswered, silence(site.Name, "look at", "bucket "+r.name, a.err))
		}
	}
	if r.Versions && len(versioning) > 1 {
		r.result.Notes = append(r.result.Notes, fmt.Sprintf("old versions cannot be equal: %v; set the same versioning everywhere", versioning))
	}
	r.Workers = workers(r.Workers, rtt)
}

// pageTime is about what a server takes for one page. While a page is on its way others can be made, and as many more
// must be under way as fit into the round trip.
const pageTime = 25 * time.Millisecond

func workers(wanted int, rtt time.Duration) int {
	if wanted > 0 {
		return wanted
	}
	return min(4+4*int(rtt/pageTime), 16)
}

func (r *bucketRun) query() Query {
	return Query{Bucket: r.name, Prefix: r.Prefix, Versions: r.Versions, Metadata: r.Metadata}
}

// cutsPerWorker is how finely a bucket must be cut at least, so that workers which are done early can take from others.
const cutsPerWorker = 2

// tasks deals out what can be compared now and leaves the rest with the result.
func (r *bucketRun) tasks(ctx context.Context, rest []Remainder) []*task {
	var tasks []*task
	var cuts []string
	for _, remainder := range rest {
		now, later := r.reachable(remainder.Between) // a pair without a bucket is left for when it has one
		r.leave(remainder.Span, later)
		if len(now) == 0 {
			continue
		}
		if cuts == nil && r.Workers > 1 {
			cuts = findCuts(ctx, r.Comparer, r.stores[r.near], r.query(), r.Workers*cutsPerWorker)
		}
		for _, t := range deal(remainder.Span, cuts, max(1, r.Workers/len(rest))) {
			t.between = now
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// reachable parts the pairs that can be compared from those with a silent site, or with one that has no such bucket.
func (r *bucketRun) reachable(pairs []Between) (now, later []Between) {
	for _, p := range pairs {
		if slices.Contains(r.result.Missing, p[0]) || slices.Contains(r.result.Missing, p[1]) {
			later = append(later, p)
			continue
		}
		r.result.pair(p)
		if r.stores[p[0]] != nil && r.stores[p[1]] != nil {
			now = append(now, p)
		} else {
			later = append(later, p)
		}
	}
	return now, later
}

// leave notes what was not compared.
func (r *bucketRun) leave(span Span, pairs []Between) {
	if len(pairs) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Rest = append(r.result.Rest, Remainder{span, pairs})
}

// walk lets the workers merge all tasks. What could not be compared stays as the rest.
func (r *bucketRun) walk(ctx context.Context, tasks []*task) {
	q := &queue{waiting: tasks}
	var wg sync.WaitGroup
	for range r.Workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for t := q.take(); t != nil; t = q.take() {
				newMerger(r, t).run(ctx)
				q.finish(t)
			}
		}()
	}
	wg.Wait()
	slices.SortFunc(r.result.Rest, func(a, b Remainder) int { return strings.Compare(a.After, b.After) })
}

// failed keeps what one site's listing ended with, once per site and reason.
func (r *bucketRun) failed(site geored.SiteName, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := silence(site, "list", "bucket "+r.name, err)
	if !slices.ContainsFunc(r.result.Unanswered, func(o SiteSilence) bool { return o.Site == site }) {
		r.result.Unanswered = append(r.result.Unanswered, s)
	}
}

func (r *bucketRun) tell(d Difference) {
	if r.Found == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Found(d)
}
