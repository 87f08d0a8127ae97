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
		clear(t.log[n])
	}
}

// Replacer is a [cassandra.Replacer] for the nodes of a [Ring]. It has evidence for those that were lost by [Node.Lose]
// and for no others. The new server needs a moment, has the rows of another node, and listens where the old one did.
type Replacer struct {
	ring *Ring

	mu    sync.Mutex
	begun map[string]cassandra.ReplaceProgress // by address
	moved bool
	empty bool
	ghost bool
	keeps bool
}

// Replacer makes a replacer for the ring.
func (r *Ring) Replacer() *Replacer {
	return &Replacer{ring: r, begun: map[string]cassandra.ReplaceProgress{}}
}

// Move gives new servers other host IDs, as those get that come back at other addresses.
func (x *Replacer) Move(moved bool) { x.set(func() { x.moved = moved }) }

// StreamNothing makes new servers begin without rows, as those do whose auto_bootstrap is off.
func (x *Replacer) StreamNothing(empty bool) { x.set(func() { x.empty = empty }) }

// LeaveGhosts makes new servers that have other host IDs keep the old ones among their peers, as late gossip does.
func (x *Replacer) LeaveGhosts(leave bool) { x.set(func() { x.ghost = leave }) }

// KeepSettings makes what the first start needs stay until [Replacer.End], as the settings of pods do.
func (x *Replacer) KeepSettings(keep bool) { x.set(func() { x.keeps = keep }) }

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

// Progress says whether a new server was started, and whether its settings are kept.
func (x *Replacer) Progress(_ context.Context, n cassandra.Node) (cassandra.ReplaceProgress, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.begun[n.Address.String()], nil
}

// End takes the settings of the first start away. The server starts once more, at once.
func (x *Replacer) End(_ context.Context, n cassandra.Node) error {
	on, err := x.ring.find(n)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.begun[on.Address()] != cassandra.ReplaceBegun {
		return fmt.Errorf("node %s has no settings of a first start", on.Address())
	}
	x.begun[on.Address()] = cassandra.ReplaceEnded
	on.set(func() { on.generation++ })
	return nil
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
	if x.begun[on.Address()] != cassandra.ReplaceNotBegun {
		return errors.New("two servers would have one place")
	}
	if x.begun[on.Address()] = cassandra.ReplaceEnded; x.keeps {
		x.begun[on.Address()] = cassandra.ReplaceBegun
	}
	moved, empty, ghost := x.moved, x.empty, x.ghost
	x.ring.starts.Add(1)
	time.AfterFunc(20*time.Millisecond, func() {
		defer x.ring.starts.Done()
		if !empty {
			x.ring.stream(on)
		}
		on.set(func() {
			if ghost && moved {
				on.ghosts = append(on.ghosts, on.hostID)
			}
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
