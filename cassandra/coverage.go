package cassandra

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Coverage says how much of a site was seen.
type Coverage struct {
	Site     geored.SiteName `json:"site"`
	Replicas int             `json:"replicas"`       // the site has of each row
	Read     int             `json:"read"`           // of them, of every range; only replicas that are shown to have answered themselves
	Gaps     []string        `json:"gaps,omitempty"` // why replicas that were asked are not shown to have answered
}

// IsFull says whether every replica of the site was read.
func (c Coverage) IsFull() bool { return c.Read >= c.Replicas && c.Replicas > 0 }

func (c Coverage) String() string {
	text := fmt.Sprintf("site %s: %d of %d replicas read", c.Site, c.Read, c.Replicas)
	for _, gap := range c.Gaps {
		text += "; " + gap
	}
	return text
}

// attempts is how often a range is read again until its replica answers it itself, and stubborn after how many ranges
// in vain a node is given up.
const (
	attempts = 4
	stubborn = 3
)

// showAll reads all ranges of one node and shows that the node answered them. To be connected to a node proves nothing:
// its dynamic snitch may have it read from a faster replica. But every node counts the range reads it answers: when
// those of this one rose and those of the other nodes of its site did not, this one answered. Ranges that somebody else
// answered are read again one by one: the snitch changes its mind every tenth of a second.
func (x *comparing) showAll(ctx context.Context, n Node, all func()) {
	others := neighbours(x.ring, n)
	bulk := x.watch(ctx, n, others, all)
	failed, last := 0, ""
	for _, at := range x.readsOf(n) {
		gap := bulk
		if gap != "" && failed < stubborn {
			gap = x.showOne(ctx, n, others, at)
		}
		if gap != "" {
			failed, last = failed+1, gap
		}
		x.locked(func() { x.result.Ranges[at.i].Reads[at.j].Shown = gap == "" })
	}
	if failed > 0 {
		x.noteGap(n, last)
	}
}

// showOne reads one range again until its node is shown to have answered, and says why not.
func (x *comparing) showOne(ctx context.Context, n Node, others []Node, at readAt) (gap string) {
	for range attempts {
		if gap = x.watch(ctx, n, others, func() { x.readAgain(ctx, at) }); gap == "" || ctx.Err() != nil {
			break
		}
		_ = x.Clock.Sleep(ctx, 150*time.Millisecond) // ended early, the next look ends too
	}
	return gap
}

func (x *comparing) noteGap(n Node, gap string) {
	x.locked(func() {
		x.gaps[n.Site] = append(x.gaps[n.Site], fmt.Sprintf("node %s is not shown to have answered itself: %s", n.Address, gap))
	})
}

func (x *comparing) locked(do func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	do()
}

// readAt is the place of a reading: range and source.
type readAt struct{ i, j int }

// readsOf are the readings of a node in this comparison that are not shown to be its own.
func (x *comparing) readsOf(n Node) []readAt {
	x.mu.Lock()
	defer x.mu.Unlock()
	var found []readAt
	for i, r := range x.result.Ranges {
		for j, read := range r.Reads {
			if x.sources[i][j].HostID == n.HostID && read.Err == "" && !read.Shown {
				found = append(found, readAt{i, j})
			}
		}
	}
	return found
}

// readAgain replaces a reading, and what the range's readings tell.
func (x *comparing) readAgain(ctx context.Context, at readAt) {
	d, err := x.digest(ctx, x.plan, x.sources[at.i][at.j], x.result.Ranges[at.i].Range, &pace{clock: x.Clock, rate: x.plan.RowsPerSecond})
	x.mu.Lock()
	defer x.mu.Unlock()
	read := &x.result.Ranges[at.i].Reads[at.j]
	read.Digest, read.Err = d, ""
	if err != nil {
		read.Err = err.Error()
	}
	if x.pending[at.i] == 0 {
		x.judge(at.i)
	}
}

// watch runs one node's readings and says why it is not shown that this node answered them; nothing when it is shown.
func (x *comparing) watch(ctx context.Context, n Node, others []Node, read func()) string {
	all := append([]Node{n}, others...)
	before, gap := x.allScans(ctx, all)
	read()
	if gap != "" {
		return gap
	}
	// What was read before an interruption is proven too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), x.Timeout)
	defer cancel()
	after, gap := x.allScans(ctx, all)
	if gap != "" {
		return gap
	}
	for i, o := range others {
		if d := after[i+1] - before[i+1]; d != 0 {
			return fmt.Sprintf("node %s answered %d readings while node %s was asked", o.Address, d, n.Address)
		}
	}
	if after[0] == before[0] {
		return fmt.Sprintf("node %s answered no reading itself", n.Address)
	}
	return ""
}

func (x *comparing) allScans(ctx context.Context, nodes []Node) (counts []int64, gap string) {
	for _, n := range nodes {
		count, err := x.scans(ctx, n, x.plan.Table)
		if err != nil {
			return nil, fmt.Sprintf("node %s cannot say what it answered: %v", n.Address, err)
		}
		counts = append(counts, count)
	}
	return counts, ""
}

// neighbours are the other nodes of a node's site.
func neighbours(ring Ring, n Node) []Node {
	return slices.DeleteFunc(ring.of(n.Site).nodes(), func(o Node) bool { return o.HostID == n.HostID })
}
