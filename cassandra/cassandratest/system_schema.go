package cassandratest

import (
	"github.com/gocql/gocql"
)

func keyspaces(n *Node) [][]any {
	n.ring.mu.Lock()
	defer n.ring.mu.Unlock()
	rows := [][]any{{"system", map[string]string{"class": "org.apache.cassandra.locator.LocalStrategy"}}}
	for _, k := range n.ring.keyspaces {
		options := map[string]string{"class": "org.apache.cassandra.locator." + k.Class}
		for dataCenter, n := range k.Replication {
			options[dataCenter] = n
		}
		rows = append(rows, []any{k.Name, options})
	}
	return rows
}

func schemaTables(n *Node) [][]any {
	return n.each(func(t *table) [][]any {
		if t.View {
			return nil
		}
		flags, grace := []string{"compound"}, t.GCGrace
		if t.Counter {
			flags = append(flags, "counter")
		}
		if grace == 0 {
			grace = 864000
		}
		return [][]any{{t.Keyspace, t.Name, gocql.UUID(t.id), flags, grace}}
	})
}

func schemaViews(n *Node) [][]any {
	return n.each(func(t *table) [][]any {
		if !t.View {
			return nil
		}
		return [][]any{{t.Keyspace, t.Name, gocql.UUID(t.id)}}
	})
}

func schemaColumns(n *Node) [][]any {
	return n.each(func(t *table) [][]any {
		var rows [][]any
		position := map[Kind]int{}
		for _, c := range t.relation.columns {
			at := -1
			if c.Kind == PartitionKey || c.Kind == Clustering {
				at = position[c.Kind]
				position[c.Kind]++
			}
			rows = append(rows, []any{t.Keyspace, t.Name, c.Name, string(c.Kind), at, c.Type})
		}
		return rows
	})
}

func (n *Node) each(rows func(*table) [][]any) [][]any {
	n.ring.mu.Lock()
	defer n.ring.mu.Unlock()
	var all [][]any
	for _, t := range n.ring.tables {
		all = append(all, rows(t)...)
	}
	return all
}
