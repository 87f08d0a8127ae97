package cassandratest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gocql/gocql"
)

// Kind is what a column is in its table.
type Kind string

// The kinds.
const (
	PartitionKey Kind = "partition_key"
	Clustering   Kind = "clustering"
	Static       Kind = "static"
	Regular      Kind = "regular" // also the zero kind
)

// Column is a column of a table. Columns of the key stand in the key's order.
type Column struct {
	Name string
	Type string // CQL: "bigint", "list<text>"
	Kind Kind
}

// Table is a table that a test creates.
type Table struct {
	Keyspace, Name string
	Columns        []Column
	GCGrace        int // seconds; zero: 864000, as in Cassandra
	View           bool
	Counter        bool
}

// relation is the columns of a table with their types.
type relation struct {
	keyspace, name string
	columns        []typedColumn
}

type typedColumn struct {
	Column
	typ gocql.TypeInfo
}

func newRelation(t Table) (relation, error) {
	r := relation{keyspace: t.Keyspace, name: t.Name}
	for _, c := range t.Columns {
		if c.Kind == "" {
			c.Kind = Regular
		}
		typ, err := parseType(c.Type)
		if err != nil {
			return r, fmt.Errorf("table %s.%s: column %s: %w", t.Keyspace, t.Name, c.Name, err)
		}
		r.columns = append(r.columns, typedColumn{c, typ})
	}
	if len(r.of(PartitionKey)) == 0 {
		return r, fmt.Errorf("table %s.%s: no partition key", t.Keyspace, t.Name)
	}
	return r, nil
}

// of gives the positions of the columns of some kinds.
func (r relation) of(kinds ...Kind) []int {
	var found []int
	for i, c := range r.columns {
		if slices.Contains(kinds, c.Kind) {
			found = append(found, i)
		}
	}
	return found
}

func (r relation) find(name string) (int, bool) {
	i := slices.IndexFunc(r.columns, func(c typedColumn) bool { return c.Name == name })
	return i, i >= 0
}

// row is one row: values as they go over the wire, and when each was written, in microseconds.
type row struct {
	token   int64
	values  [][]byte
	written []int64
}

// marshal makes a row of Go values, in the order of the columns; nil is null.
func (r relation) marshal(values []any, written int64) (row, error) {
	if len(values) != len(r.columns) {
		return row{}, fmt.Errorf("table %s.%s: %d values for %d columns", r.keyspace, r.name, len(values), len(r.columns))
	}
	made := row{values: make([][]byte, len(values)), written: make([]int64, len(values))}
	for i, v := range values {
		if v == nil {
			continue
		}
		raw, err := gocql.Marshal(r.columns[i].typ, v)
		if err != nil {
			return made, fmt.Errorf("table %s.%s: column %s: %w", r.keyspace, r.name, r.columns[i].Name, err)
		}
		if raw == nil {
			raw = []byte{}
		}
		made.values[i], made.written[i] = raw, written
	}
	var key [][]byte
	for _, i := range r.of(PartitionKey) {
		key = append(key, made.values[i])
	}
	made.token = partitionToken(key)
	return made, nil
}

// key tells rows apart.
func (r relation) key(values [][]byte) string {
	var b strings.Builder
	for _, i := range r.of(PartitionKey, Clustering) {
		fmt.Fprintf(&b, "%x/", values[i])
	}
	return b.String()
}

// sorted gives rows as a node scans them.
func (r relation) sorted(rows map[string]row) []row {
	all := slices.Collect(maps.Values(rows))
	slices.SortFunc(all, func(a, b row) int {
		order := cmp.Compare(a.token, b.token)
		for _, i := range r.of(PartitionKey, Clustering) {
			order = cmp.Or(order, bytes.Compare(a.values[i], b.values[i]))
		}
		return order
	})
	return all
}
