package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/watch"
)

// screen tells people how a run goes, on standard error. On a terminal there is a live line for each stage under way,
// written over every second and cut to the terminal's width; elsewhere a plain line when a stage begins, when it ends,
// and when a step waits for long.
type screen struct {
	out     io.Writer
	live    bool // a terminal: the last lines may be written over
	colour  bool
	verbose bool
	columns func() int // of the terminal
	now     func() time.Time

	mu     sync.Mutex
	drawn  int          // live lines on the terminal now; the last of them has no line break
	stages []*stageLine // under way, in the order in which they began
	note   string       // a live line beside them
	until  time.Time    // when a lock ends that is awaited; zero: none is
	name   string       // that begins the lines of those who write to the screen as an io.Writer
	ended  int          // steps of the run
	steps  int
	stop   chan struct{} // ends the ticking
}

// stageLine is a stage under way.
type stageLine struct {
	name        string
	began       time.Time
	done, steps int // that ended, that began
	waits       []*wait
}

// wait is a step that waits for something.
type wait struct {
	step   geored.StepID
	site   geored.SiteName
	reason string
	since  time.Time
	told   time.Time // when a plain line last said so
}

func newScreen(out io.Writer, verbose bool) *screen {
	s := &screen{out: out, verbose: verbose, now: time.Now, columns: func() int { return 0 }}
	if file, ok := out.(*os.File); ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd())) {
		s.live, s.colour = true, os.Getenv("NO_COLOR") == ""
		s.columns = func() int {
			columns, _, _ := term.GetSize(int(file.Fd())) // unknown is 0: not cut
			return columns
		}
	}
	return s
}

// printf writes a line that stays, instead of what draw showed.
func (s *screen) printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note = ""
	s.keep(format, args...)
}

// keep writes a line that stays, above the live ones.
func (s *screen) keep(format string, args ...any) {
	s.wipe()
	fmt.Fprintf(s.out, format, args...)
	s.redraw()
}

// clear takes the live lines away before a result is printed.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	s.stages, s.note, s.until = nil, "", time.Time{}
	s.rest()
}

// wipe takes the live lines off the terminal.
func (s *screen) wipe() {
	for i := range s.drawn {
		if i > 0 {
			fmt.Fprint(s.out, "\x1b[1A")
		}
		fmt.Fprint(s.out, "\r\x1b[K")
	}
	s.drawn = 0
}

// maxLive is how many live lines there are at most.
const maxLive = 8

// redraw puts the live lines on the terminal.
func (s *screen) redraw() {
	if !s.live {
		return
	}
	var lines []string
	for i, stage := range s.stages {
		if len(s.stages) > maxLive && i == maxLive-1 {
			lines = append(lines, fmt.Sprintf("  … and %d more stages", len(s.stages)-i))
			break
		}
		lines = append(lines, s.line(stage))
	}
	if s.note != "" {
		lines = append(lines, s.note)
	}
	if !s.until.IsZero() {
		lines = append(lines, fmt.Sprintf("  %-12s waits %s more for a sign of life of its holder", "lock", seconds(max(s.until.Sub(s.now()), 0))))
	}
	s.wipe()
	for i, line := range lines {
		lines[i] = cut(line, s.columns())
	}
	fmt.Fprint(s.out, strings.Join(lines, "\r\n"))
	s.drawn = len(lines)
}

// line is how a stage stands: how far the run came, for how long the stage goes on, and what waits the longest.
func (s *screen) line(stage *stageLine) string {
	text := fmt.Sprintf("  %-12s step %d of %d  %s", stage.name, min(s.ended+1, s.steps), s.steps, seconds(s.now().Sub(stage.began)))
	if len(stage.waits) > 0 {
		text += "  " + stage.waits[0].String()
	}
	if n := len(stage.waits); n > 1 {
		text += fmt.Sprintf("  (and %d more wait)", n-1)
	}
	return text
}

func (w *wait) String() string {
	who := string(w.step)
	if w.site != "" {
		who = string(w.site) + ": " + who
	}
	return who + " waits: " + plain(w.reason)
}

// seconds is a time as a person would count it.
func seconds(d time.Duration) string { return d.Truncate(time.Second).String() }

// plain is a text on one line, with nothing in it that steers a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// cut shortens a line so that the terminal does not wrap it: a wrapped line cannot be written over.
func cut(line string, columns int) string {
	runes := []rune(line)
	if columns <= 1 || len(runes) < columns {
		return line
	}
	return string(runes[:columns-2]) + "…"
}

// paint colours a word, where colours are wanted.
func (s *screen) paint(code int, word string) string {
	if !s.colour {
		return word
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, word)
}

const (
	red   = 31
	green = 32
)

// draw shows a live line that the next one writes over; off a terminal it is kept back.
func (s *screen) draw(format string, args ...any) {
	s.note = plain(fmt.Sprintf(format, args...))
	s.redraw()
}

func (s *screen) finding(f geored.Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.verbose {
		s.keep("    %-7s %s  %s  %s\n", f.Verdict, f.Check, geored.Target{Site: f.Site, To: f.To}, plain(f.Message))
		return
	}
	s.draw("  %-12s %s %s", "proof", f.Verdict, f.Check)
}

// label begins the lines of those who write to the screen as an io.Writer.
func (s *screen) label(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.name = name
}

// Write passes on whole lines of a child process.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	_, err := fmt.Fprintf(s.out, "  %-12s %s", s.name, p)
	s.redraw()
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// stage finds a stage under way; nil when it is not.
func (s *screen) stage(name string) *stageLine {
	i := slices.IndexFunc(s.stages, func(l *stageLine) bool { return l.name == name })
	if i < 0 {
		return nil
	}
	return s.stages[i]
}

// told is one line for each change that a watch saw; of the first state, for what is not well.
func (s *screen) told(e watch.Event) {
	if e.Kind == watch.First && (e.Verdict == geored.Pass || e.Verdict == geored.Skipped) && !s.verbose {
		return
	}
	s.printf("  %s %-7s %s %s  %s\n", e.Time.Local().Format(time.TimeOnly), e.Verdict, e.Check, geored.Target{Site: e.Site, To: e.To}, plain(e.Message))
}
