// Package killed kills programs of this repository in a laboratory with kill -9, at the boundaries of their steps and
// inside them, lets each next run go on, and counts what came of it: jobs, restarts, repairs, releases.
package killed

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Part is how the points are chosen at which a program is killed: "3/8" is every eighth from the third on. Without it: all
// of them.
const Part = "GEOREDKIT_KILL_PART"

// Chosen reads [Part].
func Chosen(t testing.TB) func(int, Point) bool {
	t.Helper()
	text := os.Getenv(Part)
	if text == "" {
		return func(int, Point) bool { return true }
	}
	var which, of int
	if _, err := fmt.Sscanf(text, "%d/%d", &which, &of); err != nil || of < 1 {
		t.Fatalf("%s %q: write PART/PARTS", Part, text)
	}
	return func(n int, _ Point) bool { return n%of == which%of }
}

// Program is a program with the arguments of every call of it.
type Program struct {
	Path string
	Args []string
}

// Call is one run that came to its end, or was killed.
type Call struct {
	Code           int // -1: killed
	Stdout, Stderr string
}

// Start runs the program; wait gives what came of it.
func (p Program) Start(t testing.TB, args ...string) (command *exec.Cmd, wait func() Call) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command = exec.Command(p.Path, append(append([]string{}, p.Args...), args...)...)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return command, func() Call {
		_ = command.Wait() // its code is what counts
		return Call{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	}
}

// Call runs the program to its end.
func (p Program) Call(t testing.TB, args ...string) Call {
	t.Helper()
	_, wait := p.Start(t, args...)
	return wait()
}

// unknown is the exit code of what could not be told.
const unknown = 4

// Told is the last call, or one of -check after it: a machine that is busy answers too late to tell, now and then.
func (p Program) Told(t testing.TB, last Call, args ...string) Call {
	t.Helper()
	for range 6 {
		if last.Code != unknown {
			return last
		}
		time.Sleep(5 * time.Second)
		last = p.Call(t, append(args, "-check")...)
	}
	return last
}

// Point is a place in a run: inside a step, or behind it.
type Point struct {
	Step geored.StepID
	Kind geored.EventKind // StepApplying, of a gate StepWaiting; StepEnded
}

// Along runs the program until it comes to its own end, and kills it on the way at every chosen point that it reaches for
// the first time; they are counted from 0. So a chain of runs is as long as one, but for what each has to look at anew. It gives the points at
// which it was killed, and the run that was not.
func (p Program) Along(t testing.TB, chosen func(int, Point) bool, args ...string) ([]Point, Call) {
	t.Helper()
	reached := map[Point]bool{}
	var killed []Point
	for {
		point, call := p.killedAtNext(t, reached, chosen, args...)
		if call.Code != -1 {
			return killed, call
		}
		killed = append(killed, point)
	}
}

// killedAtNext kills a run at the next chosen point that none before it reached.
func (p Program) killedAtNext(t testing.TB, reached map[Point]bool, chosen func(int, Point) bool, args ...string) (Point, Call) {
	t.Helper()
	told := events{path: filepath.Join(t.TempDir(), "events")}
	command, wait := p.Start(t, append(args, "-events", told.path)...)
	ended := make(chan Call, 1)
	go func() { ended <- wait() }()
	for {
		select {
		case call := <-ended:
			return Point{}, call
		case <-time.After(2 * time.Millisecond):
		}
		for _, point := range told.next() {
			if reached[point] {
				continue
			}
			n := len(reached)
			reached[point] = true
			if chosen(n, point) {
				if point.Kind != geored.StepEnded {
					time.Sleep(time.Duration(n*137%700) * time.Millisecond) // not always at its very beginning
				}
				_ = command.Process.Kill() // it may have ended by itself
				return point, <-ended
			}
		}
	}
}

// events is the file in which a run tells of its steps.
type events struct {
	path string
	read int64 // bytes
}

// next are the points that it told of since the last call.
func (e *events) next() []Point {
	file, err := os.Open(e.path)
	if err != nil {
		return nil // not yet there
	}
	defer file.Close()
	if _, err := file.Seek(e.read, io.SeekStart); err != nil {
		return nil
	}
	var found []Point
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return found // what is not yet whole is read next time
		}
		e.read += int64(len(line))
		var event geored.Event
		if json.Unmarshal(line, &event) != nil || event.Step == "" {
			continue
		}
		switch event.Kind {
		case geored.StepApplying, geored.StepWaiting, geored.StepEnded:
			found = append(found, Point{event.Step, event.Kind})
		}
	}
}
