package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/georedkit/georedkit/internal/lab/vdso"
)

// skew gives the processes of one name on a node another time of day, until they end.
func (l *Laboratory) skew(_ context.Context, args []string) ([]string, error) {
	seconds, err := strconv.Atoi(args[2])
	if err != nil || seconds == 0 {
		return nil, fmt.Errorf("%q: want by how many seconds the clock is ahead, or -behind", args[2])
	}
	return l.setAhead(args[0], args[1], time.Duration(seconds)*time.Second)
}

func (l *Laboratory) unskew(_ context.Context, args []string) ([]string, error) {
	return l.setAhead(args[0], args[1], 0)
}

func (l *Laboratory) setAhead(target, process string, by time.Duration) ([]string, error) {
	s, i, err := l.nodeOf(target)
	if err != nil {
		return nil, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	n := s.plan.Nodes[i]
	pids, err := l.tree.Processes(l.nodeGroup(s.plan, n))
	if err != nil {
		return nil, err
	}
	var evidence []string
	for _, pid := range pids {
		if !isCalled(pid, process) {
			continue
		}
		if err := setAhead(pid, by); err != nil {
			return evidence, fmt.Errorf("node %s: %s: %w", n.Name, process, err)
		}
		evidence = append(evidence, fmt.Sprintf("process %d: its time of day is %s ahead", pid, by))
	}
	if len(evidence) == 0 {
		return nil, fmt.Errorf("node %s: no process %q", n.Name, process)
	}
	l.note(fmt.Sprintf("skew %s/%s %s", s.plan.Name, n.Name, process), by != 0)
	return evidence, nil
}

// isCalled compares the name by which a process was started.
func isCalled(pid int, name string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	first, _, _ := bytes.Cut(line, []byte{0})
	return err == nil && filepath.Base(string(first)) == name
}

// setAhead holds the process meanwhile, again and again until none of its threads is asking for the time.
func setAhead(pid int, by time.Duration) error {
	for range 200 {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			return err
		}
		_, err := awaitSignalled(pid, syscall.SIGSTOP)
		if err == nil {
			err = vdso.SetAhead(pid, by)
		}
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			return err
		}
		if !errors.Is(err, vdso.ErrBusy) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return vdso.ErrBusy
}
