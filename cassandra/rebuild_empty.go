package cassandra

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

func (r *rebuilding) observeEmpty(ctx context.Context) (geored.State, error) {
	ring, err := r.Ring(ctx)
	if err != nil {
		return geored.State{}, err
	}
	if err := ring.tellsKeyspaces(); err != nil {
		return geored.State{}, err
	}
	if r.plan.GivenUp && !r.taken(ring) {
		return geored.State{Done: true, Detail: "emptied"}, nil
	}
	if !ring.replicates(r.plan.Keyspace, r.plan.Replication) {
		return geored.State{Detail: "the keyspace is taken from it"}, nil
	}
	begun, err := r.begun(ctx, ring)
	if err != nil || begun {
		return geored.State{Done: err == nil, Detail: "emptied"}, err
	}
	// A run that was killed may have emptied it.
	for _, n := range r.plan.Nodes {
		if n, err = ring.now(n); err != nil {
			return geored.State{}, err
		}
		if held, err := r.held(ctx, n); err != nil || len(held) > 0 {
			return geored.State{Detail: fmt.Sprintf("node %s holds its old rows of %s", n.Address, strings.Join(held, ", "))}, err
		}
	}
	return geored.State{Done: true, Detail: "emptied"}, nil
}

// replicates says whether every node that answers has that replication of a keyspace.
func (r Ring) replicates(keyspace string, replication map[string]string) bool {
	return len(r.Views) > 0 && !slices.ContainsFunc(r.Views, func(v View) bool {
		i := slices.IndexFunc(v.Keyspaces, func(k Keyspace) bool { return k.Name == keyspace })
		return i < 0 || !maps.Equal(v.Keyspaces[i].Replication, replication)
	})
}

// tellsKeyspaces wants every node to have told of its keyspaces: one that did not seems to have none.
func (r Ring) tellsKeyspaces() error {
	for _, v := range r.Views {
		if reason, unread := v.unread(keyspaceTable); unread {
			return geored.Retriable(fmt.Errorf("node %s: read %s: %s", v.Node.Address, keyspaceTable, reason))
		}
	}
	return nil
}

// empty takes the keyspace from the site, has its nodes restart and drop what they no longer own, and gives it back.
func (r *rebuilding) empty(ctx context.Context) error {
	if !r.plan.GivenUp {
		if err := r.giveUp(ctx); err != nil {
			return err
		}
	}
	if err := r.fenced(ctx); err != nil {
		return geored.Retriable(err)
	}
	return r.alter(ctx, r.plan.GiveBack())
}

// giveUp takes what the site has, and remembers that.
func (r *rebuilding) giveUp(ctx context.Context) error {
	if err := r.take(ctx); err != nil {
		return err
	}
	for _, n := range r.plan.Nodes {
		if err := r.emptyNode(ctx, n); err != nil {
			return fmt.Errorf("node %s: %w", n.Address, err)
		}
	}
	given := r.plan
	given.GivenUp = true
	return r.kept(ctx, given)
}

// kept goes on with another plan, once it is kept.
func (r *rebuilding) kept(ctx context.Context, p RebuildPlan) error {
	if r.keep != nil {
		if err := r.keep(ctx, p); err != nil {
			return fmt.Errorf("keep how far the site is emptied: %w", err)
		}
	}
	r.plan = p
	return nil
}

// taken says whether the keyspace is taken from the site.
func (r *rebuilding) taken(ring Ring) bool {
	return ring.replicates(r.plan.Keyspace, r.plan.without())
}

// take takes the keyspace from the site, unless it has been: then a node may be drained or on its way back. What restarts
// from then on has none of its rows in its commit log.
func (r *rebuilding) take(ctx context.Context) error {
	ring, err := r.Ring(ctx)
	if err == nil {
		err = ring.tellsKeyspaces()
	}
	if err != nil {
		return err
	}
	if r.taken(ring) {
		if r.plan.Taken == nil { // a run was killed before it noted that
			return r.noteTaken(ctx, ring)
		}
		return nil
	}
	if err := r.fenced(ctx); err != nil {
		return geored.Retriable(err)
	}
	for _, n := range r.plan.Nodes {
		if n, err = ring.now(n); err == nil {
			err = r.keepAside(ctx, n)
		}
		if err != nil {
			return fmt.Errorf("node %s: %w", n.Address, err)
		}
	}
	if err := r.fenced(ctx); err != nil { // snapshots take their time
		return geored.Retriable(err)
	}
	if err := r.alter(ctx, r.plan.alter(r.plan.without())); err != nil {
		return err
	}
	if ring, err = r.Ring(ctx); err != nil {
		return err
	}
	return r.noteTaken(ctx, ring)
}

