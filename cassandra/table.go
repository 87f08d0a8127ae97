package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// Table names a table.
type Table struct {
	Keyspace string `json:"keyspace"`
	Name     string `json:"table"`
}

func (t Table) String() string { return t.Keyspace + "." + t.Name }

func (t Table) quoted() string { return quote(t.Keyspace) + "." + quote(t.Name) }

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// tableSchema is what a node says of a table.
type tableSchema struct {
	Table
	id        string
	isView    bool
	isCounter bool
	keys      []column // partition key, then clustering
	partition int      // how many of keys are the partition key
	others    []column
}

type column struct {
	name, kind, cqlType string
	position            int64
}

// stamped says whether WRITETIME may be asked of the column: not of collections and user types that are not frozen.
func (c column) stamped() bool {
	for _, multi := range []string{"list<", "set<", "map<"} {
		if strings.HasPrefix(c.cqlType, multi) {
			return false
		}
	}
	_, native := nativeTypes[c.cqlType]
	return native || strings.ContainsAny(c.cqlType, "<'")
}

// tableSchema asks one node what it knows of a table; ok is false when it knows none of that name.
func (c *Cluster) tableSchema(ctx context.Context, n Node, t Table) (s tableSchema, ok bool, err error) {
	s.Table = t
	where := ` WHERE keyspace_name = ? AND table_name = ?`
	args := []any{t.Keyspace, t.Name}
	err = c.query(ctx, n.Address, Query{CQL: `SELECT id, flags FROM system_schema.tables` + where, Args: args}, func(r Row) error {
		ok, s.id, s.isCounter = true, r.uuid("id"), slices.Contains(r.texts("flags"), "counter")
		return nil
	})
	if err != nil {
		return s, false, err
	}
	view := Query{CQL: `SELECT id FROM system_schema.views WHERE keyspace_name = ? AND view_name = ?`, Args: args}
	if err := c.query(ctx, n.Address, view, func(Row) error { ok, s.isView = true, true; return nil }); err != nil {
		return s, false, err
	}
	columns := Query{CQL: `SELECT column_name, kind, position, type FROM system_schema.columns` + where, Args: args}
	err = c.query(ctx, n.Address, columns, func(r Row) error {
		s.add(column{r.text("column_name"), r.text("kind"), r.text("type"), r.number("position")})
		return nil
	})
	s.sort()
	return s, ok, err
}

func (s *tableSchema) add(c column) {
	switch c.kind {
	case "partition_key":
		s.partition++
		s.keys = append(s.keys, c)
	case "clustering":
		s.keys = append(s.keys, c)
	default:
		s.others = append(s.others, c)
	}
}

func (s *tableSchema) sort() {
	slices.SortFunc(s.keys, func(a, b column) int {
		return cmp.Or(-cmp.Compare(a.kind, b.kind), cmp.Compare(a.position, b.position)) // partition_key before clustering
	})
	slices.SortFunc(s.others, func(a, b column) int { return cmp.Compare(a.name, b.name) })
}

// fault says why a table cannot be counted or compared.
func (s tableSchema) fault(site geored.SiteName, ok, counters bool) *geored.Fault {
	f := geored.Fault{Site: site, Field: "table", Value: s.String()}
	switch {
	case !ok:
		f.Problem, f.Remedy = "does not exist there", "check the names of keyspace and table, and whether the sites agree on the schema"
	case s.isView:
		f.Problem, f.Remedy = "is a materialized view", "take its base table"
	case s.isCounter && !counters:
		f.Problem, f.Remedy = "is a counter table: its cells have no write time and may differ while increments are on their way", "count its rows instead"
	default:
		return nil
	}
	return &f
}

// token is the token of a row, in CQL.
func (s tableSchema) token() string {
	names := make([]string, s.partition)
	for i, c := range s.keys[:s.partition] {
		names[i] = quote(c.name)
	}
	return "token(" + strings.Join(names, ", ") + ")"
}

func (s tableSchema) inRange(what string) string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s > ? AND %s <= ?", what, s.quoted(), s.token(), s.token())
}

// selectRows reads keys, values and write times, in this order.
func (s tableSchema) selectRows() string { return s.inRange(strings.Join(s.terms(), ", ")) }

// selectKeyed reads the token too, before everything else.
func (s tableSchema) selectKeyed() string {
	return s.inRange(s.token() + ", " + strings.Join(s.terms(), ", "))
}

func (s tableSchema) terms() []string {
	var names, stamps []string
	for _, c := range slices.Concat(s.keys, s.others) {
		names = append(names, quote(c.name))
	}
	for _, c := range s.others {
		if c.stamped() {
			stamps = append(stamps, "WRITETIME("+quote(c.name)+")")
		}
	}
	return append(names, stamps...)
}
