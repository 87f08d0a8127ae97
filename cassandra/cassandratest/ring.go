package cassandratest

import (
	"crypto/tls"
	"math"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

// Credentials of every ring.
const (
	User     = "lab"
	Secret   = "correct horse"
	firstRow = 1_700_000_000_000_000 // write time of the first row, in microseconds
)

// Ring is a ring of nodes that listen on loopback. It is safe for concurrent use.
type Ring struct {
	t      testing.TB
	sites  []geored.SiteName
	nodes  []*Node
	system map[string]systemTable

	certificate *tls.Certificate // nil: no TLS
	mutual      bool             // clients need one too
	starts      sync.WaitGroup   // of servers that replace lost ones

	mu        sync.Mutex
	keyspaces []cassandra.Keyspace
	tables    map[string]*table
	written   int64 // write time of the latest row
	looks     int64 // at gossip: heartbeats rise with them
	elsewhere bool  // nodes that are restarted come back at another address
}

// table is a table with its rows on each node.
type table struct {
	relation
	Table
	id   [16]byte
	rows map[*Node]map[string]row
	log  map[*Node]map[string]row // what clients wrote since the node started: it stands in its commit log
}

// Option sets what [New] starts.
type Option func(*options)

type options struct {
	nodes       int
	tls, mutual bool
}

// NodesPerSite is how many nodes each site has, all with a replica of every row; without it 1.
func NodesPerSite(n int) Option { return func(o *options) { o.nodes = n } }

// New starts a ring over the sites and stops it when the test ends. Its data centers are named as the sites are. It has
// the keyspaces system_auth and "dev", replicated to every site.
func New(t testing.TB, sites []geored.SiteName, opts ...Option) *Ring {
	t.Helper()
	o := options{nodes: 1}
	for _, opt := range opts {
		opt(&o)
	}
	r := &Ring{t: t, sites: sites, tables: map[string]*table{}, written: firstRow}
	system, err := systemTables()
	if err != nil {
		t.Fatal(err)
	}
	r.system = system
	if o.tls {
		if err := r.secure(o.mutual); err != nil {
			t.Fatal(err)
		}
	}
	replication := map[string]string{}
	for s, site := range sites {
		replication[string(site)] = strconv.Itoa(o.nodes)
		for i := range o.nodes {
			r.nodes = append(r.nodes, r.start(site, s, i, o.nodes*len(sites)))
		}
	}
	for _, name := range []string{"dev", "system_auth"} {
		r.keyspaces = append(r.keyspaces, cassandra.Keyspace{Name: name, Class: "NetworkTopologyStrategy", Replication: replication})
	}
	t.Cleanup(r.stop)
	return r
}

func (r *Ring) start(site geored.SiteName, s, i, all int) *Node {
	r.t.Helper()
	n := &Node{ring: r, site: site, number: len(r.nodes) + 1, faults: map[string]bool{}, scans: map[string]int64{}}
	n.token = math.MinInt64 + 1 + int64(uint64(n.number-1)*(math.MaxUint64/uint64(all)))
	n.hostID[0], n.hostID[1], n.hostID[15] = byte(s+1), byte(i+1), byte(n.number)
	n.schema = [16]byte{0x5c}
	n.settings = map[string]string{"max_hint_window": "3h", "hinted_handoff_enabled": "true"}
	if err := n.listen("127.0.0.1:0"); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *Ring) stop() {
	r.starts.Wait()
	for _, n := range r.nodes {
		n.close()
	}
}

// Config is how the ring is reached: each site by its first node.
func (r *Ring) Config() cassandra.Config {
	c := cassandra.Config{User: User, Password: cassandra.NewPassword(Secret), TLS: r.trust(), ConnectTimeout: 5 * time.Second, Timeout: 10 * time.Second}
	for _, site := range r.sites {
		c.Sites = append(c.Sites, cassandra.Site{Name: site, Nodes: []string{r.Node(site, 0).Address()}})
	}
	return c
}

// Node is the i-th node of a site, from 0.
func (r *Ring) Node(site geored.SiteName, i int) *Node {
	r.t.Helper()
	if nodes := r.at(site); i < len(nodes) {
		return nodes[i]
	}
	r.t.Fatalf("site %s has no node %d", site, i)
	return nil
}

func (r *Ring) at(site geored.SiteName) []*Node {
	return slices.DeleteFunc(slices.Clone(r.nodes), func(n *Node) bool { return n.site != site })
}
