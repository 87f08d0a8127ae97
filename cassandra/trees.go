package cassandra

import (
	"context"
	"fmt"
	"slices"
)

// treeFinding is what the Merkle trees of a table told.
type treeFinding struct {
	err    error   // they told nothing
	differ bool    // somewhere
	where  []Range // zero with differ: nobody said where
}

func (f treeFinding) String() string {
	switch {
	case f.err != nil:
		return "Merkle trees could not be compared: " + f.err.Error()
	case !f.differ:
		return "Merkle trees of all replicas agree"
	case len(f.where) == 0:
		return "Merkle trees differ"
	}
	return fmt.Sprintf("Merkle trees differ in %d ranges", len(f.where))
}

// agreeOn says whether the trees agree on a range.
func (f treeFinding) agreeOn(r Range) bool {
	if f.err != nil || f.differ && len(f.where) == 0 {
		return false
	}
	return !slices.ContainsFunc(f.where, r.overlaps)
}

// askTrees has the nodes compare Merkle trees of all tables that can be compared, keyspace by keyspace.
func (w *comparingAll) askTrees(ctx context.Context) map[Table]treeFinding {
	keyspaces, of := []string{}, map[string][]plan{}
	for i, p := range w.plans {
		if w.errs[i] == nil && !slices.ContainsFunc(of[p.Keyspace], func(o plan) bool { return o.Table == p.Table }) {
			if of[p.Keyspace] == nil {
				keyspaces = append(keyspaces, p.Keyspace)
			}
			of[p.Keyspace] = append(of[p.Keyspace], p)
		}
	}
	found := map[Table]treeFinding{}
	for _, keyspace := range keyspaces {
		previews, err := w.previews(ctx, of[keyspace])
		for _, p := range of[keyspace] {
			found[p.Table] = findingOf(p.Table, previews, err)
		}
	}
	return found
}

func findingOf(t Table, previews []preview, err error) treeFinding {
	f := treeFinding{err: err}
	somewhere := true
	for _, p := range previews {
		where, differs := p[t]
		f.differ = f.differ || differs
		somewhere = somewhere && (!differs || len(where) > 0)
		f.where = append(f.where, where...)
	}
	if f.where = unite(f.where); !somewhere {
		f.where = nil
	}
	return f
}
