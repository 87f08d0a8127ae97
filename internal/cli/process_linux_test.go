package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// asProgram is the folder of the effects of a test binary that is a program: what is held against kill -9, a second process
// and a full disk must be one.
const (
	asProgram = "GEOREDKIT_TEST_PROGRAM"
	fileLimit = "GEOREDKIT_TEST_FILE_LIMIT" // bytes
)

func TestMain(m *testing.M) {
	folder := os.Getenv(asProgram)
	if folder == "" {
		os.Exit(m.Run())
	}
	var bytes uint64
	if _, err := fmt.Sscan(os.Getenv(fileLimit), &bytes); err == nil {
		signal.Ignore(syscall.SIGXFSZ) // as on a full disk, a write fails and nobody is killed
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: bytes}); err != nil {
			panic(err)
		}
	}
	Program{Name: "test", Open: func([]byte, Options) (Deployment, error) { return lasting{folder}, nil }}.Main()
}

// lasting is a deployment whose effects are files, a line for each time, and which waits for the file "go" in its middle.
type lasting struct{ folder string }

const lastingSteps = 60

func (lasting) Sites() []geored.SiteName      { return []geored.SiteName{"dc1", "dc2"} }
func (lasting) Connect(context.Context) error { return nil }

func (l lasting) Runbook() geored.Runbook {
	var tasks []geored.Task
	for i := range lastingSteps {
		path := filepath.Join(l.folder, fmt.Sprintf("effect-%02d", i))
		step := geored.Step{ID: geored.StepID(fmt.Sprintf("all/step-%02d", i)), Site: "dc1", Target: "a file", Action: geored.Apply}
		if i > 0 {
			step.Needs = []geored.StepID{tasks[i-1].ID}
		}
		task := geored.Task{Step: step,
			Observe: func(context.Context) (geored.State, error) {
				info, err := os.Stat(path) // killed between making and writing it, the step is not done
				return geored.State{Done: err == nil && info.Size() > 0, Detail: "its file"}, nil
			},
			Apply: func(context.Context) error {
				file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
				if err == nil {
					_, err = file.WriteString("once\n")
				}
				return errors.Join(err, file.Close())
			}}
		if i == lastingSteps/2 {
			path = filepath.Join(l.folder, "go")
			task.Apply, task.Action = nil, geored.Await
		}
		tasks = append(tasks, task)
	}
	return geored.Runbook{Name: "test", Stages: []geored.Stage{geored.StageOf("all", tasks...)}}
}

func (lasting) Checks() []geored.Check {
	return []geored.Check{{ID: "test/all", Run: func(ctx context.Context) []geored.Finding {
		return geored.Ask(ctx, []geored.Target{{Site: "dc1"}}, func(context.Context, geored.Target) (int, error) { return 1, nil }).
			Each(func(geored.Target, int) geored.Finding {
				return geored.Finding{Verdict: geored.Pass, Message: "as told"}
			})
	}}}
}

// process is a program over effects and a journal of its own.
type process struct {
	t                *testing.T
	effects, journal string
	environment      []string
}

func newProcess(t *testing.T) *process {
	return &process{t: t, effects: t.TempDir(), journal: t.TempDir()}
}

func (p *process) start(args ...string) (*exec.Cmd, *bytes.Buffer) {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	topology := filepath.Join(p.effects, "topology.yaml")
	if err := os.WriteFile(topology, []byte("sites: []"), 0o600); err != nil {
		p.t.Fatal(err)
	}
	command, said := exec.Command(self, append([]string{"-topology", topology, "-probe-image", "registry.example.org/probe:1", "-yes", "-journal", p.journal}, args...)...), &bytes.Buffer{}
	command.Env = append(append(os.Environ(), asProgram+"="+p.effects), p.environment...)
	command.Stdout, command.Stderr = said, said
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	return command, said
}

func (p *process) wants(code int, words ...string) {
	p.t.Helper()
	command, said := p.start()
	_ = command.Wait() // its code is what counts
	for _, word := range words {
		if !strings.Contains(said.String(), word) {
			p.t.Errorf("%q is missing", word)
		}
	}
	if got := command.ProcessState.ExitCode(); got != code || p.t.Failed() {
		p.t.Fatalf("exit code %d, want %d\n%s", got, code, said)
	}
}

// ready lets the step in the middle pass.
func (p *process) ready() {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.effects, "go"), []byte("now\n"), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// await waits for an effect.
func (p *process) await(step int) {
	p.t.Helper()
	for range 3000 {
		if _, err := os.Stat(filepath.Join(p.effects, fmt.Sprintf("effect-%02d", step))); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Fatalf("step %d was never done", step)
}

// done counts the steps that were carried out, and fails for one that was twice.
func (p *process) done() int {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.effects, "effect-*"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err != nil || string(text) != "once\n" {
			p.t.Errorf("%s: %q, %v", filepath.Base(file), text, err)
		}
	}
	return len(files)
}

func (p *process) file() string { return filepath.Join(p.journal, "test.journal") }

