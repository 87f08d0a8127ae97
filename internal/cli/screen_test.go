package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// watched is a screen whose time the test tells.
type watched struct {
	*screen
	out bytes.Buffer
	at  time.Time
}

func onScreen(live bool, columns int) *watched {
	w := &watched{at: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)}
	w.screen = &screen{out: &w.out, live: live, now: func() time.Time { return w.at }, columns: func() int { return columns }}
	return w
}

func (w *watched) tell(kind geored.EventKind, stage string, step geored.StepID, detail string) {
	w.event(geored.Event{Kind: kind, Stage: stage, Step: step, Site: "dc2", Detail: detail, Ended: 2, Steps: 9})
}

// shown is what a terminal shows at last: it knows line breaks and the two sequences that the screen uses.
func shown(t *testing.T, output string) string {
	t.Helper()
	lines, row := []string{""}, 0
	for output != "" {
		switch {
		case strings.HasPrefix(output, "\x1b[1A"):
			row, output = row-1, output[4:]
		case strings.HasPrefix(output, "\x1b[K"):
			lines[row], output = "", output[3:]
		case output[0] == '\x1b':
			t.Fatalf("unknown sequence in %.20q", output)
		case output[0] == '\r':
			output = output[1:]
		case output[0] == '\n':
			if row, output = row+1, output[1:]; row == len(lines) {
				lines = append(lines, "")
			}
		default:
			lines[row], output = lines[row]+output[:1], output[1:]
		}
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// Two stages go on at once, each with a line of its own that moves on while nothing happens.
func TestStagesSideBySide(t *testing.T) {
	w := onScreen(true, 200)
	defer w.clear()
	w.tell(geored.StageStarted, "mesh", "", "")
	w.tell(geored.StageStarted, "dns", "", "")
	w.tell(geored.StepStarted, "dns", "dns/dc2", "")
	w.tell(geored.StepWaiting, "dns", "dns/dc2", "0 of 1\nready \x1b[2J")
	w.at = w.at.Add(95 * time.Second)
	w.tick()
	want := "  mesh         step 3 of 9  1m35s\n  dns          step 3 of 9  1m35s  dc2: dns/dc2 waits: 0 of 1 ready  [2J"
	if got := shown(t, w.out.String()); got != want {
		t.Errorf("shown:\n%s\nwant:\n%s", got, want)
	}
	w.tell(geored.StepEnded, "dns", "dns/dc2", "")
	w.tell(geored.StageEnded, "dns", "", "")
	w.printf("a line that stays\n")
	want = "  dns          1/1  1m35s\na line that stays\n  mesh         step 3 of 9  1m35s"
	if got := shown(t, w.out.String()); got != want {
		t.Errorf("shown:\n%s\nwant:\n%s", got, want)
	}
	w.tell(geored.StageEnded, "mesh", "", "")
	w.clear()
	if got := shown(t, w.out.String()); strings.Contains(got, "step") || w.stop != nil {
		t.Errorf("left on the terminal:\n%s\nticking: %v", got, w.stop != nil)
	}
}

// While a lock is waited for, a line says who holds it, since when and until when; on a terminal another one counts down.
func TestALockThatIsAwaited(t *testing.T) {
	held := "  lock         site dc1: lease kube-system/it is held by anna@host1 for ice-install since 2026-03-14T09:00:00Z; it ends at 2026-03-14T09:27:08Z unless its holder lives"
	for live, want := range map[bool]string{true: held + "\n  lock         waits 13s more for a sign of life of its holder", false: held} {
		w := onScreen(live, 200)
		w.event(geored.Event{Kind: geored.LockAwaited, Until: w.at.Add(15 * time.Second),
			Detail: "site dc1: lease kube-system/it is held by anna@host1 for ice-install since 2026-03-14T09:00:00Z"})
		w.at = w.at.Add(2 * time.Second)
		w.tick()
		if got := shown(t, w.out.String()); got != want {
			t.Errorf("shown:\n%s\nwant:\n%s", got, want)
		}
		w.tell(geored.RunStarted, "", "", "")
		if got := shown(t, w.out.String()); got != held {
			t.Errorf("once it is taken:\n%s", got)
		}
		w.clear()
	}
}

// More stages than fit are counted, and no line is as wide as the terminal.
func TestLiveLinesAreCut(t *testing.T) {
	w := onScreen(true, 40)
	defer w.clear()
	for i := range 12 {
		name := fmt.Sprintf("stage-%d", i)
		w.tell(geored.StageStarted, name, "", "")
		w.tell(geored.StepWaiting, name, "step", strings.Repeat("ä long reason ", 9))
	}
	got := strings.Split(shown(t, w.out.String()), "\n")
	if len(got) != maxLive || !strings.Contains(got[maxLive-1], "5 more stages") {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
	for _, line := range got {
		if n := len([]rune(line)); n >= 40 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// Off a terminal there are plain lines: begin, end, failures, and waits that take long, said again every minute.
func TestPlainLines(t *testing.T) {
	w := onScreen(false, 0)
	defer w.clear()
	w.tell(geored.StageStarted, "dns", "", "")
	w.tell(geored.StepStarted, "dns", "dns/dc2", "")
	w.tell(geored.StepWaiting, "dns", "dns/dc2", "0 of 1 ready")
	for range 90 {
		w.at = w.at.Add(time.Second)
		w.tick()
	}
	w.event(geored.Event{Kind: geored.StepEnded, Stage: "dns", Step: "dns/dc2", Site: "dc2", Status: geored.Failed, Detail: "0 of 1 ready", Took: 90 * time.Second, Ended: 3, Steps: 9})
	w.tell(geored.StageEnded, "dns", "", "not all steps are done")
	want := `  dns          begins
    dc2: dns/dc2 waits: 0 of 1 ready  for 2s
    dc2: dns/dc2 waits: 0 of 1 ready  for 1m2s
    failed    dns/dc2  0 of 1 ready  1m30s
  dns          1/1  1m30s
`
	if got := w.out.String(); got != want {
		t.Errorf("told:\n%s\nwant:\n%s", got, want)
	}
}

// A short wait is told by -v alone.
func TestVerboseTellsEveryWait(t *testing.T) {
	for _, verbose := range []bool{false, true} {
		w := onScreen(false, 0)
		w.verbose = verbose
		w.tell(geored.StageStarted, "dns", "", "")
		w.tell(geored.StepWaiting, "dns", "dns/dc2", "0 of 1 ready")
		w.tick()
		w.clear()
		if got := strings.Contains(w.out.String(), "waits: 0 of 1 ready"); got != verbose {
			t.Errorf("verbose %v: %s", verbose, w.out.String())
		}
	}
}
