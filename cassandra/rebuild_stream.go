package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// observeEqual compares all tables of the keyspace.
func (r *rebuilding) observeEqual(ctx context.Context) (geored.State, error) {
	tables, err := r.Tables(ctx, r.plan.Keyspace)
	if errors.Is(err, ErrNoTables) {
		return geored.State{Done: true, Detail: "it has no tables but counters, which cannot be compared: count them"}, nil
	}
	if err != nil {
		return geored.State{}, err
	}
	return r.equal(ctx, tables)
}

// rebuild streams the rows of one node, unless that is under way, and watches it to its end.
func (r *rebuilding) rebuild(ctx context.Context, n Node) error {
	if err := r.fenced(ctx); err != nil {
		return geored.Retriable(err)
	}
	n, err := r.now(ctx, n)
	if err != nil {
		return err
	}
	streams, err := r.ours(ctx, n)
	if err != nil {
		return geored.Retriable(err)
	}
	if slices.ContainsFunc(streams, stream.isDone) {
		return nil // that of a run that was killed has ended meanwhile
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
	return r.watch(ctx, n, ended, ended == len(streams), toolErr)
}

// watch waits for the end of the streams beyond those that had ended before. They were started here, or are those of a run that
// was killed.
func (r *rebuilding) watch(ctx context.Context, n Node, before int, here bool, toolErr error) error {
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
		case looks >= patience && here && toolErr == nil:
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
	n, err := r.now(ctx, n)
	if err != nil {
		return geored.State{}, err
	}
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
