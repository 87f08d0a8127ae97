package cassandratest

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"

	"github.com/gocql/gocql"
)

// relation is the table that a statement reads.
func (n *Node) relation(s statement) (relation, error) {
	name := s.keyspace + "." + s.table
	n.mu.Lock()
	closed := n.faults["closed "+name]
	n.mu.Unlock()
	if closed {
		return relation{}, invalid("unconfigured table %s", s.table)
	}
	if system, ok := n.ring.system[name]; ok {
		return system.relation, nil
	}
	n.ring.mu.Lock()
	defer n.ring.mu.Unlock()
	t := n.ring.tables[name]
	if t == nil {
		return relation{}, invalid("unconfigured table %s", s.table)
	}
	return t.relation, nil
}

// read carries a statement out.
func (n *Node) read(s statement, bound [][]byte) (result, error) {
	r, err := n.relation(s)
	if err != nil {
		return result{}, err
	}
	tests, err := n.tests(r, s, bound)
	if err != nil {
		return result{}, err
	}
	columns, err := r.selected(s)
	if err != nil {
		return result{}, err
	}
	var rows []row
	all, err := n.rows(s, r)
	if err != nil {
		return result{}, err
	}
	for _, row := range all {
		if tests.hold(row) {
			rows = append(rows, row)
		}
	}
	out := result{relation: relation{keyspace: r.keyspace, name: r.name, columns: columns}}
	if len(s.items) == 1 && s.items[0].function == "count" {
		out.rows = [][][]byte{{bigint(int64(len(rows)))}}
		return out, nil
	}
	for _, row := range rows {
		out.rows = append(out.rows, r.project(s, row))
	}
	return out, nil
}

// rows are all rows of the table: this node's own, or those of the node it passes reads on to.
func (n *Node) rows(s statement, r relation) ([]row, error) {
	name := s.keyspace + "." + s.table
	if system, ok := n.ring.system[name]; ok {
		return system.rows(n)
	}
	n.mu.Lock()
	reader := n
	if n.passesTo != nil {
		reader = n.passesTo
	}
	n.mu.Unlock()
	reader.set(func() { reader.scans[name]++ })
	n.ring.mu.Lock()
	defer n.ring.mu.Unlock()
	t := n.ring.tables[name]
	if t == nil {
		return nil, invalid("unconfigured table %s", s.table)
	}
	return r.sorted(t.rows[reader]), nil
}

func (r relation) project(s statement, row row) [][]byte {
	if len(s.items) == 0 {
		return row.values
	}
	values := make([][]byte, len(s.items))
	for k, item := range s.items {
		i, _ := r.find(item.column)
		switch {
		case item.function == "token":
			values[k] = bigint(row.token)
		case item.function == "writetime" && row.values[i] != nil:
			values[k] = bigint(row.written[i])
		case item.function == "":
			values[k] = row.values[i]
		}
	}
	return values
}

func bigint(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// test is a condition with its value.
type test struct {
	condition
	at    int // of the column; -1: the token
	value []byte
	token int64
}

type tests []test

// tests binds the conditions, and times out when the range of tokens is too wide.
func (n *Node) tests(r relation, s statement, bound [][]byte) (tests, error) {
	var all tests
	from, to, ranged := int64(math.MinInt64), int64(math.MaxInt64), false
	for _, c := range s.conditions {
		t := test{condition: c, at: -1}
		if c.bound {
			if len(bound) == 0 {
				return nil, invalid("Invalid amount of bind variables")
			}
			t.value, bound = bound[0], bound[1:]
		}
		if err := t.complete(r); err != nil {
			return nil, err
		}
		if t.at < 0 {
			ranged = true
			if strings.HasPrefix(c.operator, ">") {
				from = t.token
			} else {
				to = t.token
			}
		}
		all = append(all, t)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if ranged && n.widest > 0 && uint64(to)-uint64(from) > n.widest {
		return nil, serverError{errReadTimeout, "Operation timed out - received only 0 responses."}
	}
	return all, nil
}

func (t *test) complete(r relation) error {
	if t.column == "" {
		if !t.bound {
			token, err := literalToken(t.literal)
			t.token = token
			return err
		}
		if len(t.value) != 8 {
			return invalid("Invalid token")
		}
		t.token = int64(binary.BigEndian.Uint64(t.value))
		return nil
	}
	i, ok := r.find(t.column)
	if !ok {
		return invalid("Undefined column name %s in table %s.%s", t.column, r.keyspace, r.name)
	}
	t.at = i
	if t.bound {
		return nil
	}
	if r.columns[i].typ.Type() != gocql.TypeVarchar {
		return invalid("a constant of type %s is not supported", r.columns[i].Type)
	}
	t.value = []byte(t.literal)
	return nil
}

func (ts tests) hold(r row) bool {
	for _, t := range ts {
		if t.at < 0 && !t.holds(r.token, t.token) || t.at >= 0 && !bytes.Equal(r.values[t.at], t.value) {
			return false
		}
	}
	return true
}
