package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/georedkit/georedkit/internal/lab/address"
)

// nodeOf reads SITE/NODE, or SITE for the first node.
func (l *Laboratory) nodeOf(text string) (*site, int, error) {
	siteName, nodeName, named := strings.Cut(text, "/")
	s, err := l.site(siteName)
	if err != nil {
		return nil, 0, err
	}
	if !named {
		return s, 0, nil
	}
	for i, n := range s.plan.Nodes {
		if n.Name == nodeName {
			return s, i, nil
		}
	}
	return nil, 0, fmt.Errorf("site %s: has no node %s", siteName, nodeName)
}

// signal sends a signal to a server of a node, or to the processes of that name in its pods, and tells what was seen then.
func (s *site) signal(nodeName, process string, signal syscall.Signal) ([]string, error) {
	machines := s.running()
	for i, n := range s.plan.Nodes {
		if n.Name != nodeName || machines == nil || machines[i] == nil {
			continue
		}
		for _, command := range s.describe(n).Commands() {
			if command.Name == process {
				answer, err := machines[i].signal(process, signal)
				return []string{answer.Evidence}, err
			}
		}
		return s.signalInPods(n, process, signal)
	}
	return nil, fmt.Errorf("not running in site %s", s.plan.Name)
}

func (s *site) signalInPods(n address.Node, process string, signal syscall.Signal) ([]string, error) {
	pids, err := s.lab.tree.Processes(s.lab.nodeGroup(s.plan, n))
	if err != nil {
		return nil, err
	}
	var evidence []string
	for _, pid := range pids {
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err != nil || strings.TrimSpace(string(name)) != process {
			continue
		}
		if err := syscall.Kill(pid, signal); err != nil {
			return evidence, fmt.Errorf("%s: %w", process, err)
		}
		seen, err := awaitSignalled(pid, signal)
		if err != nil {
			return evidence, fmt.Errorf("%s: %w", process, err)
		}
		evidence = append(evidence, seen)
	}
	if len(evidence) == 0 {
		return nil, fmt.Errorf("no process %q on this node", process)
	}
	return evidence, nil
}

// awaitSignalled returns when the effect of a signal is seen.
func awaitSignalled(pid int, signal syscall.Signal) (string, error) {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		state := processState(pid)
		stopped := state == "T" || state == "t"
		ended := state == "" || state == "Z"
		switch {
		case signal == syscall.SIGSTOP && stopped, signal == syscall.SIGCONT && !stopped && !ended, signal == syscall.SIGKILL && ended:
			if ended {
				state = "gone"
			}
			return fmt.Sprintf("process %d: %s", pid, state), nil
		case time.Now().After(deadline):
			return "", fmt.Errorf("process %d: state %q after %v", pid, state, signal)
		}
	}
}

// processState is the letter by which the kernel calls a process's state, "" when there is none.
func processState(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return ""
	}
	// The name before it may hold anything but ends with the last bracket.
	_, after, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	return after[:min(1, len(after))]
}
