package cassandra

import (
	"context"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// The checks of [Cluster.Checks].
const (
	CheckNodes       geored.CheckID = "cassandra/nodes"
	CheckNames       geored.CheckID = "cassandra/names"
	CheckView        geored.CheckID = "cassandra/view"
	CheckGossip      geored.CheckID = "cassandra/gossip"
	CheckSchema      geored.CheckID = "cassandra/schema"
	CheckTokens      geored.CheckID = "cassandra/tokens"
	CheckVersions    geored.CheckID = "cassandra/versions"
	CheckReplication geored.CheckID = "cassandra/replication"
	CheckHints       geored.CheckID = "cassandra/hints"
)

// GossipPause is how long [CheckGossip] looks for heartbeats to rise. One rises every second and reaches everybody in a ring
// of some dozen nodes within a few.
const GossipPause = 5 * time.Second

const heartbeat = time.Second

// Checks are the checks of the ring. All judge one look at it, taken when the first of them runs; [CheckGossip] takes
// its own: an old one would call up who was cut off since.
func (c *Cluster) Checks() []geored.Check {
	look := &look{cluster: c}
	check := func(id geored.CheckID, title string, judge func(context.Context, Ring) []geored.Finding) geored.Check {
		return geored.Check{ID: id, Title: title, Run: func(ctx context.Context) []geored.Finding {
			return judge(ctx, look.ring(ctx))
		}}
	}
	return []geored.Check{
		check(CheckNodes, "every node of every site answers", judgeNodes),
		check(CheckNames, "every node is in the data center of its site", judgeNames),
		check(CheckView, "every node knows every other, at its present address", judgeView),
		{ID: CheckGossip, Title: "every node hears every other", Run: c.checkGossip},
		check(CheckSchema, "all nodes have one schema", judgeSchema),
		check(CheckTokens, "every node has tokens of its own, and all agree on them", judgeTokens),
		check(CheckVersions, "all nodes run one version", judgeVersions),
		check(CheckReplication, "every keyspace has replicas in every site", judgeReplication),
		check(CheckHints, "hints are kept, and no finished file of them waits", judgeHints),
	}
}

// look is one look at the ring, shared by checks.
type look struct {
	cluster *Cluster
	once    sync.Once
	seen    Ring
}

func (l *look) ring(ctx context.Context) Ring {
	l.once.Do(func() { l.seen, _ = l.cluster.Ring(ctx) }) // a look cut short has silences in it
	return l.seen
}
