package cassandra

import (
	"context"
	"fmt"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

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
