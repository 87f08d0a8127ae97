package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/georedkit/georedkit/geored"
)

// terminal opens a pseudo terminal: what is written to the second is read from the first.
func terminal(t *testing.T, columns uint16) (screen, program *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	fd := int(screen.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	if program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return screen, program
}

// On a real terminal lines are live, coloured unless NO_COLOR is set, cut to its width, and tick by themselves.
func TestOnATerminal(t *testing.T) {
	for _, noColor := range []string{"", "1"} {
		t.Setenv("NO_COLOR", noColor)
		t.Setenv("TERM", "xterm")
		master, program := terminal(t, 50)
		s := newScreen(program, false)
		if !s.live || s.columns() != 50 {
			t.Fatalf("live %v, %d columns", s.live, s.columns())
		}
		output := make(chan string)
		go func() {
			var all strings.Builder
			buffer := make([]byte, 4096)
			for {
				n, err := master.Read(buffer)
				all.Write(buffer[:n])
				if err != nil || strings.Contains(all.String(), "the end") {
					output <- all.String()
					return
				}
			}
		}()
		step := geored.Event{Kind: geored.StepWaiting, Stage: "dns", Step: "dns/dc2", Site: "dc2", Detail: strings.Repeat("a long reason ", 9), Steps: 9}
		s.event(geored.Event{Kind: geored.StageStarted, Stage: "dns", Steps: 9})
		s.event(step)
		drawn := func() int { s.mu.Lock(); defer s.mu.Unlock(); return s.drawn }
		if drawn() != 1 {
			t.Errorf("%d live lines", drawn())
		}
		began := time.Now()
		s.mu.Lock()
		ticked := make(chan struct{})
		told := sync.OnceFunc(func() { close(ticked) })
		s.now = func() time.Time { told(); return began.Add(time.Hour) } // only a tick can show it
		s.mu.Unlock()
		select {
		case <-ticked:
		case <-time.After(10 * time.Second): // what was drawn tells
		}
		step.Kind, step.Status = geored.StepEnded, geored.Failed
		s.event(step)
		s.event(geored.Event{Kind: geored.StageEnded, Stage: "dns", Detail: "not all steps are done"})
		s.clear()
		if _, err := io.WriteString(program, "the end\n"); err != nil {
			t.Fatal(err)
		}
		text := <-output
		if coloured := strings.Contains(text, "\x1b[31mfailed"); coloured != (noColor == "") {
			t.Errorf("NO_COLOR=%q, coloured: %v", noColor, coloured)
		}
		if !strings.Contains(text, "step 1 of 9  1h0m0s") {
			t.Errorf("it did not tick:\n%q", text)
		}
		for _, line := range strings.Split(text, "\r\x1b[K") {
			if live, _, _ := strings.Cut(line, "\x1b"); strings.Contains(live, " waits: ") && len([]rune(live)) >= 50 {
				t.Errorf("%d columns: %q", len([]rune(live)), live)
			}
		}
	}
}

func TestADumbTerminalHasNoLiveLines(t *testing.T) {
	t.Setenv("TERM", "dumb")
	_, program := terminal(t, 80)
	if newScreen(program, false).live {
		t.Error("live lines on a dumb terminal")
	}
}
