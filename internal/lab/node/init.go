package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/georedkit/georedkit/internal/lab/config"
)

// ControlFD is the file descriptor of the connection to the supervisor.
const ControlFD = 3

// Main is the first process of a node. It returns only when it fails.
func Main() error {
	control := os.NewFile(ControlFD, "supervisor")
	if control == nil || os.Getpid() != 1 {
		return errors.New("this is started by the laboratory only")
	}
	// What the servers must not inherit.
	syscall.CloseOnExec(ControlFD)
	decoder := json.NewDecoder(control)
	var spec Spec
	if err := decoder.Decode(&spec); err != nil {
		return fmt.Errorf("the supervisor's order: %w", err)
	}
	n := &machine{spec: spec, encoder: json.NewEncoder(control), processes: newProcesses(), servers: map[string]*server{}}
	if err := spec.mountAll(); err != nil {
		n.report(Report{Failed: err.Error()})
		return err
	}
	n.report(Report{Stage: "machine"})
	go n.boot()
	for {
		var order Order
		// The end of the connection is the end of the supervisor: the node goes with it.
		if err := decoder.Decode(&order); err != nil {
			return fmt.Errorf("the supervisor is gone: %w", err)
		}
		go n.obey(order)
	}
}

type machine struct {
	spec      Spec
	processes *processes

	mutex   sync.Mutex
	encoder *json.Encoder
	servers map[string]*server // started already, by name
}

func (n *machine) report(r Report) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	// Nobody is left to tell when this fails; the reader of orders ends the node then.
	_ = n.encoder.Encode(r)
}

func (n *machine) obey(order Order) {
	answer := Answer{ID: order.ID}
	if server := n.server(order.Server); server == nil {
		answer.Error = fmt.Sprintf("no process %q on this node", order.Server)
	} else if pid, evidence, err := server.signal(syscall.Signal(order.Signal)); err != nil {
		answer.Error = err.Error()
	} else {
		answer.PID, answer.Evidence = pid, evidence
	}
	n.report(Report{Answer: &answer})
}

func (n *machine) server(name string) *server {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return n.servers[name]
}

// run starts one of the node's servers, if it has it.
func (n *machine) run(name string) error {
	for _, command := range n.spec.Machine.Commands() {
		if command.Name != name {
			continue
		}
		s := &server{command: command, processes: n.processes, log: n.log(name), died: func(server, how string) {
			n.report(Report{Stage: "died", Server: server + ": " + how})
		}}
		n.mutex.Lock()
		n.servers[name] = s
		n.mutex.Unlock()
		if err := s.run(); err != nil {
			return &serverError{name, err}
		}
	}
	return nil
}

func (n *machine) log(server string) string { return LogFile(n.spec.Machine, server) }

// LogFile is where a server of a node writes.
func LogFile(m config.Machine, server string) string {
	return filepath.Join(m.Folder, "log", server+".log")
}

// serverError names the server that kept a node from starting.
type serverError struct {
	server string
	err    error
}

func (e *serverError) Error() string { return e.server + ": " + e.err.Error() }
func (e *serverError) Unwrap() error { return e.err }
