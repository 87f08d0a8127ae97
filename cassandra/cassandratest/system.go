package cassandratest

import (
	"strings"
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
		{"system", "peers", []string{"peer inet", "rpc_address inet", "host_id uuid", "data_center text", "rack text", "release_version text",
			"schema_version uuid", "tokens set<text>"}, oldPeers},
		{"system_views", "gossip_info", []string{"address inet", "host_id text", "generation int", "heartbeat int", "status_with_port text"}, gossip},
		{"system_views", "pending_hints", []string{"host_id uuid", "files int", "oldest timestamp", "newest timestamp"}, hints},
		{"system_views", "settings", []string{"name text", "value text"}, settings},
		{"system_views", "local_scan_latency", []string{"keyspace_name text", "table_name text", "count bigint"}, scans},
		{"system_views", "repairs", []string{"id timeuuid", "keyspace_name text", "options_incremental boolean", "options_preview_kind text",
			"options_primary_range boolean", "completed boolean", "failure_cause text", "table_names list<text>", "options_ranges set<text>",
			"participants list<text>", "success_message text", "options_column_families set<text>", "options_data_centers set<text>", "options_hosts set<text>",
			"options_subrange_repair boolean", "options_force_repair boolean", "options_pull_repair boolean"}, repairs},
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
