package cassandra

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// narrowest is the width of a range that is not split any further when it times out: by then it is one partition, or
// the server cannot answer at all.
const narrowest = 1 << 40

// patiently calls read for the range and, when it times out, for its halves, down to the narrowest; together tells what
// was read before from what came of the halves.
func patiently[T any](ctx context.Context, r Range, read func(context.Context, Range) (T, error), together func(a, b T) T) (T, error) {
	got, err := read(ctx, r)
	if !errors.Is(err, ErrTimeout) || ctx.Err() != nil || r.width() <= narrowest {
		return got, err
	}
	halves := r.cut(2)
	a, err := patiently(ctx, halves[0], read, together)
	if err != nil {
		return a, err
	}
	b, err := patiently(ctx, halves[1], read, together)
	return together(a, b), err
}

// pace keeps one node's readers to a number of rows per second.
type pace struct {
	clock geored.Clock
	rate  int // rows per second; zero: no limit

	mu   sync.Mutex
	free time.Time // when the rows let through so far are paid for
}

// batch is after how many rows a reader asks for its pace.
const batch = 256

func (p *pace) wait(ctx context.Context, rows int) error {
	if p.rate <= 0 {
		return nil
	}
	p.mu.Lock()
	now := p.clock.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(rows) * time.Second / time.Duration(p.rate))
	pause := p.free.Sub(now)
	p.mu.Unlock()
	return p.clock.Sleep(ctx, pause)
}

// job is one range to be read from one node; it writes its result where it belongs.
type job struct {
	node Node
	run  func(context.Context, *pace)
}

// work runs the jobs, each node's side by side with the others', Concurrency at a time. With oneByOne the nodes of one
// site take turns; around is then told before and after each node's turn.
func (c *Cluster) work(ctx context.Context, p plan, jobs []job, oneByOne bool, around func(n Node, jobs func())) {
	byNode := map[string][]job{}
	var order []Node
	for _, j := range jobs {
		if byNode[j.node.HostID] == nil {
			order = append(order, j.node)
		}
		byNode[j.node.HostID] = append(byNode[j.node.HostID], j)
	}
	var all sync.WaitGroup
	turns := map[geored.SiteName]*sync.Mutex{}
	for _, s := range p.sites {
		turns[s.Name] = &sync.Mutex{}
	}
	for _, n := range order {
		all.Add(1)
		go func() {
			defer all.Done()
			if oneByOne {
				turns[n.Site].Lock()
				defer turns[n.Site].Unlock()
			}
			around(n, func() { c.workNode(ctx, p, byNode[n.HostID]) })
		}()
	}
	all.Wait()
}

func (c *Cluster) workNode(ctx context.Context, p plan, jobs []job) {
	pace := &pace{clock: c.Clock, rate: p.RowsPerSecond}
	queue := make(chan job)
	var workers sync.WaitGroup
	for range p.Concurrency {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for j := range queue {
				j.run(ctx, pace)
			}
		}()
	}
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	workers.Wait()
}

// digest reads one range from one node.
func (c *Cluster) digest(ctx context.Context, p plan, n Node, r Range, pace *pace) (Digest, error) {
	statement := p.schema.selectRows()
	return patiently(ctx, r, func(ctx context.Context, r Range) (Digest, error) {
		var d Digest
		var buffer []byte
		var sum Sum
		err := c.query(ctx, n.Address, Query{CQL: statement, Args: []any{r.Start, r.End}, PageSize: p.PageSize}, func(row Row) error {
			sum, buffer = p.hash.row(row.Values, buffer)
			d = d.plus(Digest{1, sum})
			if d.Rows%batch == 0 {
				return pace.wait(ctx, batch)
			}
			return nil
		})
		return d, err
	}, Digest.plus)
}

// count counts one range on one node; the server reads the rows.
func (c *Cluster) count(ctx context.Context, p plan, n Node, r Range) (int64, error) {
	statement := p.schema.inRange("COUNT(*)")
	return patiently(ctx, r, func(ctx context.Context, r Range) (int64, error) {
		var rows int64
		err := c.query(ctx, n.Address, Query{CQL: statement, Args: []any{r.Start, r.End}, PageSize: p.PageSize}, func(row Row) error {
			rows += decodeInt(row.Values[0])
			return nil
		})
		return rows, err
	}, func(a, b int64) int64 { return a + b })
}

// scans is how many range reads of the table a node has answered from its own data since it started.
func (c *Cluster) scans(ctx context.Context, n Node, t Table) (int64, error) {
	found := false
	var scans int64
	q := Query{CQL: `SELECT count FROM system_views.local_scan_latency WHERE keyspace_name = ? AND table_name = ?`, Args: []any{t.Keyspace, t.Name}}
	err := c.query(ctx, n.Address, q, func(r Row) error {
		found, scans = true, r.number("count")
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("no row for %s", t)
	}
	return scans, err
}
