package labtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// On runs a program of this machine in the network of a node and gives what it printed.
func (l *Lab) On(node string, argv ...string) string {
	l.t.Helper()
	return l.run(fmt.Sprintf("/proc/%d/ns/net", l.pid(node)), argv)
}

// OnWAN runs a program of this machine in the network between the sites.
func (l *Lab) OnWAN(argv ...string) string {
	l.t.Helper()
	ctx, cancel := cleanup(l.t)
	defer cancel()
	return l.run(l.status(ctx).WAN, argv)
}

func (l *Lab) run(namespace string, argv []string) string {
	l.t.Helper()
	ctx, cancel := cleanup(l.t) // faults are taken back by it too
	defer cancel()
	output, err := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + namespace, "--"}, argv...)...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%v: %v: %s", argv, err, output)
	}
	return string(output)
}

// pid is the first process of a node.
func (l *Lab) pid(node string) int {
	l.t.Helper()
	ctx, cancel := cleanup(l.t)
	defer cancel()
	for _, site := range l.status(ctx).Sites {
		if pid, ok := site.Nodes[node]; ok {
			return pid
		}
	}
	l.t.Fatalf("node %s: not in the laboratory", node)
	return 0
}

// Process is a process in the network of a node, found by the beginning of its command line: of the node itself, or of a
// pod on the host network. 0: there is none.
func (l *Lab) Process(node string, argv ...string) int {
	l.t.Helper()
	network, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", l.pid(node)))
	if err != nil {
		l.t.Fatal(err)
	}
	begins := []byte(strings.Join(argv, "\x00") + "\x00")
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, path := range lines {
		folder := filepath.Dir(path)
		line, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(line, begins) {
			continue // it ended meanwhile, or is another
		}
		if ns, err := os.Readlink(filepath.Join(folder, "ns", "net")); err == nil && ns == network {
			pid, _ := strconv.Atoi(filepath.Base(folder))
			return pid
		}
	}
	return 0
}

// File is a file as the container of a process has it, for programs of this machine.
func File(pid int, path string) string { return fmt.Sprintf("/proc/%d/root%s", pid, path) }
