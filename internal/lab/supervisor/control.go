package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// socketName is an abstract one: it vanishes with the supervisor, so that holding it proves that the supervisor
// lives and that the name is taken.
func socketName(name string) string { return "@georedkit-lab-" + name }

// Status is what a living laboratory says of itself.
type Status struct {
	Name   string       `json:"name"`
	PID    int          `json:"pid"`
	Dir    string       `json:"dir"`
	Phase  phase        `json:"phase"`
	WAN    string       `json:"wan,omitempty"` // the namespace of the bridges, for nsenter --net
	Sites  []SiteStatus `json:"sites"`
	Faults []string     `json:"faults"`
}

// SiteStatus is one site of a Status; the processes are the first ones of its nodes, for nsenter -t.
type SiteStatus struct {
	Name  string         `json:"name"`
	Nodes map[string]int `json:"nodes"`
}

// Request asks a laboratory for a fault.
type Request struct {
	Kind string   `json:"kind"`
	Args []string `json:"args"`
}

// Response says what was seen after a fault was applied.
type Response struct {
	Evidence []string `json:"evidence,omitempty"`
	Error    string   `json:"error,omitempty"`
}

// listen takes the laboratory's name.
func (l *Laboratory) listen(ctx context.Context) (*http.Server, error) {
	listener, err := net.Listen("unix", socketName(l.name))
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("laboratory %s: runs already", l.name)
	}
	if err != nil {
		return nil, fmt.Errorf("laboratory %s: %w", l.name, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, l.status()) })
	mux.HandleFunc("POST /down", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, Response{})
		l.down()
	})
	mux.HandleFunc("POST /fault", func(w http.ResponseWriter, r *http.Request) {
		var request Request
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			answer(w, Response{Error: err.Error()})
			return
		}
		evidence, err := l.fault(ctx, request) // not the asker's context: who goes away does not undo half a fault
		response := Response{Evidence: evidence}
		if err != nil {
			response.Error = err.Error()
		}
		answer(w, response)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(rootOnly{listener})
	return server, nil
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	// Nobody to tell when the asker went away.
	_ = json.NewEncoder(w).Encode(value)
}

// rootOnly turns everyone else away: an abstract socket has no permissions.
type rootOnly struct{ net.Listener }

func (l rootOnly) Accept() (net.Conn, error) {
	for {
		connection, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if peerIsRoot(connection.(*net.UnixConn)) {
			return connection, nil
		}
		connection.Close()
	}
}

func peerIsRoot(connection *net.UnixConn) bool {
	raw, err := connection.SyscallConn()
	if err != nil {
		return false
	}
	root := false
	err = raw.Control(func(fd uintptr) {
		peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		root = err == nil && peer.Uid == 0
	})
	return err == nil && root
}

func (l *Laboratory) status() Status {
	status := Status{Name: l.name, PID: os.Getpid(), Dir: string(l.folder), Sites: []SiteStatus{}}
	l.mutex.Lock()
	status.Phase = l.phase
	status.Faults = slices.AppendSeq([]string{}, maps.Keys(l.faults))
	l.mutex.Unlock()
	slices.Sort(status.Faults)
	if status.Phase != phaseReady {
		return status // its parts are still being made, or taken apart
	}
	status.WAN = l.fabric.Namespace.Path()
	for _, s := range l.sites {
		nodes := map[string]int{}
		for i, m := range s.running() {
			if m != nil { // a start that failed half way
				nodes[s.plan.Nodes[i].Name] = m.process.Pid
			}
		}
		status.Sites = append(status.Sites, SiteStatus{s.plan.Name, nodes})
	}
	return status
}
