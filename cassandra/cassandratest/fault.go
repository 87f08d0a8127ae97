package cassandratest

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/georedkit/georedkit/cassandra"
)

// The faults of a node. Each stays until it is taken back; [Node.Start], [Node.Continue] and the functions' zero values
// do that.

func (n *Node) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

// Stop makes the node unreachable: connections are refused and those there are end.
func (n *Node) Stop() {
	n.close()
	n.set(func() { n.drained = false })
}

// Start brings a stopped node back, at the same address.
func (n *Node) Start() {
	n.ring.t.Helper()
	n.startAt(n.Address())
}

func (n *Node) startAt(address string) {
	n.ring.t.Helper()
	if err := n.listen(address); err != nil {
		n.ring.t.Fatal(err)
	}
}

// Pause makes the node accept connections and answer nothing, as a process that was sent SIGSTOP.
func (n *Node) Pause() {
	n.set(func() {
		if n.hang == nil {
			n.hang = make(chan struct{})
		}
	})
}

// Continue ends a pause.
func (n *Node) Continue() {
	n.set(func() {
		if n.hang != nil {
			close(n.hang)
			n.hang = nil
		}
	})
}

// Delay makes each answer take that long.
func (n *Node) Delay(d time.Duration) { n.set(func() { n.delay = d }) }

// RefuseLogin makes the node refuse every user, as one does that cannot read system_auth.
func (n *Node) RefuseLogin(refuse bool) { n.set(func() { n.refuses = refuse }) }

// SpeakVersion3 makes the node refuse every version of the protocol but 3, as servers before 2.2 do.
func (n *Node) SpeakVersion3(only bool) { n.set(func() { n.version3 = only }) }

// SplitSchema gives the node a schema version of its own; false takes it back.
func (n *Node) SplitSchema(split bool) {
	n.set(func() {
		n.schema = [16]byte{0x5c}
		if split {
			n.schema[15] = byte(n.number)
		}
	})
}

// Forget makes the node know nothing of another.
func (n *Node) Forget(other *Node, forget bool) { n.fault("strange", other, forget) }

// Remember makes the node know another by an address that it no longer has.
func (n *Node) Remember(other *Node, old bool) { n.fault("old", other, old) }

// Deafen makes the node hear no more of another: its heartbeat stands still there.
func (n *Node) Deafen(other *Node, deaf bool) { n.fault("deaf", other, deaf) }

// Misplace makes the node believe another to be in a rack that it is not in.
func (n *Node) Misplace(other *Node, wrong bool) { n.fault("misplaced", other, wrong) }

// TakeTokenOf gives the node the token of another, which keeps it.
func (n *Node) TakeTokenOf(other *Node) { n.set(func() { n.token = other.token }) }

func (n *Node) fault(kind string, other *Node, on bool) {
	n.set(func() { n.faults[kind+" "+strconv.Itoa(other.number)] = on })
}

// CloseTable makes the node refuse to read a table, "system_views.gossip_info", for want of permission or version.
func (n *Node) CloseTable(table string, closed bool) {
	n.set(func() { n.faults["closed "+table] = closed })
}

// MoveTo puts the node into another data center; zero is that of its site.
func (n *Node) MoveTo(dataCenter string) { n.set(func() { n.dataCenter = dataCenter }) }

// SetVersion is the release that the node says it is.
func (n *Node) SetVersion(version string) { n.set(func() { n.version = version }) }

// Set changes a setting, as system_views.settings shows it.
func (n *Node) Set(setting, value string) { n.set(func() { n.settings[setting] = value }) }

// KeepHints makes the node keep files of hints for another; 0 takes them away.
func (n *Node) KeepHints(other *Node, files int) {
	n.set(func() {
		if n.hints == nil {
			n.hints = map[*Node]int{}
		}
		n.hints[other] = files
	})
}

// TimeOut makes reads of ranges that are wider time out in the server; 0 takes it back.
func (n *Node) TimeOut(wider uint64) { n.set(func() { n.widest = wider }) }

// PassReadsTo makes the node, as coordinator, read from another replica, as the dynamic snitch may; nil takes it back.
func (n *Node) PassReadsTo(other *Node) { n.set(func() { n.passesTo = other }) }

// Visit has clients of other users connected to the node; none: nobody.
func (n *Node) Visit(users ...string) { n.set(func() { n.visitors = users }) }

// KeepSplit makes the node's schema stay as it is when it is read again; a restart brings it to that of the others.
func (n *Node) KeepSplit(keep bool) { n.set(func() { n.stubborn = keep }) }

// LoseRows takes the rows of a keyspace from the node, as the loss of a disk does.
func (n *Node) LoseRows(keyspace string) {
	n.ring.mu.Lock()
	defer n.ring.mu.Unlock()
	for _, t := range n.ring.tables {
		if t.Keyspace == keyspace {
			clear(t.rows[n])
			clear(t.log[n])
		}
	}
}

// Crash kills the node, which is back at once: it replays its commit log, and so has again what was written since it started
// and dropped by cleanup.
func (n *Node) Crash() {
	n.ring.mu.Lock()
	for _, t := range n.ring.tables {
		maps.Copy(t.rows[n], t.log[n])
		clear(t.log[n])
	}
	n.ring.mu.Unlock()
	n.set(func() { n.generation++ })
}

// RestartElsewhere makes nodes that are restarted come back at another address, as pods do.
func (r *Ring) RestartElsewhere(elsewhere bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.elsewhere = elsewhere
}

// Restart is a [cassandra.Restarter]: the node comes back at once, with the schema of the others and an empty commit log.
func (r *Ring) Restart(_ context.Context, n cassandra.Node) error {
	on, err := r.find(n)
	if err != nil {
		return err
	}
	on.SplitSchema(false)
	r.mu.Lock()
	for _, t := range r.tables {
		clear(t.log[on])
	}
	elsewhere := r.elsewhere
	r.mu.Unlock()
	if elsewhere && !on.isDown() {
		on.Stop()
	}
	on.set(func() { on.generation++ })
	switch {
	case elsewhere:
		on.startAt("127.0.0.1:0")
	case on.isDown():
		on.Start()
	}
	return nil
}
