package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// screen tells people how a run goes, on standard error: one line per stage that is written over on a terminal, and
// plain lines elsewhere.
type screen struct {
	mu      sync.Mutex
	out     io.Writer
	live    bool // a terminal: the last line may be written over
	verbose bool
	drawn   bool // the last line is a live one

	stage   string
	began   time.Time
	done    int // steps of the stage that ended
	steps   int // that began
	waiting string
}

func newScreen(out io.Writer, verbose bool) *screen {
	return &screen{out: out, verbose: verbose, live: isTerminal(out)}
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (s *screen) printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	fmt.Fprintf(s.out, format, args...)
}

// clear takes a live line away before a result is printed.
func (s *screen) clear() { s.printf("") }

func (s *screen) wipe() {
	if s.drawn {
		fmt.Fprint(s.out, "\r\x1b[K")
		s.drawn = false
	}
}

// draw shows a line that the next one writes over; off a terminal it is kept back.
func (s *screen) draw(format string, args ...any) {
	if s.live {
		s.wipe()
		fmt.Fprintf(s.out, format, args...)
		s.drawn = true
	}
}

func (s *screen) event(e geored.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case geored.StageStarted:
		s.stage, s.began, s.done, s.steps, s.waiting = e.Stage, e.Time, 0, 0, ""
	case geored.StepStarted:
		s.steps++
	case geored.StepWaiting:
		s.tellWaiting(e)
	case geored.StepEnded:
		s.done++
		if s.verbose || e.Status == geored.Failed {
			s.wipe()
			fmt.Fprintf(s.out, "    %-9s %s  %s  %s\n", e.Status, e.Step, e.Detail, geored.RoundDuration(e.Took))
		}
	case geored.StageEnded:
		s.wipe()
		fmt.Fprintf(s.out, "  %-12s %d/%d  %s\n", s.stage, s.done, s.steps, geored.RoundDuration(e.Time.Sub(s.began)))
		return
	}
	if e.Step != "" {
		s.draw("  %-12s step %d of %d  %s  %s", s.stage, e.Ended, e.Steps, geored.RoundDuration(e.Time.Sub(s.began)), s.waiting)
	}
}

// patience is how long a step may wait before it is worth a line off a terminal.
const patience = 2 * time.Second

func (s *screen) tellWaiting(e geored.Event) {
	s.waiting = fmt.Sprintf("%s: waiting: %s", e.Site, e.Detail)
	if !s.live && (s.verbose || e.Time.Sub(s.began) > patience) {
		fmt.Fprintf(s.out, "    %s  %s\n", e.Step, s.waiting)
	}
}

func (s *screen) finding(f geored.Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.verbose {
		s.wipe()
		fmt.Fprintf(s.out, "    %-7s %s  %s  %s\n", f.Verdict, f.Check, geored.Target{Site: f.Site, To: f.To}, f.Message)
		return
	}
	s.draw("  %-12s %s %s", "proof", f.Verdict, f.Check)
}

// label begins the lines of those who write to the screen as an io.Writer.
func (s *screen) label(stage string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stage = stage
}

// Write passes on whole lines of a child process.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	if _, err := fmt.Fprintf(s.out, "  %-12s %s", s.stage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}
