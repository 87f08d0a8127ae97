package cassandratest

import (
	"strings"

	"github.com/georedkit/georedkit/cassandra"
)

// change carries out ALTER KEYSPACE, TRUNCATE of the notes of what was received, or DELETE of a peer.
func (n *Node) change(s statement) ([]byte, error) {
	if s.deletes {
		if s.keyspace != "system" || !strings.HasPrefix(s.table, "peers") || len(s.conditions) != 1 || s.conditions[0].column != "peer" {
			return nil, invalid("DELETE of %s.%s is not supported", s.keyspace, s.table)
		}
		if s.conditions[0].literal == n.internode().String() {
			n.set(func() { n.ghosts = nil })
		}
		return appendInt(nil, resultVoid), nil
	}
	if s.truncates {
		if s.keyspace != "system" || s.table != "available_ranges_v2" {
			return nil, invalid("TRUNCATE of %s.%s is not supported", s.keyspace, s.table)
		}
		for _, o := range n.ring.nodes { // Cassandra has every node do it
			o.set(func() { o.received = map[string]bool{} })
		}
		return appendInt(nil, resultVoid), nil
	}
	class := s.alters["class"]
	delete(s.alters, "class")
	n.ring.SetReplication(cassandra.Keyspace{Name: s.keyspace, Class: class, Replication: s.alters})
	body := appendString(appendInt(nil, resultSchema), "UPDATED")
	return appendString(appendString(body, "KEYSPACE"), s.keyspace), nil
}

// replicatedAt says whether a keyspace has replicas in a data center.
func (r *Ring) replicatedAt(keyspace, dataCenter string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.keyspaces {
		if k.Name == keyspace {
			return k.Replication[dataCenter] != "" && k.Replication[dataCenter] != "0"
		}
	}
	return false
}
