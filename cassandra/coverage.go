package cassandra

import (
	"context"
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// Coverage says how much of a site was seen.
type Coverage struct {
	Site     geored.SiteName `json:"site"`
	Replicas int             `json:"replicas"`       // the site has of each row
	Read     int             `json:"read"`           // of them, for every range; failed readings do not count
	Gaps     []string        `json:"gaps,omitempty"` // why replicas that were asked are not shown to be the ones that answered
}

// IsFull says whether every replica of the site was read, and shown to be the one that answered. A single replica is
// shown by there being no other: LOCAL_ONE never leaves the site.
func (c Coverage) IsFull() bool { return c.Read >= c.Replicas && c.Replicas > 0 && len(c.Gaps) == 0 }

func (c Coverage) String() string {
	text := fmt.Sprintf("site %s: %d of %d replicas read", c.Site, c.Read, c.Replicas)
	for _, gap := range c.Gaps {
		text += "; " + gap
	}
	return text
}

// watch runs one node's readings and says why it is not shown that this node answered them; nothing when it is shown.
// To be connected to a node proves nothing: a coordinator may read from another replica. But every node counts the range
// reads it answers: when those of this one rose and those of the other nodes of its site did not, this one answered.
func (c *Cluster) watch(ctx context.Context, p plan, n Node, others []Node, read func()) []string {
	all := append([]Node{n}, others...)
	before, gaps := c.allScans(ctx, p.Table, all)
	read()
	// What was read before an interruption is proven too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Timeout)
	defer cancel()
	after, late := c.allScans(ctx, p.Table, all)
	if gaps = append(gaps, late...); len(gaps) > 0 {
		return gaps
	}
	if after[0] == before[0] {
		gaps = append(gaps, fmt.Sprintf("node %s answered no reading itself", n.Address))
	}
	for i, o := range others {
		if d := after[i+1] - before[i+1]; d != 0 {
			gaps = append(gaps, fmt.Sprintf("node %s answered %d readings while node %s was asked", o.Address, d, n.Address))
		}
	}
	return gaps
}

func (c *Cluster) allScans(ctx context.Context, t Table, nodes []Node) (counts []int64, gaps []string) {
	for _, n := range nodes {
		count, err := c.scans(ctx, n, t)
		if err != nil {
			gaps = append(gaps, fmt.Sprintf("node %s cannot say what it answered: %v", n.Address, err))
		}
		counts = append(counts, count)
	}
	return counts, gaps
}

// neighbours are the other nodes of a node's site.
func neighbours(ring Ring, n Node) []Node {
	return slices.DeleteFunc(ring.of(n.Site).nodes(), func(o Node) bool { return o.HostID == n.HostID })
}
