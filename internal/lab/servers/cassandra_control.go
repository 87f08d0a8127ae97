package servers

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cassandraState is what changes while a ring runs.
type cassandraState struct {
	processes map[string]*os.Process // by name of the server
	ports     map[string]int         // of management
	moves     map[string]int         // how often a server has changed its address
	stale     map[string]string      // addresses that names lead to for other servers; nil: the present ones
	replaced  map[string]bool        // servers that stand in for lost ones: they are no seeds of their own, as those cannot bootstrap
}

const movedBy = 50 // by how much the last number of an address grows with each move

func newCassandraState() *cassandraState {
	return &cassandraState{processes: map[string]*os.Process{}, ports: map[string]int{}, moves: map[string]int{}, replaced: map[string]bool{}}
}

// port stays the same when a server starts again.
func (s *cassandraState) port(name string) (int, error) {
	if s.ports[name] == 0 {
		port, err := FreePort("127.0.0.1")
		if err != nil {
			return 0, err
		}
		s.ports[name] = port
	}
	return s.ports[name], nil
}

// writeNames tells every server which address each name has: as DNS does, and as DNS that is cut off does when names are
// stale.
func (c cassandra) writeNames() error {
	machine, err := os.Hostname()
	if err != nil {
		return err
	}
	for name, present := range c.addresses() {
		lines := fmt.Sprintf("127.0.0.1 localhost %s\n%s %s\n", machine, present, name)
		for other, address := range c.addresses() {
			if was, ok := c.state.stale[other]; ok {
				address = was
			}
			if other != name {
				lines += address + " " + other + "\n"
			}
		}
		home := filepath.Join(c.dir, name)
		if err := os.MkdirAll(home, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(home, "hosts"), []byte(lines), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (c cassandra) addresses() map[string]string {
	all := map[string]string{}
	for s := range c.sites {
		for i := range c.nodes {
			all[c.name(s, i)] = c.host(s, i)
		}
	}
	return all
}

// fault brings a fault about, or takes it away. A server is named by site and node, the first being 1; one that comes
// back may have moved to another address, have lost what it held of a keyspace, and take options for Java. It is stopped in
// peace: these servers do not flush their system tables, so that a killed one would forget its schema. One that is lost is
// killed, and its disk with it; an empty server replaces it.
func (c cassandra) fault(set *Set, r *http.Request) error {
	ctx, on := r.Context(), r.Method == http.MethodPost
	switch name := r.FormValue("name"); name {
	case "names-stale":
		if c.state.stale = nil; on {
			c.state.stale = c.addresses()
		}
		return c.writeNames()
	case "node-stopped":
		s, i, err := c.place(r.FormValue("site"), r.FormValue("node"))
		if err != nil {
			return err
		}
		if on {
			process, end := c.state.processes[c.name(s, i)], set.Terminate
			if r.FormValue("killed") != "" {
				end = set.Kill
			}
			return errors.Join(end(process), gone(ctx, process))
		}
		if r.FormValue("moved") != "" {
			c.state.moves[c.name(s, i)]++
		}
		if keyspace := r.FormValue("lost"); keyspace != "" {
			if err := c.lose(s, i, keyspace); err != nil {
				return err
			}
		}
		if _, err := c.run(set, s, i, strings.Fields(r.FormValue("options"))...); err != nil {
			return err
		}
		return set.AwaitPort(ctx, c.host(s, i)+":9042")
	case "node-lost":
		s, i, err := c.place(r.FormValue("site"), r.FormValue("node"))
		switch {
		case err != nil:
			return err
		case on:
			process := c.state.processes[c.name(s, i)]
			return errors.Join(set.Kill(process), gone(ctx, process), os.RemoveAll(c.data(s, i)))
		}
		return c.replace(set, s, i, r.FormValue("moved") != "")
	default:
		return fmt.Errorf("fault %q is not known", name)
	}
}

// lose takes a stopped server's files of a keyspace away, as the loss of a disk does.
func (c cassandra) lose(s, i int, keyspace string) error {
	if keyspace != filepath.Base(keyspace) || strings.HasPrefix(keyspace, ".") {
		return fmt.Errorf("keyspace %q is no name", keyspace)
	}
	data := filepath.Join(c.data(s, i), "data", keyspace)
	if _, err := os.Stat(data); err != nil {
		return err // losing nothing is no fault
	}
	return os.RemoveAll(data)
}

func (c cassandra) data(s, i int) string { return filepath.Join(c.dir, c.name(s, i), "data") }

// replace starts an empty server that takes the place of a lost one, and does not wait for it.
func (c cassandra) replace(set *Set, s, i int, moved bool) error {
	lost, name := c.host(s, i), c.name(s, i)
	if _, err := os.Stat(c.data(s, i)); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("server %s is not lost: %s may be there: %v", name, c.data(s, i), err)
	}
	if c.state.replaced[name] = true; moved {
		c.state.moves[name]++
	}
	_, err := c.run(set, s, i, "-Dcassandra.replace_address_first_boot="+lost, "-Dcassandra.auto_bootstrap=true")
	return err
}

func (c cassandra) place(site, node string) (s, i int, err error) {
	for s := range c.sites {
		if i, err := strconv.Atoi(node); site == fmt.Sprintf("dc%d", s+1) && err == nil && i >= 1 && i <= c.nodes {
			return s, i - 1, nil
		}
	}
	return 0, 0, fmt.Errorf("there is no node %q in site %q", node, site)
}
