package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

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
