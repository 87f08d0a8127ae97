package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// RebuildStage carries the plan out, when confirm is its [RebuildPlan.Confirmation]. It begins once no client but the
// configuration's user is connected to the site, and looks again before each change: keep clients away until it is done.
//
// The site is emptied by taking the keyspace from it and cleaning its nodes up, which leaves the schema and every other
// keyspace alone; until its replicas are back, requests to the site fail, so that nobody reads half of the rows. Then one
// node after another is rebuilt, watched to its end by what the node itself says of its streams, and all tables but
// counters are compared, every replica.
func (c *Cluster) RebuildStage(p RebuildPlan, tool Nodetool, confirm string, timeout time.Duration) (geored.Stage, error) {
	if confirm != p.Confirmation() {
		return geored.Stage{}, geored.Faults{{Site: p.Site, Field: "confirm", Value: confirm, Problem: "is not the value of this plan", Remedy: fmt.Sprintf("it is %q", p.Confirmation())}}
	}
	r := &rebuilding{Cluster: c, plan: p, tool: tool, received: map[string]bool{}}
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
	plan     RebuildPlan
	tool     Nodetool
	emptied  bool
	received map[string]bool // nodes whose nodetool came back well and that had nothing to stream, by host ID
}

func (r *rebuilding) observeFence(ctx context.Context) (geored.State, error) {
	// Once rows are on their way the fence has done its work; the changes look for themselves.
	if begun, err := r.begun(ctx); err != nil || begun {
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
func (r *rebuilding) begun(ctx context.Context) (bool, error) {
	for _, n := range r.plan.Nodes {
		streams, err := r.ours(ctx, n)
		if err != nil || len(streams) > 0 || r.received[n.HostID] {
			return err == nil, err
		}
	}
	return false, nil
}

func (r *rebuilding) observeEmpty(ctx context.Context) (geored.State, error) {
	begun, err := r.begun(ctx)
	if err != nil || begun || r.emptied {
		return geored.State{Done: err == nil, Detail: "emptied"}, err
	}
	return geored.State{Detail: "it holds its old rows"}, nil
}

// empty takes the keyspace from the site, has its nodes drop what they no longer own, and gives it back.
func (r *rebuilding) empty(ctx context.Context) error {
	if err := r.fenced(ctx); err != nil {
		return geored.Retriable(err)
	}
	if err := r.alter(ctx, r.plan.alter(r.plan.without())); err != nil {
		return err
	}
	for _, n := range r.plan.Nodes {
		for _, verb := range []string{"flush", "cleanup"} {
			if output, err := r.tool.Run(ctx, n, verb, r.plan.Keyspace); err != nil {
				return fmt.Errorf("node %s: nodetool %s: %w: %s", n.Address, verb, err, lastLine(output))
			}
		}
		if err := r.isEmpty(ctx, n); err != nil {
			return fmt.Errorf("node %s: %w", n.Address, err)
		}
	}
	if err := r.fenced(ctx); err != nil {
		return geored.Retriable(err)
	}
	if err := r.alter(ctx, r.plan.alter(r.plan.Replication)); err != nil {
		return err
	}
	r.emptied = true
	return nil
}

func (r *rebuilding) isEmpty(ctx context.Context, n Node) error {
	output, err := r.tool.Run(ctx, n, "tablestats", "-F", "json", r.plan.Keyspace)
	if err != nil {
		return fmt.Errorf("nodetool tablestats: %w: %s", err, lastLine(output))
	}
	held, err := parseTableStats(output, r.plan.Keyspace)
	if err == nil && len(held) > 0 {
		err = fmt.Errorf("it still holds rows of %s", strings.Join(held, ", "))
	}
	return err
}

// alter changes the schema through a node of the site that rows are taken from, and waits until all agree.
func (r *rebuilding) alter(ctx context.Context, statement string) error {
	ring, err := r.Ring(ctx)
	if err != nil {
		return err
	}
	v, ok := ring.first(r.plan.From)
	if !ok {
		return geored.Retriable(fmt.Errorf("no node of %s answers", r.plan.From))
	}
	if err := r.query(ctx, v.Node.Address, Query{CQL: statement}, func(Row) error { return nil }); err != nil {
		return fmt.Errorf("node %s: alter keyspace %s: %w", v.Node.Address, r.plan.Keyspace, err)
	}
	_, err = r.AwaitSchema(ctx, 0)
	return err
}

// observeEqual compares all tables of the keyspace.
func (r *rebuilding) observeEqual(ctx context.Context) (geored.State, error) {
	tables, err := r.Tables(ctx, r.plan.Keyspace)
	if err != nil {
		return geored.State{}, err
	}
	all, err := r.CompareAll(ctx, tables, Comparing{EveryReplica: true})
	if err != nil {
		return geored.State{}, err
	}
	all = slices.DeleteFunc(all, func(c Comparison) bool { return c.Equality == Equal })
	if len(all) > 0 {
		return geored.State{Detail: all.String()}, nil
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("%d tables are equal", len(tables))}, nil
}

// rebuild streams the rows of one node, unless that is under way, and watches it to its end.
func (r *rebuilding) rebuild(ctx context.Context, n Node) error {
	if err := r.fenced(ctx); err != nil {
		return geored.Retriable(err)
	}
	streams, err := r.ours(ctx, n)
	if err != nil {
		return geored.Retriable(err)
	}
	var toolErr error
	ended := len(slices.DeleteFunc(slices.Clone(streams), stream.isRunning))
	if ended == len(streams) {
		if err := r.query(ctx, n.Address, Query{CQL: forgetRanges}, func(Row) error { return nil }); err != nil {
			return fmt.Errorf("%s: %w", forgetRanges, err)
		}
		var output string
		if output, toolErr = r.tool.Run(ctx, n, r.plan.arguments(r.dataCenter(r.plan.From))...); toolErr != nil {
			toolErr = fmt.Errorf("nodetool rebuild: %w: %s", toolErr, lastLine(output))
		}
	}
	return r.watch(ctx, n, ended, toolErr)
}

// watch waits for the end of the streams beyond those that had ended before.
func (r *rebuilding) watch(ctx context.Context, n Node, before int, toolErr error) error {
	for looks := 0; ; looks++ {
		streams, err := r.ours(ctx, n)
		streams = streams[min(before, len(streams)):]
		switch {
		case err != nil: // asked again
		case slices.ContainsFunc(streams, stream.isRunning):
			looks = 0
		case len(streams) > 0 && streams[len(streams)-1].failure != "":
			return errors.Join(fmt.Errorf("rebuild: %s", streams[len(streams)-1].failure), toolErr)
		case len(streams) > 0:
			return nil
		case looks >= patience && toolErr == nil:
			r.received[n.HostID] = true // there was nothing to stream; the comparison tells whether that is right
			return nil
		case looks >= patience:
			return errors.Join(errors.New("rebuild: the node knows of none; it never began, or the node restarted"), toolErr)
		}
		if err := r.Clock.Sleep(ctx, repairPoll); err != nil {
			return errors.Join(err, toolErr)
		}
	}
}

func (c *Cluster) dataCenter(site geored.SiteName) string {
	i := slices.IndexFunc(c.Sites, func(s Site) bool { return s.Name == site })
	if i < 0 {
		return ""
	}
	return c.Sites[i].dataCenter()
}

func (r *rebuilding) observe(ctx context.Context, n Node) (geored.State, error) {
	streams, err := r.ours(ctx, n)
	if err != nil {
		return geored.State{}, err
	}
	if slices.ContainsFunc(streams, stream.isDone) || r.received[n.HostID] {
		return geored.State{Done: true, Detail: "rebuilt"}, nil
	}
	return geored.State{Detail: fmt.Sprintf("it was not rebuilt yet; %d tries", len(streams))}, nil
}

// ours are this plan's streams on a node, by ID.
func (r *rebuilding) ours(ctx context.Context, n Node) ([]stream, error) {
	streams, err := r.streams(ctx, n)
	return slices.DeleteFunc(streams, func(s stream) bool { return s.operation != "Rebuild" || slices.Contains(r.plan.Known, s.id) }), err
}
