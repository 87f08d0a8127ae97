package supervisor

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/georedkit/georedkit/internal/lab/cgroup"
	"github.com/georedkit/georedkit/internal/lab/network"
	"github.com/georedkit/georedkit/internal/lab/node"
)

// machine is a running node, seen from outside: the first process of its namespaces.
type machine struct {
	process   *os.Process
	namespace *network.Namespace
	control   *os.File
	ended     chan struct{} // closed when the process is gone

	mutex   sync.Mutex
	encoder *json.Encoder
	orders  int
	waiting map[int]chan node.Answer
}

// parents runs what starts processes, on a thread that lives as long as this process: the kernel kills a node
// when the thread that started it ends.
var parents = func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for call := range calls {
			call()
		}
	}()
	return calls
}()

// startMachine starts the first process of a node. It waits for its spec; until then it does nothing.
func startMachine(tree cgroup.Tree, group, log string) (*machine, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	theirs := os.NewFile(uintptr(pair[1]), "node")
	defer theirs.Close()
	// Non-blocking, so that closing it ends a read.
	if err := unix.SetNonblock(pair[0], true); err != nil {
		return nil, err
	}
	ours := os.NewFile(uintptr(pair[0]), "node")
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	command := exec.Command("/proc/self/exe", "node-init")
	command.Stdout, command.Stderr = output, output
	command.ExtraFiles = []*os.File{theirs}
	command.Env = []string{}
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true,
	}
	started := make(chan error)
	parents <- func() { started <- command.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start a node: %w", err)
	}
	m := &machine{
		process: command.Process, control: ours, ended: make(chan struct{}),
		encoder: json.NewEncoder(ours), waiting: map[int]chan node.Answer{},
	}
	go func() {
		// How it ended does not matter: a node is only ever killed.
		_ = command.Wait()
		close(m.ended)
	}()
	if err := tree.Create(group); err != nil {
		return m, err
	}
	if err := tree.Enter(group, m.process.Pid); err != nil {
		return m, err
	}
	m.namespace, err = network.OfProcess(m.process.Pid)
	return m, err
}

// run hands the node its spec and reads its reports until it ends.
func (m *machine) run(spec node.Spec, report func(node.Report)) error {
	if err := m.send(spec); err != nil {
		return err
	}
	go func() {
		decoder := json.NewDecoder(m.control)
		for {
			var r node.Report
			if decoder.Decode(&r) != nil {
				return
			}
			if r.Answer != nil {
				m.answered(*r.Answer)
				continue
			}
			report(r)
		}
	}()
	return nil
}

func (m *machine) send(value any) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.encoder.Encode(value)
}

// signal has a server of the node signalled and returns what was seen then.
func (m *machine) signal(server string, signal syscall.Signal) (node.Answer, error) {
	answered := make(chan node.Answer, 1)
	m.mutex.Lock()
	m.orders++
	id := m.orders
	m.waiting[id] = answered
	m.mutex.Unlock()
	if err := m.send(node.Order{ID: id, Server: server, Signal: int(signal)}); err != nil {
		return node.Answer{}, err
	}
	select {
	case answer := <-answered:
		if answer.Error != "" {
			return answer, fmt.Errorf("%s", answer.Error)
		}
		return answer, nil
	case <-m.ended:
		return node.Answer{}, fmt.Errorf("the node is not running")
	case <-time.After(10 * time.Second):
		return node.Answer{}, fmt.Errorf("no answer from the node: is it frozen?")
	}
}

func (m *machine) answered(answer node.Answer) {
	m.mutex.Lock()
	waiting := m.waiting[answer.ID]
	delete(m.waiting, answer.ID)
	m.mutex.Unlock()
	if waiting != nil {
		waiting <- answer
	}
}

// kill is the power cut: everything in the node dies at once.
func (m *machine) kill() {
	m.process.Kill()
	<-m.ended
	m.control.Close()
	if m.namespace != nil {
		m.namespace.Close()
	}
}
