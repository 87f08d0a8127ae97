package cassandra

import (
	"context"
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// curing is one node's part of a cure.
type curing struct {
	*Cluster
	plan      SchemaCure
	node      Node
	tool      Nodetool
	restarter Restarter
	reloaded  bool // its schema was read again
}

// agrees says why the node does not yet agree with those that are not to be cured; zero: it does. Nodes later in the plan
// may still differ.
func (x *curing) agrees(ring Ring) string {
	i := slices.IndexFunc(ring.Views, func(v View) bool { return v.Node.HostID == x.node.HostID })
	if i < 0 {
		return "it does not answer"
	}
	for _, v := range ring.Views {
		sick := slices.ContainsFunc(x.plan.Nodes, func(n Node) bool { return n.HostID == v.Node.HostID })
		if !sick && v.Node.Schema != ring.Views[i].Node.Schema {
			return fmt.Sprintf("it has schema %s, node %s has %s", ring.Views[i].Node.Schema, v.Node.Address, v.Node.Schema)
		}
	}
	return ""
}

func (x *curing) observeReload(ctx context.Context) (geored.State, error) {
	ring, err := x.Ring(ctx)
	if err != nil {
		return geored.State{}, err
	}
	why := x.agrees(ring)
	if why != "" && x.reloaded {
		return geored.State{Done: true, Detail: "it did not help: " + why}, nil
	}
	return geored.State{Done: why == "", Detail: why}, nil
}

// cureLooks is how many looks a node gets to agree after its schema was read again.
const cureLooks = 5

func (x *curing) reload(ctx context.Context) error {
	output, err := x.tool.Run(ctx, x.node, "reloadlocalschema")
	if err != nil {
		return geored.Retriable(fmt.Errorf("nodetool reloadlocalschema: %w: %s", err, lastLine(output)))
	}
	for range cureLooks {
		if ring, err := x.Ring(ctx); err != nil || x.agrees(ring) == "" {
			return err
		}
		if err := x.Clock.Sleep(ctx, repairPoll); err != nil {
			return err
		}
	}
	x.reloaded = true
	return nil
}

// observe wants the node to agree and the whole ring to be whole.
func (x *curing) observe(ctx context.Context) (geored.State, error) {
	ring, err := x.Ring(ctx)
	if err != nil {
		return geored.State{}, err
	}
	if why := x.agrees(ring); why != "" {
		return geored.State{Detail: why}, nil
	}
	if faults := ring.talkFaults(); len(faults) > 0 {
		return geored.State{Detail: faults[0].Error()}, nil
	}
	return geored.State{Done: true, Detail: "it agrees, and every node knows it"}, nil
}

// restart drains and restarts the node unless any other is away, and waits until all see that it has restarted. A node
// that agrees, or that has restarted since the plan was made, is left alone: a run that was killed may have done it.
func (x *curing) restart(ctx context.Context) error {
	ring, err := x.Ring(ctx)
	if err != nil {
		return err
	}
	if x.agrees(ring) == "" {
		return nil
	}
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

func (x *curing) restartNow(ctx context.Context, ring Ring) error {
	away := false
	for _, s := range ring.Silent {
		if s.Target != x.node.Target() {
			return geored.Retriable(fmt.Errorf("%s does not answer: two nodes would be away: %s", s.Target, s.Reason))
		}
		away = true
	}
	if output, err := x.tool.Run(ctx, x.node, "drain"); err != nil {
		err = fmt.Errorf("nodetool drain: %w: %s", err, lastLine(output))
		if away { // it may be on its way back; one that is drained answers nodetool
			err = geored.Retriable(err)
		}
		return err
	}
	if err := x.restarter.Restart(ctx, x.node); err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	return nil
}

// hasRestarted says whether any other node has heard so.
func (x *curing) hasRestarted(ring Ring) bool {
	return slices.ContainsFunc(ring.Views, func(v View) bool {
		return v.heard(x.node.HostID).Generation > x.plan.Generations[x.node.HostID]
	})
}

// isBack says whether every node has heard that it restarted.
func (x *curing) isBack(ring Ring) bool {
	for _, v := range ring.Views {
		if v.heard(x.node.HostID).Generation <= x.plan.Generations[x.node.HostID] {
			return false
		}
	}
	return len(ring.Silent) == 0
}
