package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// restarting is one node that is drained and restarted once.
type restarting struct {
	*Cluster
	node      Node
	before    int64 // its generation then; a higher one tells that it has restarted. Zero: not known
	tool      Nodetool
	restarter Restarter
}

// restart drains and restarts the node unless it has restarted or any other is away, and waits until all see that it has: a
// run that was killed may have done it.
func (x *restarting) restart(ctx context.Context, ring Ring) error {
	if !x.hasRestarted(ring) {
		if err := x.restartNow(ctx, ring); err != nil {
			return err
		}
	}
	for {
		if err := x.Clock.Sleep(ctx, repairPoll); err != nil {
			return fmt.Errorf("wait for its restart: %w", err)
		}
		if ring, err := x.Ring(ctx); err == nil && x.isBack(ring) {
			return nil
		}
	}
}

// reach is where nodetool reaches the node. One that is drained is silent, and where it was.
func (x *restarting) reach(ring Ring) (node Node, silent bool, err error) {
	if node, err = ring.now(x.node); err == nil {
		return node, false, nil
	}
	if slices.ContainsFunc(ring.Silent, func(s geored.Silence) bool { return s.Target == x.node.Target() }) {
		return x.node, true, nil
	}
	return node, false, err
}

func (x *restarting) restartNow(ctx context.Context, ring Ring) error {
	node, away, err := x.reach(ring)
	if err != nil {
		return err
	}
	for _, s := range ring.Silent {
		if s.Target != node.Target() {
			return geored.Retriable(fmt.Errorf("%s does not answer: two nodes would be away: %s", s.Target, s.Reason))
		}
	}
	if away { // drained by a run that was killed, or on its way back already: then it is not drained a second time
		if drained, err := IsDrained(ctx, x.tool, node); err != nil || !drained {
			return geored.Retriable(cmp.Or(err, fmt.Errorf("node %s is silent and not drained", node.Address)))
		}
	} else if output, err := x.tool.Run(ctx, node, "drain"); err != nil {
		return fmt.Errorf("nodetool drain: %w: %s", err, lastLine(output))
	}
	if err := x.restarter.Restart(ctx, node); err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	return nil
}

// IsDrained says whether a node was drained and its server runs still: it serves nobody until it is restarted. A server
// that does not run is an error.
func IsDrained(ctx context.Context, tool Nodetool, n Node) (bool, error) {
	output, err := tool.Run(ctx, n, "netstats")
	if err != nil {
		return false, fmt.Errorf("nodetool netstats: %w: %s", err, lastLine(output))
	}
	return strings.Contains(output, "Mode: DRAINED"), nil
}

// hasRestarted says whether any node has heard that it restarted since.
func (x *restarting) hasRestarted(ring Ring) bool {
	return x.before > 0 && slices.ContainsFunc(ring.Views, func(v View) bool {
		return v.heard(x.node.HostID).Generation > x.before
	})
}

// isBack says whether every node has heard that it restarted.
func (x *restarting) isBack(ring Ring) bool {
	for _, v := range ring.Views {
		if v.heard(x.node.HostID).Generation <= x.before {
			return false
		}
	}
	return len(ring.Silent) == 0
}
