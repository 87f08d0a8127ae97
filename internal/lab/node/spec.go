// Package node is the first process of a laboratory node: it makes the machine the servers believe to run on,
// starts them in order, restarts those that die, and buries their orphans. Its death ends the node.
package node

import (
	"github.com/georedkit/georedkit/internal/lab/config"
)

// Spec is what the supervisor tells a node first.
type Spec struct {
	Machine config.Machine
	Images  []string // archives to import
	Keep    []string // folders that must stay visible whatever is mounted above them
}

// Report is what a node tells its supervisor.
type Report struct {
	Stage  string `json:",omitempty"` // a step of the start that is done
	Failed string `json:",omitempty"` // the start failed: why
	Server string `json:",omitempty"` // the server that made it fail
	Answer *Answer
}

// Order asks a node to send a signal to one of its servers.
type Order struct {
	ID     int
	Server string
	Signal int
}

// Answer says what an order led to; it comes after the effect was seen.
type Answer struct {
	ID       int
	PID      int // inside the node
	Evidence string
	Error    string
}
