package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// event follows a run.
func (s *screen) event(e geored.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.steps, s.note, s.until = e.Ended, e.Steps, "", e.Until
	switch e.Kind {
	case geored.LockAwaited:
		s.awaitLock(e)
	case geored.StageStarted:
		s.beginStage(e)
	}
	stage := s.stage(e.Stage)
	if stage == nil {
		s.redraw()
		return
	}
	switch e.Kind {
	case geored.StepStarted:
		stage.steps++
	case geored.StepWaiting:
		s.beginWait(stage, e)
	case geored.StepApplying:
		stage.endWait(e.Step)
	case geored.StepEnded:
		s.endStep(stage, e)
	case geored.StageEnded:
		s.endStage(stage, e.Detail == "")
	}
	s.redraw()
}

func (s *screen) beginStage(e geored.Event) {
	s.stages = append(s.stages, &stageLine{name: e.Stage, began: s.now()})
	if !s.live {
		s.keep("  %-12s begins\n", e.Stage)
	}
	s.tickOn()
}

// awaitLock says who holds the lock; a live line counts down to its end.
func (s *screen) awaitLock(e geored.Event) {
	s.keep("  %-12s %s; it ends at %s unless its holder lives\n", "lock", plain(e.Detail), e.Until.UTC().Format(time.RFC3339))
	s.tickOn()
}

// tickOn lets time be seen from now on.
func (s *screen) tickOn() {
	if s.stop == nil {
		s.stop = make(chan struct{})
		go s.ticking(s.stop)
	}
}

func (s *screen) beginWait(stage *stageLine, e geored.Event) {
	stage.endWait(e.Step)
	w := &wait{step: e.Step, site: e.Site, reason: e.Detail, since: s.now()}
	stage.waits = append(stage.waits, w)
	if s.verbose {
		s.tell(w)
	}
}

// tell says in a plain line that a step waits.
func (s *screen) tell(w *wait) {
	w.told = s.now()
	since := ""
	if waited := w.told.Sub(w.since); waited >= time.Second {
		since = "  for " + seconds(waited)
	}
	s.keep("    %s%s\n", w, since)
}

func (l *stageLine) endWait(step geored.StepID) {
	l.waits = slices.DeleteFunc(l.waits, func(w *wait) bool { return w.step == step })
}

func (s *screen) endStep(stage *stageLine, e geored.Event) {
	stage.endWait(e.Step)
	stage.done++
	if e.Status == geored.Failed {
		s.keep("    %s %s  %s  %s\n", s.paint(red, "failed   "), e.Step, plain(e.Detail), geored.RoundDuration(e.Took))
	} else if s.verbose {
		s.keep("    %-9s %s  %s  %s\n", e.Status, e.Step, plain(e.Detail), geored.RoundDuration(e.Took))
	}
}

func (s *screen) endStage(stage *stageLine, done bool) {
	colour := green
	if !done {
		colour = red
	}
	s.stages = slices.DeleteFunc(s.stages, func(l *stageLine) bool { return l == stage })
	s.keep("  %s %d/%d  %s\n", s.paint(colour, fmt.Sprintf("%-12s", stage.name)), stage.done, stage.steps, geored.RoundDuration(s.now().Sub(stage.began)))
	if len(s.stages) == 0 {
		s.rest()
	}
}

// rest ends the ticking.
func (s *screen) rest() {
	if s.stop != nil {
		close(s.stop)
		s.stop = nil
	}
}

// ticking lets time be seen while nothing happens.
func (s *screen) ticking(stop <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			s.tick()
		}
	}
}

// How long a step may wait before it is worth a plain line, and how often that line is said again.
const (
	patience = 2 * time.Second
	again    = time.Minute
)

// tick moves the live lines on; off a terminal it tells of long waits.
func (s *screen) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redraw()
	if s.live {
		return
	}
	now := s.now()
	for _, stage := range s.stages {
		for _, w := range stage.waits {
			if w.told.IsZero() && now.Sub(w.since) >= patience || !w.told.IsZero() && now.Sub(w.told) >= again {
				s.tell(w)
			}
		}
	}
}
