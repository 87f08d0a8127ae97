package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory"
)

// labSession is the laboratory that one call of a program works in.
type labSession struct {
	running    laboratory.Running
	found      bool // somebody else started it
	worked     bool // this call may have held its lock
	probeImage string
}

// startLab gives the running laboratory, or builds and starts one.
func (s *session) startLab(ctx context.Context) (*labSession, error) {
	began := time.Now()
	s.screen.label("laboratory")
	lab, err := laboratory.Driver(ctx)
	if err != nil {
		return nil, err
	}
	if err := lab.Check(ctx); err != nil {
		return nil, err // what is missing is told before anything is built
	}
	if err := lab.Build(ctx, s.screen); err != nil {
		return nil, err
	}
	running, found, err := lab.Find(ctx, s.Lab)
	if err != nil {
		return nil, err
	}
	if !found && s.Check {
		return nil, errors.New("-check: no laboratory is running; run without -check and with -keep first")
	}
	if !found {
		if running, err = s.bootLab(ctx, lab); err != nil {
			return nil, err
		}
		s.screen.printf("  %-12s %d sites ready in %s, in %s\n", "laboratory", s.Sites, geored.RoundDuration(time.Since(began)), running.Dir)
	} else {
		s.screen.printf("  %-12s found running, in %s\n", "laboratory", running.Dir)
	}
	if err := s.agreeOnWhole(found, filepath.Join(running.Dir, "whole")); err != nil {
		return nil, err
	}
	session := &labSession{running: running, found: found, probeImage: laboratory.ProbeRef}
	if s.Keep || s.Plan != "" { // a plan is for these clusters and no others
		err = os.WriteFile(session.kept(), nil, 0o600)
	}
	return session, err
}

func (s *session) bootLab(ctx context.Context, lab laboratory.Lab) (laboratory.Running, error) {
	image, err := lab.ProbeImage(ctx)
	if err != nil {
		return laboratory.Running{}, err
	}
	var stores []string
	if s.Options.Whole {
		stores = s.Stores
	}
	return lab.Up(ctx, laboratory.Spec{Name: s.Lab, Sites: s.Sites, Images: []string{image}, Stores: stores, Progress: func(p laboratory.Progress) {
		s.screen.mu.Lock()
		defer s.screen.mu.Unlock()
		s.screen.draw("  %-12s %s %s", "laboratory", p.Site, p.Stage)
	}})
}

// agreeOnWhole remembers beside a laboratory that it was started with -whole: later calls need not say so again.
func (s *session) agreeOnWhole(found bool, mark string) error {
	_, err := os.Stat(mark)
	switch {
	case !s.Options.Whole:
		s.Options.Whole = err == nil
	case s.Program.Whole == "":
		return errors.New("-whole: this program has no more than it does without")
	case found && err != nil:
		return errors.New("-whole: the laboratory was started without it; end it, or name another with -lab")
	case !found:
		return os.WriteFile(mark, nil, 0o600)
	}
	return nil
}

// kept marks a laboratory that somebody wanted to keep: no later call takes it away.
func (l *labSession) kept() string { return filepath.Join(l.running.Dir, "kept") }

// leave takes the laboratory down, unless it was to be kept. What only looks, or was refused before it worked, takes away no laboratory that it found: it held no
// lock, and another one may work there.
func (l *labSession) leave(ctx context.Context, s *session) error {
	if _, err := os.Stat(l.kept()); err == nil || l.found && !l.worked {
		s.screen.printf("%s", s.farewell(filepath.Join(l.running.Dir, "dc1.kubeconfig")))
		return nil
	}
	if err := l.running.Down(ctx); err != nil {
		return fmt.Errorf("take the laboratory down: %w", err)
	}
	if s.Next != nil && !s.Check {
		s.screen.printf("the laboratory was taken away; -keep leaves it running, to look around and to break it\n")
	}
	return nil
}

// farewell tells what can be done with a laboratory that goes on, and how it is ended.
func (s *session) farewell(kubeconfig string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "the laboratory goes on: KUBECONFIG=%s\n", kubeconfig)
	if s.Next != nil {
		lines := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
		for _, next := range s.Next(s.Lab, s.Options.Whole) {
			fmt.Fprintf(lines, "  %s\t%s\n", next.What, next.Command)
		}
		_ = lines.Flush() // into memory
	}
	fmt.Fprintf(&b, "end it with: go run -C internal/lab . down -name %s -purge\n", s.Lab)
	return b.String()
}

// Next is something that can be done in a laboratory that goes on.
type Next struct{ What, Command string }