func (p *process) text() []byte {
	p.t.Helper()
	text, err := os.ReadFile(p.file())
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// Two processes: the second is told who the first is, and changes nothing; once that one was killed, it goes on.
func TestTwoProcessesAtOnce(t *testing.T) {
	p := newProcess(t)
	first, _ := p.start()
	p.await(lastingSteps/2 - 1)
	p.wants(ExitUnknown, "is held by", fmt.Sprintf("process %d", first.Process.Pid))
	if n := p.done(); n != lastingSteps/2 {
		t.Errorf("%d steps", n)
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	p.ready()
	p.wants(ExitPass, "going on with the run of", "PASS")
	if n := p.done(); n != lastingSteps-1 { // one is a gate
		t.Errorf("%d steps", n)
	}
}

// Killed again and again, at whatever moment, it does nothing twice.
func TestProcessKilledAtAnyMoment(t *testing.T) {
	p := newProcess(t)
	p.ready()
	for after := range 8 {
		command, _ := p.start()
		time.Sleep(time.Duration(10+7*after) * time.Millisecond)
		_ = command.Process.Kill() // it may have ended
		_ = command.Wait()
	}
	p.wants(ExitPass, "PASS")
	if n := p.done(); n != lastingSteps-1 {
		t.Errorf("%d steps", n)
	}
}

// A journal that cannot grow ends the run, which names it; with room again the run goes on, and nothing is done twice.
func TestJournalOnAFullDisk(t *testing.T) {
	full := map[string]func(*process) (room func()){
		"a limit of the process": func(p *process) func() {
			p.environment = []string{fileLimit + "=4000"}
			return func() { p.environment = nil }
		},
		"a small file system": func(p *process) func() {
			if err := syscall.Mount("tmpfs", p.journal, "tmpfs", 0, "size=16k"); err != nil {
				p.t.Skipf("only root may mount one: %v", err)
			}
			p.t.Cleanup(func() { _ = syscall.Unmount(p.journal, syscall.MNT_DETACH) })
			return func() {
				if err := syscall.Mount("tmpfs", p.journal, "tmpfs", syscall.MS_REMOUNT, "size=1m"); err != nil {
					p.t.Fatal(err)
				}
			}
		},
	}
	for name, fill := range full {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t)
			p.ready()
			room := fill(p)
			p.wants(ExitFail, "journal", p.file())
			before, done := p.text(), p.done()
			if done < 5 || done >= lastingSteps-1 {
				t.Fatalf("%d steps: the limit did not bite in the middle", done)
			}
			p.wants(ExitUnknown, "journal", p.file()) // and stays so
			room()
			p.wants(ExitPass, "PASS")
			whole := bytes.LastIndexByte(before, '\n') + 1
			if !bytes.HasPrefix(p.text(), before[:whole]) {
				t.Error("what was written before is gone")
			}
			if n := p.done(); n != lastingSteps-1 {
				t.Errorf("%d steps", n)
			}
		})
	}
}

// A last line that was cut off is no loss; a line that is not what was written is told, and left as it is.
func TestJournalThatIsDamaged(t *testing.T) {
	p := newProcess(t)
	first, _ := p.start()
	p.await(lastingSteps/2 - 1)
	_ = first.Process.Kill()
	_ = first.Wait()
	text := p.text()
	if err := os.Truncate(p.file(), int64(len(text)-5)); err != nil {
		t.Fatal(err)
	}
	p.ready()
	spoilt := bytes.Clone(p.text())
	spoilt[len(spoilt)/2] ^= 1
	for name, damaged := range map[string][]byte{"a bit": spoilt, "its first half is another's": append([]byte("hello\n"), p.text()...), "nothing but zeros": append(make([]byte, 300), '\n')} {
		if err := os.WriteFile(p.file(), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		p.wants(ExitUsage, p.file(), "journal is corrupt", "line ", "move it away")
		if !bytes.Equal(p.text(), damaged) || p.done() != lastingSteps/2 {
			t.Errorf("%s: the journal was changed, or something was done", name)
		}
	}
	if err := os.WriteFile(p.file(), text[:len(text)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	p.wants(ExitPass, "going on with the run of")
	if n := p.done(); n != lastingSteps-1 {
		t.Errorf("%d steps", n)
	}
}

// A clock that was set back: what the journal says lies in the future, and is taken as it was written.
func TestJournalOfTheFuture(t *testing.T) {
	for name, ended := range map[string]bool{"a run that ended": true, "a run that was interrupted": false} {
		p := newProcess(t)
		p.ready()
		j, err := geored.OpenFileJournal(p.file())
		if err != nil {
			t.Fatal(err)
		}
		future := time.Now().Add(24 * time.Hour)
		records := []geored.Record{{Time: future, Run: "tomorrow", Kind: geored.RunBegun, Detail: "test"}, {Time: future, Run: "tomorrow", Kind: geored.Intent, Step: "all/step-00"}}
		if ended {
			records = append(records, geored.Record{Time: future, Run: "tomorrow", Kind: geored.RunEnded})
		}
		for _, r := range records {
			if err := j.Append(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		j.Close()
		p.wants(ExitPass, "PASS")
		j, err = geored.OpenFileJournal(p.file())
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		last, err := geored.LastRun(t.Context(), j)
		if err != nil || last.Interrupted() || (last.Run == "tomorrow") != !ended || p.done() != lastingSteps-1 {
			t.Errorf("%s: %+v, %v", name, last, err)
		}
	}
}