// noteTaken keeps the nodes' generations: what has restarted since is not restarted again.
func (r *rebuilding) noteTaken(ctx context.Context, ring Ring) error {
	p := r.plan
	p.Taken = maps.Clone(p.Generations)
	for _, n := range p.Nodes {
		for _, v := range ring.Views {
			p.Taken[n.HostID] = max(p.Taken[n.HostID], v.heard(n.HostID).Generation)
		}
	}
	return r.kept(ctx, p)
}

// keepAside has a node keep what it is about to drop. A snapshot of a run that was killed before is not enough: clients may have
// written since.
func (r *rebuilding) keepAside(ctx context.Context, n Node) error {
	held, err := r.held(ctx, n)
	if err != nil || len(held) == 0 {
		return err
	}
	kept, err := r.plan.KeptAside(ctx, r.tool, n)
	if err != nil {
		return err
	}
	name := r.plan.Snapshot()
	for i := 2; kept[name] != nil; i++ {
		name = fmt.Sprintf("%s-%d", r.plan.Snapshot(), i)
	}
	tables := make([]string, len(held))
	for i, table := range held {
		tables[i] = r.plan.Keyspace + "." + table
	}
	if output, err := r.tool.Run(ctx, n, "snapshot", "-t", name, "-kt", strings.Join(tables, ",")); err != nil {
		return fmt.Errorf("nodetool snapshot: %w: %s", err, lastLine(output))
	}
	return nil
}

// KeptAside are the tables that a node has in snapshots of the plan, by the name of the snapshot: see [RebuildPlan.Snapshot].
func (p RebuildPlan) KeptAside(ctx context.Context, tool Nodetool, n Node) (map[string][]string, error) {
	output, err := tool.Run(ctx, n, "listsnapshots")
	if err != nil {
		return nil, fmt.Errorf("nodetool listsnapshots: %w: %s", err, lastLine(output))
	}
	return snapshotTables(output, p.Snapshot(), p.Keyspace), nil
}

// snapshotTables reads from nodetool listsnapshots which tables of a keyspace a snapshot has, and those with a number behind its
// name.
func snapshotTables(output, snapshot, keyspace string) map[string][]string {
	tables := map[string][]string{}
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if snapshot != "" && len(fields) > 2 && (fields[0] == snapshot || strings.HasPrefix(fields[0], snapshot+"-")) && fields[1] == keyspace {
			tables[fields[0]] = append(tables[fields[0]], fields[2])
		}
	}
	return tables
}

// emptyNode restarts a node and has it drop what it no longer owns, unless it has.
func (r *rebuilding) emptyNode(ctx context.Context, n Node) error {
	ring, err := r.Ring(ctx)
	if err != nil {
		return err
	}
	if now, err := ring.now(n); err == nil { // else it may have been drained, and is still to be restarted
		n = now
		held, err := r.held(ctx, n)
		if err != nil || len(held) == 0 {
			return err
		}
	}
	x := restarting{r.Cluster, n, r.plan.Taken[n.HostID], r.tool, r.restarter}
	if err := x.restart(ctx, ring); err != nil {
		return err
	}
	if n, err = r.now(ctx, n); err != nil {
		return err
	}
	return r.drop(ctx, n)
}

// drop has a node drop what it does not own.
func (r *rebuilding) drop(ctx context.Context, n Node) error {
	for _, verb := range []string{"flush", "cleanup"} {
		if output, err := r.tool.Run(ctx, n, verb, r.plan.Keyspace); err != nil {
			return fmt.Errorf("nodetool %s: %w: %s", verb, err, lastLine(output))
		}
	}
	held, err := r.held(ctx, n)
	if err == nil && len(held) > 0 {
		err = fmt.Errorf("it still holds rows of %s", strings.Join(held, ", "))
	}
	return err
}

// held are the tables of which a node holds rows.
func (r *rebuilding) held(ctx context.Context, n Node) ([]string, error) {
	output, err := r.tool.Run(ctx, n, "tablestats", "-F", "json", r.plan.Keyspace)
	if err != nil {
		return nil, fmt.Errorf("nodetool tablestats: %w: %s", err, lastLine(output))
	}
	return parseTableStats(output, r.plan.Keyspace)
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
