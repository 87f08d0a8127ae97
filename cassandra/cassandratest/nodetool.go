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

// Nodetool is nodetool for the nodes of a [Ring], as far as package cassandra calls it: "repair -full -pr KEYSPACE" gives
// every node the latest version of each row, of all tokens at once; "repair -full --preview KEYSPACE TABLE…" compares;
// "rebuild -ks KEYSPACE -- SITE" copies rows, unless the node received that keyspace before; "flush", "cleanup" and
// "tablestats -F json KEYSPACE"; "snapshot -t NAME -kt KEYSPACE.TABLE,…" and "listsnapshots"; "netstats", as far as
// the mode; "reloadlocalschema" and "drain". It is safe for concurrent use.
type Nodetool struct {
	ring *Ring

	mu    sync.Mutex
	calls []string
	lose  bool
	fail  string
	away  []string // sites whose nodes no preview reaches
}

// Nodetool makes a nodetool for the ring.
func (r *Ring) Nodetool() *Nodetool { return &Nodetool{ring: r} }

// ErrLost is what a call gets whose connection breaks.
var ErrLost = errors.New("connection lost")

// LoseConnections makes each call that takes time come back with [ErrLost] at once, while what it began goes on and ends
// by itself.
func (n *Nodetool) LoseConnections(lose bool) { n.set(func() { n.lose = lose }) }

// FailRepairs makes repairs, previews and rebuilds fail for that cause; zero: they succeed.
func (n *Nodetool) FailRepairs(cause string) { n.set(func() { n.fail = cause }) }

// LeaveOut keeps the nodes of these sites out of previews, as nodetool's -dc does.
func (n *Nodetool) LeaveOut(sites ...string) { n.set(func() { n.away = sites }) }

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

func (r *Ring) find(n cassandra.Node) (*Node, error) {
	i := slices.IndexFunc(r.nodes, func(o *Node) bool { return o.Address() == n.Address.String() })
	if i < 0 {
		return nil, fmt.Errorf("there is no node %s", n.Address)
	}
	return r.nodes[i], nil
}

// Run runs nodetool on a node.
func (n *Nodetool) Run(_ context.Context, node cassandra.Node, args ...string) (string, error) {
	n.mu.Lock()
	n.calls = append(n.calls, node.Address.String()+" "+strings.Join(args, " "))
	fail := n.fail
	n.mu.Unlock()
	on, err := n.ring.find(node)
	if err != nil {
		return "", err
	}
	mode, err := on.mode()
	if err != nil {
		return "", err
	}
	switch {
	case args[0] == "netstats":
		return mode, nil
	case len(args) == 4 && slices.Equal(args[:3], []string{"repair", "-full", "-pr"}):
		record := on.begin(args[3])
		return n.carryOut(func() {
			if fail == "" {
				n.ring.repair(args[3])
			}
			record.end(on, fail)
		})
	case len(args) > 4 && slices.Equal(args[:3], []string{"repair", "-full", "-pr"}):
		record := on.begin("")
		record.narrow(on, args[3:])
		return n.carryOut(func() { record.end(on, fail) })
	case len(args) > 4 && slices.Equal(args[:3], []string{"repair", "-full", "--preview"}):
		return n.carryOut(n.ring.preview(on, n.away, args[3], args[4:], fail))
	case len(args) == 5 && args[0] == "rebuild" && args[1] == "-ks":
		return n.carryOut(n.ring.rebuild(on, args[2], args[4], fail))
	}
	return n.runQuick(on, args)
}

// carryOut does what takes time.
func (n *Nodetool) carryOut(end func()) (string, error) {
	n.mu.Lock()
	lose, fail := n.lose, n.fail
	n.mu.Unlock()
	if lose {
		time.AfterFunc(20*time.Millisecond, end)
		return "", ErrLost
	}
	if end(); fail != "" {
		return "Some repair failed\n", errors.New("exit status 2")
	}
	return "completed successfully\n", nil
}

func (n *Nodetool) runQuick(on *Node, args []string) (string, error) {
	switch strings.Join(args[:min(len(args), 3)], " ") {
	case "drain": // it serves nobody any more, and answers nodetool
		on.Stop()
		on.set(func() { on.drained = true })
		return "", nil
	case "flush " + args[len(args)-1]:
		return "", nil
	case "cleanup " + args[len(args)-1]:
		n.ring.cleanup(on, args[1])
		return "", nil
	case "listsnapshots":
		return on.listSnapshots(), nil
	case "snapshot -t " + args[min(len(args)-1, 2)]:
		return "", on.snapshot(args[2], args[4])
	case "tablestats -F json":
		return n.ring.tableStats(on, args[3]), nil
	case "reloadlocalschema":
		on.mu.Lock()
		stubborn := on.stubborn
		on.mu.Unlock()
		if !stubborn {
			on.SplitSchema(false)
		}
		return "", nil
	}
	return "", fmt.Errorf("not supported: %v", args)
}

// repair is a repair or preview as its node remembers it.
type repair struct {
	id        gocql.UUID
	keyspace  string
	completed bool
	failure   string

	preview bool
	tables  []string
	others  []string // internode addresses of the nodes that took part
	message string

	only    []string // tables, where some were named
	centers []string // data centers, where some were named
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

// narrow is for what less is repaired: "-local KEYSPACE" or "KEYSPACE TABLE…". The rows stay as they are: a test wants to see
// that it was not enough.
func (r *repair) narrow(on *Node, args []string) {
	on.set(func() {
		if args[0] == "-local" {
			r.keyspace, r.centers = args[1], []string{string(on.site)}
			return
		}
		r.keyspace, r.only, r.tables = args[0], args[1:], args[1:]
	})
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
		var failure, message any
		kind := "NONE"
		if r.failure != "" {
			failure = r.failure
		}
		if r.preview {
			kind, message = "ALL", r.message
		}
		whole := []string{"(0,0]"} // from a token around to itself: all tokens
		rows = append(rows, []any{r.id, r.keyspace, false, kind, true, r.completed, failure, r.tables, whole, r.others, message,
			r.only, r.centers, []string{}, false, false, false})
	}
	return rows
}
