package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
)

// side is one source of a match, read row by row.
type side struct {
	node  Node
	next  func() (keyedRow, error, bool)
	head  keyedRow
	err   error
	ended bool
}

func (s *side) advance() {
	row, err, ok := s.next()
	if err != nil {
		s.err = fmt.Errorf("site %s: node %s: %w", s.node.Site, s.node.Address, err)
	}
	s.head, s.ended = row, !ok || err != nil
}

// match reads a range from all nodes side by side and tells each row that is not the same on all of them. It holds the
// rows of one token at a time: as many as the largest partition has.
func (c *Cluster) match(ctx context.Context, p plan, nodes []Node, r Range, differs func(Difference)) error {
	sides := make([]*side, len(nodes))
	for i, n := range nodes {
		next, stop := iter.Pull2(c.rows(ctx, p, n, r))
		defer stop()
		sides[i] = &side{node: n, next: next}
		sides[i].advance()
	}
	for {
		token, any, err := lowest(sides)
		if err != nil || !any {
			return err
		}
		for _, d := range matchToken(sides, token) {
			d.Key = p.schema.keyText(d.raw)
			differs(d)
		}
	}
}

// lowest is the smallest token that any side stands at.
func lowest(sides []*side) (token int64, any bool, err error) {
	for _, s := range sides {
		switch {
		case s.err != nil:
			return 0, false, s.err
		case s.ended:
		case !any || s.head.token < token:
			token, any = s.head.token, true
		}
	}
	return token, any, nil
}

// matchToken reads the rows of one token from all sides and gives those that are not the same on all.
func matchToken(sides []*side, token int64) []Difference {
	rows := map[string]*Difference{}
	for i, s := range sides {
		for !s.ended && s.head.token == token {
			d := rows[s.head.raw]
			if d == nil {
				d = newDifference(s.head, sides)
				rows[s.head.raw] = d
			}
			d.Seen[i].Present, d.Seen[i].Written, d.sums[i] = true, writeTime(s.head.written), s.head.sum
			s.advance()
		}
	}
	var differ []Difference
	for _, d := range rows {
		if !d.isSame() {
			differ = append(differ, *d)
		}
	}
	slices.SortFunc(differ, func(a, b Difference) int { return cmp.Compare(a.raw, b.raw) })
	return differ
}

func newDifference(row keyedRow, sides []*side) *Difference {
	d := &Difference{Token: row.token, raw: row.raw, Seen: make([]Seen, len(sides)), sums: make([]Sum, len(sides))}
	for i, s := range sides {
		d.Seen[i].Source = sourceOf(s.node)
	}
	return d
}

func (d *Difference) isSame() bool {
	for i, s := range d.Seen {
		if !s.Present || d.sums[i] != d.sums[0] {
			return false
		}
	}
	return true
}
