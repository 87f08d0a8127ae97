package cassandra

import (
	"context"
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
	trees   *treeFinding                 // zero: they were not asked
}

func (x *comparing) run(ctx context.Context) error {
	x.result.TableID = x.plan.schema.id
	x.prepare()
	if x.trees != nil {
		x.believe(*x.trees)
	}
	x.resume()
	x.readAll(ctx)
	x.lookAgain(ctx)
	x.conclude()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
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
			x.Observe(Comparison{Table: x.result.Table, TableID: x.result.TableID, Equality: Unproven, Began: x.result.Began}, x.result.Ranges[i])
		}
	}
}
