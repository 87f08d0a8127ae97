package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// comparingAll is the state of one Cluster.CompareAll.
type comparingAll struct {
	*Cluster
	how     Comparing
	ring    Ring
	plans   []plan // of the tables without an error
	errs    []error
	results Comparisons
}

func (w *comparingAll) run(ctx context.Context) error {
	var err error
	w.ring, err = w.discover(ctx, true)
	w.errs = make([]error, len(w.results))
	for i := range w.results {
		if w.errs[i] = err; err == nil {
			reading := w.how.Reading
			reading.Table = w.results[i].Table
			w.plans[i], w.errs[i] = w.plan(ctx, w.ring, reading, false)
		}
	}
	trees := map[Table]treeFinding{}
	if w.how.Trees != nil {
		trees = w.askTrees(ctx)
	}
	for i := range w.results {
		w.one(ctx, i, trees)
	}
	return w.joined()
}

// one compares one table, unless its plan failed.
func (w *comparingAll) one(ctx context.Context, i int, trees map[Table]treeFinding) {
	result := &w.results[i]
	began := w.Clock.Now()
	if w.errs[i] == nil {
		x := &comparing{Cluster: w.Cluster, Comparing: w.how, plan: w.plans[i], ring: w.ring, result: result, gaps: map[geored.SiteName][]string{}}
		if found, ok := trees[result.Table]; ok {
			x.trees = &found
		}
		w.errs[i] = x.run(ctx)
	}
	if w.errs[i] != nil && len(result.Reasons) == 0 {
		result.Reasons = []string{w.errs[i].Error()}
	}
	result.Began, result.Took = began, w.Clock.Now().Sub(began)
}

// joined is one error for all tables: [geored.Faults] when nothing but faults of the input came up.
func (w *comparingAll) joined() error {
	var faults geored.Faults
	var others []error
	for _, err := range w.errs {
		if fs, ok := geored.AsFaults(err); ok {
			faults = append(faults, fs...)
		} else if err != nil && !slices.ContainsFunc(others, func(o error) bool { return errors.Is(o, err) }) {
			others = append(others, err)
		}
	}
	if len(others) == 0 {
		return faults.Err()
	}
	return errors.Join(append(others, faults.Err())...)
}

// Tables are the tables of a keyspace that can be compared, as all sites know them: one that only some know is among them,
// and a comparison says so. Materialized views and counter tables are left out: count the latter. The error is
// [geored.Faults], the context's, or that of a node that could not be asked; a keyspace without any is [ErrNoTables].
func (c *Cluster) Tables(ctx context.Context, keyspace string) ([]Table, error) {
	ring, err := c.discover(ctx, true)
	if err != nil {
		return nil, err
	}
	if err := c.readable(ring); err != nil {
		return nil, err
	}
	var tables []Table
	for _, site := range c.Sites {
		v, _ := ring.first(site.Name)
		q := Query{CQL: `SELECT table_name, flags FROM system_schema.tables WHERE keyspace_name = ?`, Args: []any{keyspace}}
		err := c.query(ctx, v.Node.Address, q, func(r Row) error {
			if !slices.Contains(r.texts("flags"), "counter") {
				tables = append(tables, Table{keyspace, r.text("table_name")})
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("site %s: node %s: read system_schema.tables: %w", site.Name, v.Node.Address, err)
		}
	}
	slices.SortFunc(tables, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	if tables = slices.Compact(tables); len(tables) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrNoTables, geored.Faults{{Field: "keyspace", Value: keyspace, Problem: "has only counters or no tables, or is not there", Remedy: "check its name"}})
	}
	return tables, nil
}

// ErrNoTables says that a keyspace has no table that can be compared.
var ErrNoTables = errors.New("nothing to compare")
