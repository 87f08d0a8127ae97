package cassandratest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/georedkit/georedkit/cassandra"
)

// Lose ends the node's server and takes its disk away, for good: only a [Replacer] brings its place back.
func (n *Node) Lose() {
	n.close()
	n.set(func() { n.lost = true })
	n.ring.mu.Lock()
	defer n.ring.mu.Unlock()
	for _, t := range n.ring.tables {
		clear(t.rows[n])
	}
}

// Replacer is a [cassandra.Replacer] for the nodes of a [Ring]. It has evidence for those that were lost by [Node.Lose]
// and for no others. The new server needs a moment, has the rows of another node, and listens where the old one did.
type Replacer struct {
	ring *Ring

	mu    sync.Mutex
	begun map[string]bool // by address
	moved bool
	empty bool
}

// Replacer makes a replacer for the ring.
func (r *Ring) Replacer() *Replacer { return &Replacer{ring: r, begun: map[string]bool{}} }

// Move gives new servers other host IDs, as those get that come back at other addresses.
func (x *Replacer) Move(moved bool) { x.set(func() { x.moved = moved }) }

// StreamNothing makes new servers begin without rows, as those do whose auto_bootstrap is off.
func (x *Replacer) StreamNothing(empty bool) { x.set(func() { x.empty = empty }) }

func (x *Replacer) set(change func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change()
}

// Lost says whether the node's disk is gone.
func (x *Replacer) Lost(_ context.Context, n cassandra.Node) (string, error) {
	on, err := x.ring.find(n)
	if err != nil {
		return "", err
	}
	on.mu.Lock()
	defer on.mu.Unlock()
	if !on.lost {
		return "", fmt.Errorf("node %s: its disk is there", n.Address)
	}
	return fmt.Sprintf("node %s has no disk", n.Address), nil
}

// Begun says whether a new server was started.
func (x *Replacer) Begun(_ context.Context, n cassandra.Node) (bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.begun[n.Address.String()], nil
}

// Begin starts a new server, which serves clients when it has its rows.
func (x *Replacer) Begin(_ context.Context, n cassandra.Node, option string) error {
	on, err := x.ring.find(n)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(option, "="+on.internode().String()) {
		return fmt.Errorf("option %q is not for node %s", option, on.internode())
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.begun[on.address] {
		return errors.New("two servers would have one place")
	}
	x.begun[on.address] = true
	moved, empty := x.moved, x.empty
	x.ring.starts.Add(1)
	time.AfterFunc(20*time.Millisecond, func() {
		defer x.ring.starts.Done()
		if !empty {
			x.ring.stream(on)
		}
		on.set(func() {
			if on.generation++; moved {
				on.hostID[2]++
			}
			on.lost = false
		})
		on.Start()
	})
	return nil
}

// stream gives a node the rows that another one has.
func (r *Ring) stream(to *Node) {
	for _, from := range r.nodes {
		if from == to || from.isDown() {
			continue
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, t := range r.tables {
			maps.Copy(t.rows[to], t.rows[from])
		}
		return
	}
}
