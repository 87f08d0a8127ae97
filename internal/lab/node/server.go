package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/georedkit/georedkit/internal/lab/config"
)

// Back-off of a server that dies again and again, and the age at which it is trusted again.
const (
	shortestWait = 200 * time.Millisecond
	longestWait  = 5 * time.Second
	settled      = 10 * time.Second
)

// server is one program that is started again whenever it ends.
type server struct {
	command   config.Command
	processes *processes
	log       string
	died      func(server, how string)

	mutex sync.Mutex
	pid   int // 0: not running
}

func (s *server) environment() []string {
	bin := filepath.Dir(s.command.Program)
	return []string{"PATH=" + bin + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
}

// run starts the server for the first time and keeps it running.
func (s *server) run() error {
	ended, err := s.start()
	if err != nil {
		return err
	}
	go s.keep(ended)
	return nil
}

func (s *server) keep(ended <-chan syscall.WaitStatus) {
	wait := shortestWait
	for {
		started := time.Now()
		how := describe(<-ended)
		s.setPID(0)
		s.died(s.command.Name, how)
		if time.Since(started) > settled {
			wait = shortestWait
		}
		for {
			time.Sleep(wait)
			wait = min(2*wait, longestWait)
			var err error
			if ended, err = s.start(); err == nil {
				break
			}
			s.died(s.command.Name, err.Error())
		}
	}
}

func (s *server) start() (<-chan syscall.WaitStatus, error) {
	argv := append([]string{s.command.As}, s.command.Args...)
	pid, ended, err := s.processes.start(s.command.Program, argv, s.environment(), s.log)
	if err == nil {
		s.setPID(pid)
	}
	return ended, err
}

func (s *server) setPID(pid int) {
	s.mutex.Lock()
	s.pid = pid
	s.mutex.Unlock()
}

func (s *server) currentPID() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.pid
}

// signal sends a signal and returns when its effect is seen.
func (s *server) signal(signal syscall.Signal) (pid int, evidence string, err error) {
	pid = s.currentPID()
	if pid == 0 {
		return 0, "", fmt.Errorf("%s is not running", s.command.Name)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return pid, "", fmt.Errorf("%s: %w", s.command.Name, err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		state := processState(pid)
		stopped := strings.HasPrefix(state, "T")
		ended := state == "" || strings.HasPrefix(state, "Z") // nobody has waited for it yet
		switch {
		case signal == syscall.SIGSTOP && stopped,
			signal == syscall.SIGCONT && !ended && !stopped,
			signal == syscall.SIGKILL && ended && s.currentPID() != pid:
			if ended {
				state = "gone"
			}
			return pid, fmt.Sprintf("process %d: %s", pid, state), nil
		case time.Now().After(deadline):
			return pid, "", fmt.Errorf("%s: state %q after %v", s.command.Name, state, signal)
		}
	}
}

// processState is the State line of a process, "" when there is none.
func processState(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if state, ok := strings.CutPrefix(line, "State:"); ok {
			return strings.TrimSpace(state)
		}
	}
	return ""
}
