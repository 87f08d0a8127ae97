package supervisor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Faults of a site and of its processes.

func (l *Laboratory) freeze(_ context.Context, args []string) ([]string, error) {
	return l.setFrozen(args[0], true)
}

func (l *Laboratory) thaw(_ context.Context, args []string) ([]string, error) {
	return l.setFrozen(args[0], false)
}

func (l *Laboratory) setFrozen(name string, frozen bool) ([]string, error) {
	s, err := l.site(name)
	if err != nil {
		return nil, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.running() == nil {
		return nil, fmt.Errorf("site %s: is stopped", name)
	}
	if err := l.tree.Freeze(l.siteGroup(s.plan), frozen); err != nil {
		return nil, fmt.Errorf("site %s: %w", name, err)
	}
	l.note("freeze "+name, frozen)
	pids, err := l.tree.Processes(l.siteGroup(s.plan))
	return []string{fmt.Sprintf("%d processes, frozen: %t", len(pids), frozen)}, err
}

func (l *Laboratory) stopSite(_ context.Context, args []string) ([]string, error) {
	s, err := l.site(args[0])
	if err != nil {
		return nil, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.running() == nil {
		return nil, fmt.Errorf("site %s: is stopped already", args[0])
	}
	if err := s.stop(); err != nil {
		return nil, fmt.Errorf("site %s: %w", args[0], err)
	}
	l.forget(s)
	l.note("stop "+args[0], true)
	return []string{"no process is left"}, nil
}

func (l *Laboratory) startSite(ctx context.Context, args []string) ([]string, error) {
	s, err := l.site(args[0])
	if err != nil {
		return nil, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.running() != nil {
		return nil, fmt.Errorf("site %s: runs already", args[0])
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	if err := s.start(ctx); err != nil {
		// As it was before: a half-started site is neither running nor stopped.
		return nil, errors.Join(err, s.stop())
	}
	l.note("stop "+args[0], false)
	return []string{"nodes ready"}, nil
}

// signalWith makes the fault that sends a signal to one server of a node, or to the processes of that name in its pods;
// SITE stands for its first node.
func signalWith(signal syscall.Signal) func(*Laboratory, context.Context, []string) ([]string, error) {
	return func(l *Laboratory, _ context.Context, args []string) ([]string, error) {
		siteName, nodeName, _ := strings.Cut(args[0], "/")
		s, err := l.site(siteName)
		if err != nil {
			return nil, err
		}
		if nodeName == "" {
			nodeName = s.plan.Nodes[0].Name
		}
		s.changing.Lock()
		defer s.changing.Unlock()
		evidence, err := s.signal(nodeName, args[1], signal)
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", nodeName, err)
		}
		l.note(fmt.Sprintf("pause %s/%s %s", siteName, nodeName, args[1]), signal == syscall.SIGSTOP)
		return evidence, nil
	}
}
