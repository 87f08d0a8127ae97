package cassandratest

import (
	"slices"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

// CreateTable makes an empty table on every node, in keyspace "dev" or another that exists.
func (r *Ring) CreateTable(t Table) {
	r.t.Helper()
	rel, err := newRelation(t)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	made := &table{relation: rel, Table: t, rows: map[*Node]map[string]row{}, log: map[*Node]map[string]row{}}
	made.id[0], made.id[15] = 0x7a, byte(len(r.tables)+1)
	for _, n := range r.nodes {
		made.rows[n], made.log[n] = map[string]row{}, map[string]row{}
	}
	r.tables[t.Keyspace+"."+t.Name] = made
}

// Insert writes one row to every node, all of one write time; the values stand in the order of the table's columns.
func (r *Ring) Insert(table string, values ...any) {
	r.t.Helper()
	r.insert(r.nodes, table, values)
}

// InsertAt writes one row to the nodes of one site alone, as if it had never reached the others.
func (r *Ring) InsertAt(site geored.SiteName, table string, values ...any) {
	r.t.Helper()
	r.insert(r.at(site), table, values)
}

// InsertOn writes one row to one node alone.
func (r *Ring) InsertOn(n *Node, table string, values ...any) {
	r.t.Helper()
	r.insert([]*Node{n}, table, values)
}

func (r *Ring) insert(nodes []*Node, name string, values []any) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.table(name)
	r.written++
	made, err := t.marshal(values, r.written)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, n := range nodes {
		t.rows[n][t.key(made.values)], t.log[n][t.key(made.values)] = made, made
	}
}

// DeleteAt removes one row from the nodes of one site alone: a row that was lost there, or one whose deletion the other
// sites never heard of. The key stands in the order of its columns.
func (r *Ring) DeleteAt(site geored.SiteName, table string, key ...any) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.table(table)
	values := make([]any, len(t.relation.columns))
	for i, at := range t.of(PartitionKey, Clustering) {
		values[at] = key[i]
	}
	made, err := t.marshal(values, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, n := range r.at(site) {
		if _, ok := t.rows[n][t.key(made.values)]; !ok {
			r.t.Fatalf("table %s: node %s has no row %v", table, n.Address(), key)
		}
		delete(t.rows[n], t.key(made.values))
		delete(t.log[n], t.key(made.values))
	}
}

func (r *Ring) table(name string) *table {
	r.t.Helper()
	t := r.tables[name]
	if t == nil {
		r.t.Fatalf("there is no table %s", name)
	}
	return t
}

// DropTable removes a table from every node.
func (r *Ring) DropTable(name string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table(name)
	delete(r.tables, name)
}

// SetReplication changes where a keyspace is replicated, or makes it; the rows stay where they are.
func (r *Ring) SetReplication(k cassandra.Keyspace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keyspaces = slices.DeleteFunc(r.keyspaces, func(o cassandra.Keyspace) bool { return o.Name == k.Name })
	r.keyspaces = append(r.keyspaces, k)
}
