//go:build lab

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory"
)

var program string // the built program

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "ice-install-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "ice-install")
		if output, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, output))
		}
		return m.Run()
	}())
}

// lab is a laboratory of the test's own, which the program starts.
type lab struct {
	t      *testing.T
	name   string
	driver laboratory.Lab
}

func newLab(t *testing.T) *lab {
	t.Helper()
	driver, err := laboratory.Driver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Build(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	l := &lab{t, fmt.Sprintf("ice-%d-%s", os.Getpid(), strings.ToLower(strings.TrimPrefix(t.Name(), "Test"))), driver}
	if len(l.name) > 40 {
		l.name = strings.TrimRight(l.name[:40], "-")
	}
	t.Cleanup(func() {
		if running, found, err := driver.Find(context.WithoutCancel(t.Context()), l.name); found {
			if err := running.Down(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		} else if err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l *lab) running() laboratory.Running {
	l.t.Helper()
	running, found, err := l.driver.Find(l.t.Context(), l.name)
	if err != nil || !found {
		l.t.Fatalf("the laboratory is not running: %v", err)
	}
	return running
}

func (l *lab) fault(kind string, args ...string) {
	l.t.Helper()
	if _, err := l.running().Fault(l.t.Context(), kind, args...); err != nil {
		l.t.Fatal(err)
	}
}

// call is one run of the program.
type call struct {
	code           int
	stdout, stderr string
}

func (c call) report(t *testing.T) geored.Report {
	t.Helper()
	var r geored.Report
	if err := json.Unmarshal([]byte(c.stdout), &r); err != nil {
		t.Fatalf("%v in:\n%s\n%s", err, c.stdout, c.stderr)
	}
	return r
}

func (l *lab) start(args ...string) (*exec.Cmd, func() call) {
	l.t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.Command(program, append([]string{"-lab", l.name, "-keep", "-output", "json"}, args...)...)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Start(); err != nil {
		l.t.Fatal(err)
	}
	return command, func() call {
		_ = command.Wait() // its code is what counts
		return call{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	}
}

func (l *lab) call(args ...string) call {
	l.t.Helper()
	_, wait := l.start(args...)
	return wait()
}

// installed runs the program to a proven end.
func (l *lab) installed(args ...string) call {
	l.t.Helper()
	c := l.call(args...)
	if c.code != 0 {
		l.t.Fatalf("exit code %d\n%s\n%s", c.code, c.stderr, c.stdout)
	}
	if v := c.report(l.t).Verdict(); v != geored.Pass {
		l.t.Fatalf("verdict %s\n%s", v, c.stdout)
	}
	return c
}

// heals waits until all checks pass again: servers that were cut off need a while to find each other.
func (l *lab) heals() {
	l.t.Helper()
	var c call
	for range 20 {
		if c = l.call("-check"); c.code == 0 {
			return
		}
		time.Sleep(time.Second)
	}
	l.t.Fatalf("exit code %d\n%s\n%s", c.code, c.stderr, c.stdout)
}

// failing gives the ways from site to site with a failed finding.
func failing(r geored.Report) []string {
	var ways []string
	for _, f := range r.Findings {
		if f.Verdict == geored.Fail {
			ways = append(ways, geored.Target{Site: f.Site, To: f.To}.String())
		}
	}
	slices.Sort(ways)
	return slices.Compact(ways)
}

func TestThreeSites(t *testing.T) {
	l := newLab(t)
	first := l.installed("-sites", "3")
	pairs := map[string]bool{}
	for _, f := range first.report(t).Findings {
		if f.Check == "mesh/services" {
			pairs[geored.Target{Site: f.Site, To: f.To}.String()] = true
		}
	}
	if len(pairs) != 6 {
		t.Errorf("proven ways: %v", pairs)
	}
	t.Run("a second run changes nothing", func(t *testing.T) {
		events := filepath.Join(t.TempDir(), "events")
		l.installed("-events", events)
		text, err := os.ReadFile(events)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(`"step-ended"`)) || bytes.Contains(text, []byte(`"step-applying"`)) {
			t.Errorf("events:\n%s", text)
		}
	})
	t.Run("a cut link is found, and no other", func(t *testing.T) {
		l.fault("cut", "dc1", "dc3")
		c := l.call("-check")
		if got := failing(c.report(t)); c.code != 1 || !slices.Equal(got, []string{"dc1 -> dc3", "dc3 -> dc1"}) {
			t.Errorf("exit code %d, failing: %v", c.code, got)
		}
		l.fault("mend")
		l.heals()
	})
	t.Run("a site that is away is unknown or failing, never passing", func(t *testing.T) {
		l.fault("freeze", "dc2")
		c := l.call("-check")
		if c.code != 2 {
			t.Errorf("exit code %d: a site that does not answer must be told before anything is judged\n%s", c.code, c.stderr)
		}
		if !strings.Contains(c.stderr, "site dc2") {
			t.Errorf("nothing names the site:\n%s", c.stderr)
		}
		l.fault("thaw", "dc2")
		l.heals()
	})
}

// The link is cut before the tunnels can come up: the run waits, says for what, and goes on when the link is back.
func TestALinkThatIsCutIsWaitedFor(t *testing.T) {
	l := newLab(t)
	l.installed()
	l.fault("cut", "dc1", "dc2")
	events := filepath.Join(t.TempDir(), "events")
	_, wait := l.start("-events", events)
	waiting := func() bool {
		text, err := os.ReadFile(events)
		return err == nil && bytes.Contains(text, []byte(`"kind":"step-waiting","stage":"tunnels"`)) && bytes.Contains(text, []byte("packets leave and none comes back"))
	}
	for range 300 {
		if waiting() {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if !waiting() {
		text, _ := os.ReadFile(events)
		t.Errorf("nothing says what is waited for:\n%s", text)
	}
	l.fault("mend")
	if c := wait(); c.code != 0 {
		t.Errorf("exit code %d\n%s", c.code, c.stderr)
	}
}

// Killed again and again, at whatever moment, the program reaches its end, and under one run's name.
func TestKilledAtAnyMoment(t *testing.T) {
	l := newLab(t)
	journal := t.TempDir()
	for _, after := range []time.Duration{200, 3000, 500, 900, 1300, 1800, 2500, 300} {
		command, wait := l.start("-journal", journal)
		time.Sleep(after * time.Millisecond)
		if err := command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		wait()
	}
	l.installed("-journal", journal)
	l.installed("-journal", journal, "-check")
}

func TestALaboratoryThatWasKilledComesBack(t *testing.T) {
	l := newLab(t)
	l.installed()
	output, err := l.driver.Command(t.Context(), "status", "-name", l.name).Output()
	if err != nil {
		t.Fatal(err)
	}
	var status struct{ PID int }
	if err := json.Unmarshal(output, &status); err != nil || status.PID == 0 {
		t.Fatal(string(output), err)
	}
	if err := syscall.Kill(status.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	l.installed()
}

// The private keys are on the nodes and nowhere else.
func TestPrivateKeysStayOnTheirNodes(t *testing.T) {
	l := newLab(t)
	dir := t.TempDir()
	c := l.installed("-v", "-events", filepath.Join(dir, "events"), "-journal", filepath.Join(dir, "journal"), "-report", filepath.Join(dir, "report.json"), "-report", filepath.Join(dir, "report.txt"))
	if err := os.WriteFile(filepath.Join(dir, "output"), []byte(c.stdout+c.stderr), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := l.driver.Command(t.Context(), "status", "-name", l.name).Output()
	if err != nil {
		t.Fatal(err)
	}
	var status struct {
		Sites []struct{ Nodes map[string]int }
	}
	if err := json.Unmarshal(output, &status); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, site := range status.Sites {
		for node, pid := range site.Nodes {
			key, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/var/lib/georedkit/wireguard.key", pid))
			if err != nil {
				t.Fatalf("node %s: %v", node, err)
			}
			keys = append(keys, strings.TrimSpace(string(key)))
		}
	}
	if len(keys) != 2 || len(keys[0]) != 44 {
		t.Fatalf("%d keys were found", len(keys))
	}
	searched := 0
	for _, root := range []string{dir, l.running().Dir} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() || filepath.Base(path) == "wireguard.key" {
				return nil // what comes and goes in a running laboratory
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			searched++
			for _, key := range keys {
				if bytes.Contains(text, []byte(key)) {
					t.Errorf("%s holds a private key", path)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if searched < 20 {
		t.Errorf("only %d files were searched", searched)
	}
}

// With no laboratory kept, nothing is left of it.
func TestTheLaboratoryGoesWithTheProgram(t *testing.T) {
	l := newLab(t)
	output, err := exec.Command(program, "-lab", l.name).CombinedOutput()
	if err != nil || !bytes.Contains(output, []byte("PASS")) {
		t.Fatalf("%v\n%s", err, output)
	}
	if _, found, err := l.driver.Find(t.Context(), l.name); found || err != nil {
		t.Errorf("the laboratory is still there: %v, %v", found, err)
	}
}

func TestAFaultyTopologyIsRefusedBeforeAnyConnection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sites.yaml")
	faulty := `
sites:
  - {name: dc1, kubeconfig: nowhere.kubeconfig, podCIDR: 10.90.0.1/16, serviceCIDR: 10.100.0.0/16, wireguardCIDR: 10.80.0.0/16}
  - {name: DC2, kubeconfig: nowhere.kubeconfig, podCIDR: 10.90.0.0/17, serviceCIDR: 10.130.0.0/16, wireguardCIDR: 10.130.0.0/16, colour: blue}
`
	if err := os.WriteFile(file, []byte(faulty), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "-topology", file, "-probe-image", "x", "-yes")
	output, _ := command.CombinedOutput()
	if code := command.ProcessState.ExitCode(); code != 2 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"host bits", "DNS-1123", "contains podCIDR", "wireguardCIDR", "colour: unknown key", "kubeconfig"} {
		if !strings.Contains(string(output), want) {
			t.Errorf("%q is missing in:\n%s", want, output)
		}
	}
}

// A downloaded module has no laboratory.
func TestOutsideACheckout(t *testing.T) {
	away := filepath.Join(t.TempDir(), "ice-install")
	if output, err := exec.Command("go", "build", "-trimpath", "-o", away, ".").CombinedOutput(); err != nil {
		t.Fatal(string(output))
	}
	command := exec.Command(away)
	command.Dir = t.TempDir()
	output, _ := command.CombinedOutput()
	if code := command.ProcessState.ExitCode(); code != 2 || !strings.Contains(string(output), "-topology") {
		t.Errorf("exit code %d\n%s", code, output)
	}
}
