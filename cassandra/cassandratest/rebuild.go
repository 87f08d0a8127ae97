package cassandratest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gocql/gocql"
)

// streamed is a stream as its node remembers it.
type streamed struct {
	id      gocql.UUID
	status  string
	failure string
	began   time.Time
}

func streams(n *Node) [][]any {
	n.mu.Lock()
	defer n.mu.Unlock()
	var rows [][]any
	for _, s := range n.streams {
		var failure any
		if s.failure != "" {
			failure = s.failure
		}
		rows = append(rows, []any{s.id, "Rebuild", s.status, failure, s.began})
	}
	return rows
}

// rebuild begins to copy a site's rows to a node and gives what ends it. As in Cassandra, a node that received the
// keyspace before receives nothing, and calls that success.
func (r *Ring) rebuild(on *Node, keyspace, from, fail string) (end func()) {
	s := &streamed{id: gocql.TimeUUID(), status: "start", began: time.Now()}
	on.set(func() { on.streams = append(on.streams, s) })
	return func() {
		on.mu.Lock()
		before := on.received[keyspace]
		if s.status, s.failure = "success", fail; fail != "" {
			s.status = "failure"
		} else if on.received == nil {
			on.received = map[string]bool{}
		}
		if fail == "" {
			on.received[keyspace] = true
		}
		on.mu.Unlock()
		if before || fail != "" {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, t := range r.tables {
			for _, o := range r.nodes {
				if t.Keyspace == keyspace && string(o.site) == from {
					maps.Copy(t.rows[on], t.rows[o])
				}
			}
		}
	}
}

// cleanup drops the rows of a keyspace that has no replicas in the node's data center.
func (r *Ring) cleanup(on *Node, keyspace string) {
	if r.replicatedAt(keyspace, on.describe().dataCenter) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.tables {
		if t.Keyspace == keyspace {
			clear(t.rows[on])
		}
	}
}

func (r *Ring) tableStats(on *Node, keyspace string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var tables []string
	for _, t := range r.tables {
		if t.Keyspace == keyspace {
			tables = append(tables, fmt.Sprintf(`%q: {"space_used_live": "%d", "memtable_cell_count": 0}`, t.Name, 100*len(t.rows[on])))
		}
	}
	return fmt.Sprintf(`{"total_number_of_tables": %d, %q: {"tables": {%s}}}`, len(tables), keyspace, strings.Join(tables, ", "))
}

// snapshot keeps tables aside, by name alone. As in Cassandra, a name is used once for a table.
func (n *Node) snapshot(name, tables string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for table := range strings.SplitSeq(tables, ",") {
		if slices.Contains(n.snapshots, name+"."+table) {
			return fmt.Errorf("snapshot %s already exists", name)
		}
		n.snapshots = append(n.snapshots, name+"."+table)
	}
	return nil
}

func (n *Node) listSnapshots() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var text strings.Builder
	text.WriteString("Snapshot Details:\nSnapshot name Keyspace name Column family name True size\n")
	for _, s := range n.snapshots {
		fmt.Fprintln(&text, strings.ReplaceAll(s, ".", " ")+" 1 KiB")
	}
	return text.String()
}
