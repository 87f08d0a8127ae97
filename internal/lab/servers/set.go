package servers

import (
	"context"
	"fmt"
	"io"
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
	running []*exec.Cmd
	kept    []io.Closer
	waits   sync.WaitGroup
}

// NewSet is a set without servers, whose logs go below dir.
func NewSet(dir string) *Set { return &Set{dir: dir, died: make(chan string, 16)} }

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
			s.ended(name)
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

// Keep holds something that belongs to the servers, an address say, until they are stopped.
func (s *Set) Keep(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, c)
}

func (s *Set) ended(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
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
	kept := s.kept
	s.kept = nil
	s.mu.Unlock()
	s.waits.Wait()
	for _, c := range kept {
		_ = c.Close() // nobody can do anything about it
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
