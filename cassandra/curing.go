package cassandra

import (
	"context"
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// curing is one node's part of a cure.
type curing struct {
	restarting
	plan     SchemaCure
	reloaded bool // its schema was read again
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
	ring, err := x.Ring(ctx)
	if err != nil {
		return err
	}
	node, _, err := x.reach(ring)
	if err != nil {
		return err
	}
	output, err := x.tool.Run(ctx, node, "reloadlocalschema")
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
	ring.Silent = slices.DeleteFunc(slices.Clone(ring.Silent), x.isLater)
	if faults := ring.talkFaults(); len(faults) > 0 {
		return geored.State{Detail: faults[0].Error()}, nil
	}
	return geored.State{Done: true, Detail: "it agrees, and every node knows it"}, nil
}

// isLater says whether a silent node is cured behind this one: a run that was killed may have drained it.
func (x *curing) isLater(silent geored.Silence) bool {
	own := slices.IndexFunc(x.plan.Nodes, func(n Node) bool { return n.HostID == x.node.HostID })
	return slices.ContainsFunc(x.plan.Nodes[own+1:], func(n Node) bool { return n.Target() == silent.Target })
}

// restart restarts the node unless it agrees.
func (x *curing) restart(ctx context.Context) error {
	ring, err := x.Ring(ctx)
	if err != nil || x.agrees(ring) == "" {
		return err
	}
	return x.restarting.restart(ctx, ring)
}
