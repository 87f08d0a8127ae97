package killed

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/georedkit/georedkit/internal/laboratory"
)

// Kept names a laboratory that outlives the tests: one in which the product is installed already serves the next of them.
const Kept = "GEOREDKIT_KILL_LAB"

// Built names a folder in which the programs stand already. Without it they are built.
const Built = "GEOREDKIT_KILL_PROGRAMS"

// Lab is a laboratory for the programs of this repository. It ends with the test, unless [Kept] names it.
type Lab struct {
	t      testing.TB
	Name   string
	driver laboratory.Lab
	folder string // of the built programs
}

// NewLab builds programs, each named by the path of its package, such as "../ice-install". The first that runs starts the
// laboratory.
func NewLab(t testing.TB, programs ...string) *Lab {
	t.Helper()
	l := &Lab{t: t, Name: cmp.Or(os.Getenv(Kept), fmt.Sprintf("killed-%d", os.Getpid())), folder: t.TempDir()}
	if built := os.Getenv(Built); built != "" {
		l.folder = built
	} else if output, err := exec.Command("go", append([]string{"build", "-o", l.folder}, programs...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	var err error
	if l.driver, err = laboratory.Driver(t.Context()); err == nil {
		err = l.driver.Build(t.Context(), os.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv(Kept) == "" {
		t.Cleanup(l.down)
	}
	return l
}

func (l *Lab) down() {
	ctx := context.WithoutCancel(l.t.Context()) // it has ended when this is cleaned up
	running, found, err := l.driver.Find(ctx, l.Name)
	if found {
		err = running.Down(ctx)
	}
	if err != nil {
		l.t.Error(err)
	}
}

// Program is one of the built ones, in this laboratory.
func (l *Lab) Program(name string) Program {
	return Program{Path: filepath.Join(l.folder, name), Args: []string{"-lab", l.Name, "-keep", "-output", "json"}}
}

// Running is the laboratory, which a program has started.
func (l *Lab) Running() laboratory.Running {
	l.t.Helper()
	running, found, err := l.driver.Find(l.t.Context(), l.Name)
	if err != nil || !found {
		l.t.Fatalf("the laboratory is not running: %v", err)
	}
	return running
}

// Installed has ice-install bring the whole product up, unless the laboratory has it.
func (l *Lab) Installed() {
	l.t.Helper()
	if _, found, err := l.driver.Find(l.t.Context(), l.Name); found || err != nil {
		return // who asks for it next says what is wrong
	}
	p := l.Program("ice-install")
	if c := p.Told(l.t, p.Call(l.t, "-whole")); c.Code != 0 {
		l.t.Fatalf("ice-install: exit code %d\n%s\n%s", c.Code, c.Stderr, c.Stdout)
	}
}
