package cassandra

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// RebuildStage carries the plan out, when confirm is its [RebuildPlan.Confirmation]. It begins once no client but the
// configuration's user is connected to the site, and looks again before each change: keep clients away until it is done.
//
// The site is emptied by taking the keyspace from it, restarting its nodes one after another and cleaning them up, which
// leaves the schema and every other keyspace alone: cleanup drops files whole, and a node that crashed after it would
// replay their rows from its commit log, which only a restart has emptied for sure. The restarter may be nil when the plan
// says Emptied. Until its replicas are back, requests to the site fail, so that nobody reads half of the rows. Then one
// node after another is rebuilt, watched to its end by what the node itself says of its streams, and all tables but
// counters are compared, every replica.
//
// keep is given the plan with Taken set once the keyspace is taken from the site, and with GivenUp set as soon as the site is
// empty, before it may take new rows: keep that one in place of the one before, and make the stage of it when a run that was
// interrupted is taken up. What fails there fails the step. Nodes that restart forget that they were rebuilt; zero, for runs that
// nobody takes up: such a site would be emptied a second time.
//
// timeout is for each step; zero: that of the run, whose default is too short for real data.
//
// One rebuild at a time: streams bear no keyspace, and a rebuild of another one that began after the plan counts as the plan's.
func (c *Cluster) RebuildStage(p RebuildPlan, tool Nodetool, restarter Restarter, confirm string, timeout time.Duration, keep func(context.Context, RebuildPlan) error) (geored.Stage, error) {
	var faults geored.Faults
	if confirm != p.Confirmation() {
		faults = append(faults, geored.Fault{Site: p.Site, Field: "confirm", Value: confirm, Problem: "is not the value of this plan", Remedy: fmt.Sprintf("it is %q", p.Confirmation())})
	}
	if restarter == nil && !p.Emptied {
		faults = append(faults, geored.Fault{Site: p.Site, Field: "restarter", Problem: "is missing", Remedy: "give one: the nodes are restarted before they are emptied"})
	}
	if err := faults.Err(); err != nil {
		return geored.Stage{}, err
	}
	r := &rebuilding{Cluster: c, plan: p, tool: tool, restarter: restarter, keep: keep, received: map[string]bool{}}
	steps := p.Steps()
	last := len(steps) - 1
	tasks := []geored.Task{{Step: steps[0], Observe: r.observeFence, Timeout: timeout}}
	if !p.Emptied {
		tasks = append(tasks, geored.Task{Step: steps[1], Observe: r.observeEmpty, Apply: r.empty, Timeout: timeout})
	}
	for _, n := range p.Nodes {
		tasks = append(tasks, geored.Task{
			Step:    steps[len(tasks)],
			Observe: func(ctx context.Context) (geored.State, error) { return r.observe(ctx, n) },
			Apply:   func(ctx context.Context) error { return r.rebuild(ctx, n) },
			Timeout: timeout,
		})
	}
	tasks = append(tasks, geored.Task{Step: steps[last], Observe: r.observeEqual, Timeout: timeout})
	return geored.StageOf(fmt.Sprintf("rebuild %s in %s", p.Keyspace, p.Site), tasks...), nil
}

// rebuilding is the state of one rebuild.
type rebuilding struct {
	*Cluster
	plan      RebuildPlan
	tool      Nodetool
	restarter Restarter
	keep      func(context.Context, RebuildPlan) error
	received  map[string]bool // nodes whose nodetool came back well and that had nothing to stream, by host ID
}

func (r *rebuilding) observeFence(ctx context.Context) (geored.State, error) {
	// Once the keyspace is taken or rows are on their way the fence has done its work; the changes look for themselves.
	ring, err := r.Ring(ctx)
	if err != nil || r.taken(ring) {
		return geored.State{Done: err == nil, Detail: "the keyspace is taken from the site"}, err
	}
	if begun, err := r.begun(ctx, ring); err != nil || begun {
		return geored.State{Done: begun, Detail: "the rebuild has begun"}, err
	}
	return stateOf(r.fenced(ctx), "no client is connected"), nil
}

func stateOf(missing error, done string) geored.State {
	if missing != nil {
		return geored.State{Detail: missing.Error()}
	}
	return geored.State{Done: true, Detail: done}
}

// fenced wants every node of the ring to answer and nobody else to be connected to the nodes that are rebuilt.
func (r *rebuilding) fenced(ctx context.Context) error {
	ring, err := r.Ring(ctx)
	if err != nil {
		return err
	}
	if faults := ring.talkFaults(); len(faults) > 0 {
		return faults[0]
	}
	for _, n := range ring.of(r.plan.Site).nodes() {
		clients, err := r.clients(ctx, n)
		if err != nil {
			return err
		}
		for _, user := range clients {
			if user != r.User {
				return fmt.Errorf("node %s: a client is connected as %q", n.Address, user)
			}
		}
	}
	return nil
}

// clients are the users of the connections that a node serves.
func (c *Cluster) clients(ctx context.Context, n Node) (users []string, err error) {
	err = c.query(ctx, n.Address, Query{CQL: `SELECT username FROM system_views.clients`}, func(r Row) error {
		users = append(users, r.text("username"))
		return nil
	})
	if err != nil {
		err = fmt.Errorf("node %s: read system_views.clients: %w", n.Address, err)
	}
	return users, err
}

// begun says whether any node streams or streamed for this rebuild.
func (r *rebuilding) begun(ctx context.Context, ring Ring) (bool, error) {
	for _, n := range r.plan.Nodes {
		n, err := ring.now(n)
		if err != nil {
			return false, err
		}
		streams, err := r.ours(ctx, n)
		if err != nil || len(streams) > 0 || r.received[n.HostID] {
			return err == nil, err
		}
	}
	return false, nil
}

// now is a node as the ring knows it: a pod that was restarted has another address.
func (r Ring) now(n Node) (Node, error) {
	i := slices.IndexFunc(r.Views, func(v View) bool { return v.Node.HostID == n.HostID })
	if i < 0 {
		return n, geored.Retriable(fmt.Errorf("node %s, last seen at %s, does not answer", n.HostID, n.Address))
	}
	return r.Views[i].Node, nil
}

// now looks a node of a plan up: where it was, and then wherever the ring knows it.
func (c *Cluster) now(ctx context.Context, n Node) (Node, error) {
	if v, err := c.self(ctx, n.Address); err == nil && v.Node.HostID == n.HostID {
		return v.Node, nil
	}
	ring, err := c.Ring(ctx)
	if err != nil {
		return n, err
	}
	return ring.now(n)
}
