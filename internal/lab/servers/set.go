package servers

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Set is running servers.
type Set struct {
	dir  string
	died chan string // name of a server that ended before it was stopped

	mu      sync.Mutex
	stopped bool
	killed  map[int]bool // processes that were killed on purpose
	after   []func()
	running []*exec.Cmd
	waits   sync.WaitGroup
}

// NewSet is a set without servers, whose logs go below dir.
func NewSet(dir string) *Set {
	return &Set{dir: dir, died: make(chan string, 16), killed: map[int]bool{}}
}

// Run starts one server. It dies with this process, however that ends; its output goes to NAME.log.
func (s *Set) Run(name string, environment []string, program string, args ...string) (*os.Process, error) {
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command := exec.Command(program, args...)
	command.Env = append(os.Environ(), environment...)
	command.Dir, command.Stdout, command.Stderr = s.dir, log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	s.waits.Add(1)
	go func() {
		defer s.waits.Done()
		// The death signal is tied to the thread that started the server, so this one stays with it.
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait() // how it ended stands in its log
			s.ended(name, command.Process.Pid)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(s.running, command)
	return command.Process, nil
}

// Kill ends one server on purpose, with everything it started: [Set.Run] may start it again.
func (s *Set) Kill(process *os.Process) error { return s.end(process, syscall.SIGKILL) }

// Terminate asks one server to end: [Set.Run] may start it again.
func (s *Set) Terminate(process *os.Process) error { return s.end(process, syscall.SIGTERM) }

func (s *Set) end(process *os.Process, signal syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killed[process.Pid] = true
	return syscall.Kill(-process.Pid, signal)
}

// AfterStop has f called when the servers are gone.
func (s *Set) AfterStop(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after = append(s.after, f)
}

func (s *Set) ended(name string, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped && !s.killed[pid] {
		select {
		case s.died <- name:
		default:
		}
	}
}

// Stop kills the servers with everything they started and waits until they are gone.
func (s *Set) Stop() {
	s.mu.Lock()
	s.stopped = true
	for _, command := range s.running {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // already gone is fine
	}
	after := s.after
	s.after = nil
	s.mu.Unlock()
	s.waits.Wait()
	for _, f := range after {
		f()
	}
}

// AwaitPort returns when somebody listens at the address.
func (s *Set) AwaitPort(ctx context.Context, address string) error {
	for {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", address, err)
		case name := <-s.died:
			return fmt.Errorf("%s ended; see its log below %s", name, s.dir)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// FreePort finds a free TCP port on a loopback address.
func FreePort(host string) (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
