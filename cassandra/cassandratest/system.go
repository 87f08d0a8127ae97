package cassandratest

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/gocql/gocql"
)

// systemTable is a table whose rows are made when they are read.
type systemTable struct {
	relation
	make func(*Node) [][]any
}

func (s systemTable) rows(n *Node) ([]row, error) {
	var rows []row
	for _, values := range s.make(n) {
		made, err := s.marshal(values, 0)
		if err != nil {
			return nil, err
		}
		rows = append(rows, made)
	}
	return rows, nil
}

// systemTables are those that gocql and package cassandra read; "name type", the first column being the key.
func systemTables() (map[string]systemTable, error) {
	tables := map[string]systemTable{}
	for _, t := range []struct {
		keyspace, name string
		columns        []string
		make           func(*Node) [][]any
	}{
		{"system", "local", []string{"key text", "cluster_name text", "partitioner text", "host_id uuid", "data_center text", "rack text",
			"release_version text", "schema_version uuid", "tokens set<text>", "broadcast_address inet", "rpc_address inet", "rpc_port int"}, local},
		{"system", "peers_v2", []string{"peer inet", "native_address inet", "native_port int", "host_id uuid", "data_center text",
			"rack text", "release_version text", "schema_version uuid", "tokens set<text>"}, peers},
		{"system_views", "gossip_info", []string{"address inet", "host_id text", "generation int", "heartbeat int", "status_with_port text"}, gossip},
		{"system_views", "pending_hints", []string{"host_id uuid", "files int", "oldest timestamp", "newest timestamp"}, hints},
		{"system_views", "settings", []string{"name text", "value text"}, settings},
		{"system_views", "local_scan_latency", []string{"keyspace_name text", "table_name text", "count bigint"}, scans},
		{"system_views", "repairs", []string{"id timeuuid", "keyspace_name text", "options_incremental boolean", "options_preview_kind text",
			"options_primary_range boolean", "completed boolean", "failure_cause text", "table_names list<text>", "options_ranges set<text>",
			"participants list<text>", "success_message text"}, repairs},
		{"system_views", "streaming", []string{"id timeuuid", "operation text", "status text", "failure_cause text", "status_init_timestamp timestamp"}, streams},
		{"system_views", "clients", []string{"username text"}, clients},
		{"system_schema", "keyspaces", []string{"keyspace_name text", "replication frozen<map<text, text>>"}, keyspaces},
		{"system_schema", "tables", []string{"keyspace_name text", "table_name text", "id uuid", "flags frozen<set<text>>", "gc_grace_seconds int"}, schemaTables},
		{"system_schema", "views", []string{"keyspace_name text", "view_name text", "id uuid"}, schemaViews},
		{"system_schema", "columns", []string{"keyspace_name text", "table_name text", "column_name text", "kind text", "position int", "type text"}, schemaColumns},
	} {
		made := Table{Keyspace: t.keyspace, Name: t.name}
		for i, c := range t.columns {
			var column Column
			column.Name, column.Type, _ = strings.Cut(c, " ")
			if i == 0 {
				column.Kind = PartitionKey
			}
			made.Columns = append(made.Columns, column)
		}
		r, err := newRelation(made)
		if err != nil {
			return nil, err
		}
		tables[t.keyspace+"."+t.name] = systemTable{r, t.make}
	}
	return tables, nil
}

// description is a node as it shows itself to others.
type description struct {
	dataCenter, version string
	schema              gocql.UUID
}

func (n *Node) describe() description {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := description{string(n.site), "4.1.10", n.schema}
	if n.dataCenter != "" {
		d.dataCenter = n.dataCenter
	}
	if n.version != "" {
		d.version = n.version
	}
	return d
}

func (n *Node) has(fault string, other *Node) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.faults[fault+" "+other.address]
}

func (n *Node) tokens() []string { return []string{strconv.FormatInt(n.token, 10)} }

func local(n *Node) [][]any {
	d := n.describe()
	return [][]any{{"local", "lab", "org.apache.cassandra.dht.Murmur3Partitioner", gocql.UUID(n.hostID), d.dataCenter, "rack1", d.version, d.schema,
		n.tokens(), net.IP(n.internode().AsSlice()), net.IP(n.addrPort().Addr().AsSlice()), int(n.addrPort().Port())}}
}

func peers(n *Node) [][]any {
	var rows [][]any
	for _, o := range n.ring.nodes {
		if o == n || n.has("strange", o) {
			continue
		}
		internode := o.internode()
		if n.has("old", o) {
			internode = internode.Next()
		}
		d := o.describe()
		rows = append(rows, []any{net.IP(internode.AsSlice()), net.IP(o.addrPort().Addr().AsSlice()), int(o.addrPort().Port()), gocql.UUID(o.hostID),
			d.dataCenter, "rack1", d.version, d.schema, o.tokens()})
	}
	return rows
}

func gossip(n *Node) [][]any {
	n.ring.mu.Lock()
	n.ring.looks++
	looks := int(n.ring.looks)
	n.ring.mu.Unlock()
	var rows [][]any
	for _, o := range n.ring.nodes {
		if n.has("strange", o) {
			continue
		}
		heartbeat := looks
		if n.has("deaf", o) {
			heartbeat = 1
		}
		rows = append(rows, []any{net.IP(o.internode().AsSlice()), gocql.UUID(o.hostID).String(), o.generationNow(), heartbeat, "NORMAL," + o.tokens()[0]})
	}
	return rows
}

func (n *Node) generationNow() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return 1 + n.generation
}

func clients(n *Node) [][]any {
	n.mu.Lock()
	defer n.mu.Unlock()
	rows := [][]any{{User}}
	for _, user := range n.visitors {
		rows = append(rows, []any{user})
	}
	return rows
}

func hints(n *Node) [][]any {
	n.mu.Lock()
	defer n.mu.Unlock()
	var rows [][]any
	for o, files := range n.hints {
		if files > 0 {
			rows = append(rows, []any{gocql.UUID(o.hostID), files, time.UnixMicro(firstRow), time.UnixMicro(firstRow)})
		}
	}
	return rows
}

func settings(n *Node) [][]any {
	n.mu.Lock()
	defer n.mu.Unlock()
	var rows [][]any
	for name, value := range n.settings {
		rows = append(rows, []any{name, value})
	}
	return rows
}

func scans(n *Node) [][]any {
	n.ring.mu.Lock()
	defer n.ring.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	var rows [][]any
	for name, t := range n.ring.tables {
		rows = append(rows, []any{t.Keyspace, t.Name, n.scans[name]})
	}
	return rows
}

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
