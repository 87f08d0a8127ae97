package cassandratest

import (
	"net"
	"strconv"
	"time"

	"github.com/gocql/gocql"
)

// description is a node as it shows itself to others.
type description struct {
	dataCenter, version string
	schema, hostID      gocql.UUID
}

func (n *Node) describe() description {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := description{string(n.site), "4.1.10", n.schema, n.hostID}
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
	return n.faults[fault+" "+strconv.Itoa(other.number)]
}

func (n *Node) tokens() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return []string{strconv.FormatInt(n.token, 10)}
}

func local(n *Node) [][]any {
	d := n.describe()
	return [][]any{{"local", "lab", "org.apache.cassandra.dht.Murmur3Partitioner", d.hostID, d.dataCenter, "rack1", d.version, d.schema,
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
		d, rack := o.describe(), "rack1"
		if n.has("misplaced", o) {
			rack = "rack9"
		}
		rows = append(rows, []any{net.IP(internode.AsSlice()), net.IP(o.addrPort().Addr().AsSlice()), int(o.addrPort().Port()), d.hostID,
			d.dataCenter, rack, d.version, d.schema, o.tokens()})
	}
	return append(rows, ghosts(n)...)
}

// ghosts are nodes that were replaced by this one, at its address.
func ghosts(n *Node) [][]any {
	d, internode, address := n.describe(), n.internode(), n.addrPort()
	n.mu.Lock()
	defer n.mu.Unlock()
	var rows [][]any
	for _, id := range n.ghosts {
		rows = append(rows, []any{net.IP(internode.AsSlice()), net.IP(address.Addr().AsSlice()), int(address.Port()), id, d.dataCenter, "rack1", d.version, d.schema, []string{}})
	}
	return rows
}

// oldPeers is what drivers look at after a change of the schema.
func oldPeers(n *Node) [][]any {
	rows := peers(n)
	for i, r := range rows {
		rows[i] = append(r[:2:2], r[3:]...)
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
		if n.has("deaf", o) || o.isDown() {
			heartbeat = 1
		}
		rows = append(rows, []any{net.IP(o.internode().AsSlice()), o.describe().hostID.String(), o.generationNow(), heartbeat, "NORMAL," + o.tokens()[0]})
	}
	return rows
}

func (n *Node) isDown() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.down
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
			rows = append(rows, []any{o.describe().hostID, files, time.UnixMicro(firstRow), time.UnixMicro(firstRow)})
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
