package cassandra

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Count is how many rows each site counts. Equal numbers are no proof that the rows are the same, and with several
// replicas in a site one of them was asked for each range: [Cluster.Compare] tells more.
type Count struct {
	Table
	Sites []SiteCount   `json:"sites"`
	Began time.Time     `json:"began"`
	Took  time.Duration `json:"tookNs"`
}

// SiteCount is what one site counts.
type SiteCount struct {
	Site     geored.SiteName `json:"site"`
	Rows     int64           `json:"rows"`             // of the ranges that were counted
	Ranges   int             `json:"ranges"`           // planned
	Failed   []RangeError    `json:"failed,omitempty"` // ranges that were not counted
	Replicas int             `json:"replicas"`         // the site has of each row; one of them was asked
}

// RangeError is a range that was not read from a node, and why.
type RangeError struct {
	Range
	Source
	Err string `json:"error"`
}

// Verdict is fail when two sites that counted everything differ, pass when all counted everything from their only
// replica and have the same number, else unknown.
func (c Count) Verdict() geored.Verdict {
	verdict := geored.Pass
	var whole []int64
	for _, s := range c.Sites {
		if len(s.Failed) > 0 || s.Ranges == 0 || s.Replicas != 1 {
			verdict = geored.Unknown
		}
		if len(s.Failed) == 0 && s.Ranges > 0 {
			whole = append(whole, s.Rows)
		}
	}
	for _, rows := range whole {
		if rows != whole[0] {
			return geored.Fail
		}
	}
	if len(whole) == 0 {
		return geored.Unknown
	}
	return verdict
}

// Count counts the rows of a table in every site, range by range inside the servers, at LOCAL_ONE through nodes of that
// site, so that no other site can answer. Counter tables may be counted too. The error is [geored.Faults] or the
// context's cause; the count is complete also then, with the ranges that were not counted.
func (c *Cluster) Count(ctx context.Context, r Reading) (Count, error) {
	result := Count{Table: r.Table, Began: c.Clock.Now()}
	for _, s := range c.Sites {
		result.Sites = append(result.Sites, SiteCount{Site: s.Name})
	}
	ring, err := c.discover(ctx, true)
	if err != nil {
		return result, err
	}
	p, err := c.plan(ctx, ring, r, true)
	if err != nil {
		return result, err
	}
	var mu sync.Mutex
	c.work(ctx, p, c.countJobs(p, &result, &mu), false, func(_ Node, read func()) { read() })
	result.Took = c.Clock.Now().Sub(result.Began)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return result, err
}

func (c *Cluster) countJobs(p plan, result *Count, mu *sync.Mutex) []job {
	var jobs []job
	for i, placed := range p.ranges {
		for s := range p.sites {
			site := &result.Sites[s]
			site.Ranges++
			site.Replicas = max(site.Replicas, len(placed.replicas[s]))
			n, ok := p.answering(placed.replicas[s], i)
			if !ok {
				site.Failed = append(site.Failed, RangeError{placed.Range, Source{Site: site.Site}, "no node that holds it answers"})
				continue
			}
			jobs = append(jobs, job{n, func(ctx context.Context, _ *pace) {
				rows, err := c.count(ctx, p, n, placed.Range)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					site.Failed = append(site.Failed, RangeError{placed.Range, sourceOf(n), err.Error()})
				} else {
					site.Rows += rows
				}
			}})
		}
	}
	return jobs
}

// answering picks one of the replicas that answer, another for each range.
func (p plan) answering(replicas []Node, i int) (Node, bool) {
	for j := range replicas {
		if n := replicas[(i+j)%len(replicas)]; p.answered[n.HostID] {
			return n, true
		}
	}
	return Node{}, false
}

// String is the count in one line: "ks.t: dc1 2500, dc2 2000".
func (c Count) String() string {
	text := c.Table.String() + ":"
	for i, s := range c.Sites {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(" %s %d", s.Site, s.Rows)
		if len(s.Failed) > 0 {
			text += fmt.Sprintf(" (%d of %d ranges not counted)", len(s.Failed), s.Ranges)
		}
	}
	return text
}
