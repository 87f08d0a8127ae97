package cassandra

import (
	"net/netip"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Node is a node of the ring, as it or another node describes it.
type Node struct {
	Site       geored.SiteName `json:"site,omitempty"` // zero: its data center is that of no configured site
	HostID     string          `json:"hostID"`         // stays when the address changes
	Address    netip.AddrPort  `json:"address"`        // where clients reach it
	Internode  netip.Addr      `json:"internode"`      // where other nodes reach it
	DataCenter string          `json:"dataCenter"`
	Rack       string          `json:"rack"`
	Version    string          `json:"version"`
	Schema     string          `json:"schema"` // version of the schema
	Tokens     []string        `json:"tokens,omitempty"`
}

// Target is the node as a target of a question.
func (n Node) Target() geored.Target {
	return geored.Target{Site: n.Site, Name: "node " + n.Address.String()}
}

// View is the ring as one node sees it. Gossip, hints and settings come from virtual tables, which every server from 4.1
// on has; what could not be read stands in Unread and is zero here.
type View struct {
	Node        Node              `json:"node"`                 // the node itself
	Configured  geored.SiteName   `json:"configured,omitempty"` // the site whose contact point led here; zero: found through peers
	Cluster     string            `json:"cluster"`
	Partitioner string            `json:"partitioner"`
	Peers       []Node            `json:"peers"` // the other nodes, by host ID
	Gossip      []Gossip          `json:"gossip,omitempty"`
	Hints       []Hints           `json:"hints,omitempty"`
	Settings    map[string]string `json:"settings,omitempty"`
	Keyspaces   []Keyspace        `json:"keyspaces,omitempty"`
	Unread      []Unread          `json:"unread,omitempty"`
}

// Unread is a table that a node could not be asked for.
type Unread struct {
	Table  string `json:"table"`
	Reason string `json:"reason"`
}

func (v View) unread(table string) (reason string, ok bool) {
	for _, u := range v.Unread {
		if u.Table == table {
			return u.Reason, true
		}
	}
	return "", false
}

// Gossip is what a node has heard of another or of itself. The heartbeat of a node that can be heard rises every second.
type Gossip struct {
	HostID     string     `json:"hostID"`
	Internode  netip.Addr `json:"internode"`
	Generation int64      `json:"generation"` // rises when the node restarts
	Heartbeat  int64      `json:"heartbeat"`
	Status     string     `json:"status"`
}

// Hints are the finished files of writes that a node keeps for another one which was away. The file that it is writing
// is not among them: it is finished when the other is back.
type Hints struct {
	HostID string    `json:"hostID"` // of the node they are for
	Files  int64     `json:"files"`
	Oldest time.Time `json:"oldest"`
	Newest time.Time `json:"newest"`
}

// Keyspace is a keyspace and where its replicas are.
type Keyspace struct {
	Name        string            `json:"name"`
	Class       string            `json:"class"`       // of the replication strategy, without its package
	Replication map[string]string `json:"replication"` // with NetworkTopologyStrategy: data center to number of replicas
}
