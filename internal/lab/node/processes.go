package node

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// processes starts children and reaps everything that ends in the node, orphans of containers included:
// whoever waits for one child only would leave the others as zombies.
type processes struct {
	mutex sync.Mutex
	ended map[int]chan syscall.WaitStatus
}

func newProcesses() *processes {
	p := &processes{ended: map[int]chan syscall.WaitStatus{}}
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	go func() {
		for range children {
			p.reap()
		}
	}()
	return p
}

func (p *processes) reap() {
	// Held from the start of a child to its registration too: no child can end unknown.
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 || err != nil {
			return
		}
		if ended, ok := p.ended[pid]; ok {
			ended <- status
			delete(p.ended, pid)
		}
	}
}

// start runs a program whose output is appended to a file; the channel tells once how it ended.
func (p *processes) start(program string, argv, environment []string, log string) (int, <-chan syscall.WaitStatus, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, nil, err
	}
	defer output.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, nil, err
	}
	defer null.Close()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	pid, err := syscall.ForkExec(program, argv, &syscall.ProcAttr{
		Env:   environment,
		Files: []uintptr{null.Fd(), output.Fd(), output.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", program, err)
	}
	ended := make(chan syscall.WaitStatus, 1)
	p.ended[pid] = ended
	return pid, ended, nil
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "killed by " + status.Signal().String()
	}
	return fmt.Sprintf("exit code %d", status.ExitStatus())
}
