package cassandra

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/georedkit/georedkit/geored"
)

// comparing is the state of one Cluster.Compare.
type comparing struct {
	*Cluster
	Comparing
	plan   plan
	ring   Ring
	result *Comparison

	mu      sync.Mutex
	pending []int                        // readings that are still open, per range
	sources [][]Node                     // per range, in the order of its reads
	gaps    map[geored.SiteName][]string // why replicas are not shown to have answered
	held    int                          // differences that the second look holds
}

func (x *comparing) run(ctx context.Context) error {
	x.result.TableID = x.plan.schema.id
	x.prepare()
	x.resume()
	x.readAll(ctx)
	x.lookAgain(ctx)
	x.conclude()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// prepare lays out every reading there will be.
func (x *comparing) prepare() {
	for i, placed := range x.plan.ranges {
		r := RangeResult{Range: placed.Range, Equality: Unproven}
		var sources []Node
		for s, site := range x.plan.sites {
			for _, n := range x.choose(placed.replicas[s], i) {
				read := Read{Source: sourceOf(n), Shown: len(placed.replicas[s]) == 1}
				if !x.plan.answered[n.HostID] {
					read.Err = fmt.Sprintf("node %s does not answer", n.Address)
				}
				r.Reads = append(r.Reads, read)
				sources = append(sources, n)
			}
			if len(placed.replicas[s]) == 0 {
				r.Reads = append(r.Reads, Read{Source: Source{Site: site.Name}, Err: "no node of the site holds the range"})
				sources = append(sources, Node{Site: site.Name})
			}
		}
		x.result.Ranges = append(x.result.Ranges, r)
		x.sources = append(x.sources, sources)
	}
	x.pending = make([]int, len(x.result.Ranges))
}

// choose picks the replicas of one site to be read: all, or one that answers, another for each range.
func (x *comparing) choose(replicas []Node, i int) []Node {
	if x.EveryReplica || len(replicas) == 0 {
		return replicas
	}
	if n, ok := x.plan.answering(replicas, i); ok {
		return []Node{n}
	}
	return replicas[:1]
}

// resume takes over the ranges that an earlier comparison of the same ranges found equal.
func (x *comparing) resume() {
	if x.Resume == nil || x.Resume.TableID != x.result.TableID {
		return
	}
	for i, r := range x.result.Ranges {
		for _, old := range x.Resume.Ranges {
			same := slices.EqualFunc(old.Reads, r.Reads, func(a, b Read) bool { return a.Source == b.Source })
			shown := !x.EveryReplica || !slices.ContainsFunc(old.Reads, func(r Read) bool { return !r.Shown })
			if old.Range == r.Range && old.Equality == Equal && same && shown {
				old.Reason = "read by an earlier comparison"
				x.result.Ranges[i] = old
			}
		}
	}
}

// readAll digests every range.
func (x *comparing) readAll(ctx context.Context) {
	var jobs []job
	for i, r := range x.result.Ranges {
		if r.Equality == Equal {
			continue
		}
		for j, read := range r.Reads {
			if read.Err == "" {
				x.pending[i]++
				jobs = append(jobs, job{x.sources[i][j], func(ctx context.Context, p *pace) { x.read(ctx, i, j, p) }})
			}
		}
		if x.pending[i] == 0 {
			x.judge(i)
		}
	}
	x.work(ctx, x.plan, jobs, x.EveryReplica, func(n Node, read func()) {
		if x.EveryReplica && x.plan.keyspace.factor(n.DataCenter) > 1 && len(neighbours(x.ring, n)) > 0 {
			x.showAll(ctx, n, read)
		} else {
			read()
		}
	})
}

func (x *comparing) read(ctx context.Context, i, j int, p *pace) {
	d, err := x.digest(ctx, x.plan, x.sources[i][j], x.result.Ranges[i].Range, p)
	x.mu.Lock()
	defer x.mu.Unlock()
	read := &x.result.Ranges[i].Reads[j]
	read.Digest = d
	if err != nil {
		read.Err = err.Error()
	}
	if x.pending[i]--; x.pending[i] == 0 {
		x.judge(i)
		if x.Observe != nil {
			x.Observe(x.result.Ranges[i])
		}
	}
}

// judge says what the digests of one range tell. Differing digests are not yet a difference: rows may be in flight.
func (x *comparing) judge(i int) {
	r := &x.result.Ranges[i]
	r.Equality, r.Reason = Equal, ""
	first := -1
	for j, read := range r.Reads {
		switch {
		case read.Err != "":
			r.Equality = Unproven
			r.Reason = fmt.Sprintf("site %s: %s", read.Site, read.Err)
		case first < 0:
			first = j
		case read.Digest != r.Reads[first].Digest && r.Equality == Equal:
			r.Equality, r.Reason = Unproven, fmt.Sprintf("%s has %d rows, %s has %d, or their values differ",
				r.Reads[first].Site, r.Reads[first].Rows, read.Site, read.Rows)
		}
	}
}

// disagree says whether two readings of a range that came through differ.
func (r RangeResult) disagree() bool {
	first := -1
	for j, read := range r.Reads {
		switch {
		case read.Err != "":
		case first < 0:
			first = j
		case read.Digest != r.Reads[first].Digest:
			return true
		}
	}
	return false
}

// conclude joins the ranges: any different is different, all equal and all replicas seen is equal.
func (x *comparing) conclude() {
	x.result.Coverage = x.coverage()
	count := map[Equality]int{}
	for _, r := range x.result.Ranges {
		count[r.Equality]++
		if r.Equality == Unproven {
			x.result.Reasons = append(x.result.Reasons, fmt.Sprintf("range %s: %s", r.Range, r.Reason))
		}
	}
	for _, c := range x.result.Coverage {
		if !c.IsFull() {
			x.result.Reasons = append(x.result.Reasons, c.String())
		}
	}
	switch {
	case count[Different] > 0:
		x.result.Equality = Different
	case len(x.result.Reasons) == 0 && count[Equal] > 0:
		x.result.Equality = Equal
	}
}

// coverage is, per site, the fewest replicas that any range was read from, and the most that any range has.
func (x *comparing) coverage() []Coverage {
	var all []Coverage
	for s, site := range x.plan.sites {
		c := Coverage{Site: site.Name, Gaps: x.gaps[site.Name]}
		for i, placed := range x.plan.ranges {
			read := 0
			for _, r := range x.result.Ranges[i].Reads {
				if r.Site == site.Name && r.Err == "" && (r.Shown || !x.EveryReplica) {
					read++
				}
			}
			if i == 0 || read < c.Read {
				c.Read = read
			}
			c.Replicas = max(c.Replicas, len(placed.replicas[s]))
		}
		all = append(all, c)
	}
	return all
}

// String is the outcome in one line.
func (c Comparison) String() string {
	text := fmt.Sprintf("%s: %s", c.Table, c.Equality)
	if n := len(c.Differences) + c.Omitted; n > 0 {
		text += fmt.Sprintf(", %d rows differ", n)
	}
	if len(c.Reasons) > 0 {
		text += ": " + strings.Join(c.Reasons, "; ")
	}
	return text
}
