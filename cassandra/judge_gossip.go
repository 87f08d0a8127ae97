package cassandra

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// checkGossip looks again until the heartbeat of everybody has risen, or should have. A cut or a dead node shows here at
// once, while nodetool status calls it up for another 18 seconds or so. In a ring of more than two nodes a heartbeat may
// come by way of a third one, so a pass does not prove the direct way.
func (c *Cluster) checkGossip(ctx context.Context) []geored.Finding {
	before, _ := c.Ring(ctx) // a look cut short has silences in it
	began, unheard := c.Clock.Now(), func(f geored.Finding) bool { return f.Verdict != geored.Pass }
	for slept := time.Duration(0); ; {
		if err := c.Clock.Sleep(ctx, heartbeat); err != nil {
			return []geored.Finding{{Verdict: geored.Unknown, Message: fmt.Sprintf("stopped between two looks: %v", err)}}
		}
		slept += heartbeat
		last := max(slept, c.Clock.Now().Sub(began)) >= GossipPause
		after, _ := c.Ring(ctx)
		if findings := c.heardSince(ctx, before, after); last || !slices.ContainsFunc(findings, unheard) {
			return findings
		}
	}
}

// heardSince says of each way between sites whether heartbeats have risen between two looks.
func (c *Cluster) heardSince(ctx context.Context, before, after Ring) []geored.Finding {
	earlier := map[string]View{}
	for _, v := range before.Views {
		earlier[v.Node.HostID] = v
	}
	var findings []geored.Finding
	for _, from := range c.Sites {
		for _, to := range c.Sites {
			way := after.judgeWay(ctx, from.Name, to.Name, func(v View, others []Node) []string {
				return v.unheard(earlier[v.Node.HostID], others)
			}, geored.Finding{
				Message: fmt.Sprintf("every node of %s hears every node of %s", from.Name, to.Name),
				Remedy:  "see whether the node runs and whether its internode port can be reached from there",
			})
			findings = append(findings, unknownWhereUnread(way, gossipTable, before.of(from.Name), after.of(from.Name)))
		}
	}
	return findings
}

// unheard says whose heartbeat has not risen between two views of one node.
func (v View) unheard(earlier View, others []Node) []string {
	if _, unread := v.unread(gossipTable); unread {
		return nil
	}
	if earlier.Node.HostID == "" {
		return []string{fmt.Sprintf("node %s answered only at the second look", v.Node.Address)}
	}
	var wrong []string
	for _, other := range others {
		was, is := earlier.heard(other.HostID), v.heard(other.HostID)
		if is.HostID == "" || is.Generation <= was.Generation && is.Heartbeat <= was.Heartbeat {
			wrong = append(wrong, fmt.Sprintf("node %s has heard nothing of node %s for %s", v.Node.Address, other.Address, GossipPause))
		}
	}
	return wrong
}

func (v View) heard(hostID string) Gossip {
	for _, g := range v.Gossip {
		if g.HostID == hostID {
			return g
		}
	}
	return Gossip{}
}

// unknownWhereUnread turns a finding that is no failure into unknown when a view behind it lacks the table it is about.
func unknownWhereUnread(f geored.Finding, table string, rings ...Ring) geored.Finding {
	if f.Verdict == geored.Fail {
		return f
	}
	for _, r := range rings {
		for _, v := range r.Views {
			if reason, ok := v.unread(table); ok {
				f.Verdict, f.Evidence = geored.Unknown, nil
				f.Message = fmt.Sprintf("node %s: read %s: %s", v.Node.Address, table, reason)
				f.Remedy = "the user needs SELECT on " + table + ", and the server must be 4.1 or newer"
				f.Unanswered = append(f.Unanswered, geored.Silence{Target: v.Node.Target(), Reason: reason})
			}
		}
	}
	return f
}
