package vdso_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/georedkit/georedkit/internal/lab/vdso"
)

const tells = "VDSO_TEST_TELLS_THE_TIME"

// TestMain is also a program that tells the time of day, and how long it has run, for each line that it is given.
func TestMain(m *testing.M) {
	if os.Getenv(tells) == "" {
		os.Exit(m.Run())
	}
	began := time.Now()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(time.Now().Unix(), time.Since(began).Round(time.Second).Seconds())
	}
}

// clock is a process that tells its time.
type clock struct {
	t      *testing.T
	pid    int
	asks   io.Writer
	answer *bufio.Scanner
}

func newClock(t *testing.T) *clock {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), tells+"=1")
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := command.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &clock{t, command.Process.Pid, in, bufio.NewScanner(out)}
}

// ahead is by how many seconds the process's time of day is later than ours, and how long it takes itself to have run.
func (c *clock) ahead() (seconds int64, ran float64) {
	c.t.Helper()
	fmt.Fprintln(c.asks)
	if !c.answer.Scan() {
		c.t.Fatal("the process is gone")
	}
	var now int64
	if _, err := fmt.Sscan(c.answer.Text(), &now, &ran); err != nil {
		c.t.Fatal(err)
	}
	return now - time.Now().Unix(), ran
}

func (c *clock) set(by time.Duration) {
	c.t.Helper()
	for range 100 {
		if err := syscall.Kill(c.pid, syscall.SIGSTOP); err != nil {
			c.t.Fatal(err)
		}
		for !strings.Contains(state(c.pid), "(stopped)") {
			time.Sleep(time.Millisecond)
		}
		err := vdso.SetAhead(c.pid, by)
		if err := syscall.Kill(c.pid, syscall.SIGCONT); err != nil {
			c.t.Fatal(err)
		}
		if err == nil {
			return
		}
		if err != vdso.ErrBusy {
			c.t.Fatal(err)
		}
	}
	c.t.Fatal("it is never idle")
}

func state(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(text), "State:")
	line, _, _ := strings.Cut(after, "\n")
	return line
}

func about(got, want int64) bool { return got >= want-2 && got <= want+2 }

// The one process has another time of day, forward and back; what it measures, and everybody else's time, stays.
func TestAProcessHasATimeOfItsOwn(t *testing.T) {
	if runtime.GOARCH != "amd64" || os.Getuid() != 0 {
		t.Skip("it changes another process's memory, as root, by code for amd64")
	}
	skewed, other := newClock(t), newClock(t)
	for _, by := range []time.Duration{0, time.Hour, -2 * time.Minute, 0} {
		skewed.set(by)
		if got, ran := skewed.ahead(); !about(got, int64(by/time.Second)) || ran > 60 {
			t.Errorf("set %s ahead, it is %d s ahead, and has run for %f s", by, got, ran)
		}
		if got, _ := other.ahead(); !about(got, 0) {
			t.Errorf("another process is %d s ahead", got)
		}
	}
}

func TestAProcessThatIsNotThere(t *testing.T) {
	if err := vdso.SetAhead(1<<30, time.Hour); err == nil {
		t.Error("no error")
	}
}
