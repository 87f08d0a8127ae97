package cassandratest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gocql/gocql"

	"github.com/georedkit/georedkit/cassandra"
)

// Nodetool is nodetool for the nodes of a [Ring], as far as "repair -full -pr KEYSPACE" goes: it gives every node the
// latest version of each row, of all tokens at once. It is safe for concurrent use.
type Nodetool struct {
	ring *Ring

	mu    sync.Mutex
	calls []string
	lose  bool
	fail  string
}

// Nodetool makes a nodetool for the ring.
func (r *Ring) Nodetool() *Nodetool { return &Nodetool{ring: r} }

// ErrLost is what a call gets whose connection breaks.
var ErrLost = errors.New("connection lost")

// LoseConnections makes each call come back with [ErrLost] at once, while the repair goes on and ends by itself.
func (n *Nodetool) LoseConnections(lose bool) { n.set(func() { n.lose = lose }) }

// FailRepairs makes repairs fail for that cause; zero: they succeed.
func (n *Nodetool) FailRepairs(cause string) { n.set(func() { n.fail = cause }) }

func (n *Nodetool) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

// Calls are the calls so far: "127.0.0.1:9042 repair -full -pr dev".
func (n *Nodetool) Calls() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.calls)
}

// repair is a repair as its node remembers it.
type repair struct {
	id        gocql.UUID
	keyspace  string
	completed bool
	failure   string
}

// Run runs nodetool on a node.
func (n *Nodetool) Run(_ context.Context, node cassandra.Node, args ...string) (string, error) {
	n.mu.Lock()
	n.calls = append(n.calls, node.Address.String()+" "+strings.Join(args, " "))
	lose, fail := n.lose, n.fail
	n.mu.Unlock()
	i := slices.IndexFunc(n.ring.nodes, func(o *Node) bool { return o.address == node.Address.String() })
	if i < 0 || len(args) != 4 || !slices.Equal(args[:3], []string{"repair", "-full", "-pr"}) {
		return "", fmt.Errorf("not supported: %v on %s", args, node.Address)
	}
	on := n.ring.nodes[i]
	record := on.begin(args[3])
	end := func() {
		if fail == "" {
			n.ring.repair(args[3])
		}
		record.end(on, fail)
	}
	if lose {
		time.AfterFunc(20*time.Millisecond, end)
		return "", ErrLost
	}
	end()
	if fail != "" {
		return "Some repair failed\n", errors.New("exit status 2")
	}
	return "Repair completed successfully\n", nil
}

// StartRepair makes the node run a repair that somebody else started, until the test ends.
func (n *Node) StartRepair(keyspace string) { n.begin(keyspace) }

func (n *Node) begin(keyspace string) *repair {
	r := &repair{id: gocql.TimeUUID(), keyspace: keyspace}
	n.set(func() { n.repairs = append(n.repairs, r) })
	return r
}

func (r *repair) end(on *Node, failure string) {
	on.set(func() { r.completed, r.failure = true, failure })
}

// repair gives every node the latest version of each row.
func (r *Ring) repair(keyspace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.tables {
		if t.Keyspace != keyspace {
			continue
		}
		latest := map[string]row{}
		for _, rows := range t.rows {
			for key, row := range rows {
				if known, ok := latest[key]; !ok || slices.Max(row.written) > slices.Max(known.written) {
					latest[key] = row
				}
			}
		}
		for _, rows := range t.rows {
			for key, row := range latest {
				rows[key] = row
			}
		}
	}
}

func repairs(n *Node) [][]any {
	n.mu.Lock()
	defer n.mu.Unlock()
	var rows [][]any
	for _, r := range n.repairs {
		var failure any
		if r.failure != "" {
			failure = r.failure
		}
		rows = append(rows, []any{r.id, r.keyspace, false, "NONE", true, r.completed, failure})
	}
	return rows
}
