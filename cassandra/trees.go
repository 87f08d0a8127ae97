package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// previews has as many nodes as it takes compare trees, until every range was compared among all its replicas.
func (w *comparingAll) previews(ctx context.Context, plans []plan) ([]preview, error) {
	placed := plans[0].ranges // those of all tables of the keyspace
	var tables []string
	for _, p := range plans {
		tables = append(tables, p.Name)
	}
	var previews []preview
	for _, n := range previewers(placed) {
		record, err := w.runPreview(ctx, n, plans[0].Keyspace, tables)
		if err == nil {
			err = record.covers(n, placed)
		}
		var p preview
		if err == nil {
			p, err = parsePreview(record.message)
		}
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", n.Address, err)
		}
		previews = append(previews, p)
	}
	return previews, nil
}

// previewers are few nodes that together hold every range, found by taking the one with the most ranges left.
func previewers(placed []placed) []Node {
	var chosen []Node
	open := slices.Clone(placed)
	for len(open) > 0 {
		count, best := map[string]int{}, Node{}
		for _, p := range open {
			for _, n := range slices.Concat(p.replicas...) {
				count[n.HostID]++
				if more := count[n.HostID] - count[best.HostID]; more > 0 || more == 0 && n.HostID < best.HostID {
					best = n
				}
			}
		}
		if best.HostID == "" {
			break // nobody holds what is left
		}
		chosen = append(chosen, best)
		open = slices.DeleteFunc(open, best.holds)
	}
	return chosen
}

func (n Node) holds(p placed) bool {
	return slices.ContainsFunc(slices.Concat(p.replicas...), func(o Node) bool { return o.HostID == n.HostID })
}

// runPreview runs a preview on one node and gives what the node remembers of it: nodetool's own word is not taken.
func (w *comparingAll) runPreview(ctx context.Context, n Node, keyspace string, tables []string) (RepairRecord, error) {
	before, err := w.Repairs(ctx, n)
	if err != nil {
		return RepairRecord{}, err
	}
	_, toolErr := w.how.Trees.Run(ctx, n, append([]string{"repair", "-full", "--preview", keyspace}, tables...)...)
	for looks := 0; ; looks++ {
		records, err := w.Repairs(ctx, n)
		for _, r := range records {
			isNew := !slices.ContainsFunc(before, func(b RepairRecord) bool { return b.ID == r.ID })
			if !isNew || !r.Preview || r.Keyspace != keyspace || !sameSet(r.Tables, tables) {
				continue
			}
			if looks = 0; r.Completed && r.Failure != "" {
				return r, fmt.Errorf("preview: %s", r.Failure)
			} else if r.Completed {
				return r, nil
			}
		}
		if looks >= patience {
			return RepairRecord{}, errors.Join(errors.New("preview: the node knows of none"), err, toolErr)
		}
		if err := w.Clock.Sleep(ctx, repairPoll); err != nil {
			return RepairRecord{}, errors.Join(err, toolErr)
		}
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// covers says what a preview left out of the ranges that its node holds: ranges, or replicas of them.
func (r RepairRecord) covers(n Node, placed []placed) error {
	took := unite(r.ranges)
	for _, p := range placed {
		if !n.holds(p) {
			continue
		}
		if !p.Range.within(took) {
			return fmt.Errorf("preview: range %s was left out", p.Range)
		}
		for _, other := range slices.Concat(p.replicas...) {
			if other.HostID != n.HostID && !slices.Contains(r.participants, other.Internode.String()) {
				return fmt.Errorf("preview: node %s took no part, only %s", other.Address, strings.Join(r.participants, ", "))
			}
		}
	}
	return nil
}

// believe takes over what the trees told: ranges in which they agree are not read.
func (x *comparing) believe(f treeFinding) {
	x.result.Trees = f.String()
	for i, r := range x.result.Ranges {
		if f.agreeOn(r.Range) {
			x.result.Ranges[i] = RangeResult{Range: r.Range, Equality: Equal, Reason: "its Merkle trees agree"}
		}
	}
}
