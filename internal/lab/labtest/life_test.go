package labtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// single is a laboratory of one site in the foreground, whose supervisor the test may kill.
type single struct {
	laboratory
	supervisor *exec.Cmd
	progress   *bufio.Scanner
}

func startSingle(t *testing.T, name, dir string) *single {
	t.Helper()
	s := &single{laboratory: laboratory{name: fmt.Sprintf("%s-%d", name, os.Getpid()), dir: dir}}
	s.supervisor = exec.Command(command, "up", "-name", s.name, "-dir", dir, "-sites", "1")
	s.supervisor.Stderr = os.Stderr
	output, err := s.supervisor.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.progress = bufio.NewScanner(output)
	if err := s.supervisor.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := s.lab("down", "-dir", dir, "-purge"); err != nil {
			t.Error(out, err)
		}
		s.supervisor.Wait()
	})
	return s
}

// await reads the progress up to a stage.
func (s *single) await(t *testing.T, stage string) {
	t.Helper()
	want := `"stage":"` + stage + `"`
	if stage == "ready" {
		want += `,"detail"` // a site that is ready has none
	}
	for s.progress.Scan() {
		if strings.Contains(s.progress.Text(), want) {
			return
		}
	}
	t.Fatalf("it ended before stage %q: %v", stage, s.progress.Err())
}

func (s *single) kill(t *testing.T) {
	t.Helper()
	if err := s.supervisor.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.supervisor.Wait()
}

// traces is what a laboratory must not leave behind.
type traces struct{ namespaces, processes []string }

// lookFor finds the traces of a laboratory that runs.
func lookFor(t *testing.T, name string) traces {
	t.Helper()
	var found traces
	own := map[string]bool{}
	for _, link := range namespacesOf("self") {
		own[link] = true
	}
	groups, err := filepath.Glob("/sys/fs/cgroup/pids/georedkit-" + name)
	if err != nil {
		t.Fatal(err)
	}
	if len(groups) == 0 {
		groups = []string{"/sys/fs/cgroup/georedkit-" + name} // cgroup version 2
	}
	for _, pid := range processesBelow(t, groups[0]) {
		found.processes = append(found.processes, pid)
		for _, link := range namespacesOf(pid) {
			if !own[link] {
				found.namespaces = append(found.namespaces, link)
			}
		}
	}
	if len(found.processes) < 8 || len(found.namespaces) < 8 {
		t.Fatalf("too little is seen of a laboratory that runs: %+v", found)
	}
	return found
}

func processesBelow(t *testing.T, group string) []string {
	t.Helper()
	var pids []string
	err := filepath.WalkDir(group, func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "cgroup.procs" {
			return err
		}
		text, err := os.ReadFile(path)
		pids = append(pids, strings.Fields(string(text))...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

func namespacesOf(pid string) []string {
	links, err := filepath.Glob("/proc/" + pid + "/ns/*")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	var all []string
	for _, path := range links {
		// A process may have ended meanwhile.
		if link, err := os.Readlink(path); err == nil {
			all = append(all, link)
		}
	}
	return all
}

// checkGone fails when anything of a laboratory is left but its folder. It waits a little: who is killed is a
// zombie until the machine's first process has buried it.
func (before traces) checkGone(t *testing.T, name, dir string) {
	t.Helper()
	eventually(t, "nothing left of "+name, func() error { return before.left(name, dir) })
}

func (before traces) left(name, dir string) error {
	var errs []error
	for _, pattern := range []string{"/sys/fs/cgroup/georedkit-", "/sys/fs/cgroup/*/georedkit-"} {
		if groups, err := filepath.Glob(pattern + name); err != nil || len(groups) > 0 {
			errs = append(errs, fmt.Errorf("cgroups %v, %w", groups, err))
		}
	}
	for _, pid := range before.processes {
		if cmdline, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && strings.Contains(string(cmdline), dir) {
			errs = append(errs, fmt.Errorf("process %s: %s", pid, cmdline))
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	errs = append(errs, err)
	for _, path := range processes {
		for _, link := range namespacesOf(filepath.Base(path)) {
			if slices.Contains(before.namespaces, link) {
				errs = append(errs, fmt.Errorf("namespace %s is held by %s", link, path))
			}
		}
		if text, err := os.ReadFile(path + "/mountinfo"); err == nil && strings.Contains(string(text), dir) {
			errs = append(errs, fmt.Errorf("%s has a mount of %s", path, dir))
		}
	}
	return errors.Join(errs...)
}

func (s *single) site() site {
	return site{Name: "dc1", Kubeconfig: filepath.Join(s.dir, "dc1.kubeconfig")}
}

func TestKilledSupervisorIsSweptAndResumed(t *testing.T) {
	dir := t.TempDir()
	first := startSingle(t, "killed", dir)
	first.await(t, "ready")
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "remembered"}}
	if _, err := first.site().client(t).CoreV1().ConfigMaps("default").Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := os.ReadFile(first.site().Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	copied := site{Kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	if err := os.WriteFile(copied.Kubeconfig, kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	before := lookFor(t, first.name)
	first.kill(t)
	if status, err := first.lab("status"); err == nil {
		t.Errorf("it is said to run: %s", status)
	}
	if output, err := exec.Command(command, "sweep").CombinedOutput(); err != nil {
		t.Fatalf("sweep: %v\n%s", err, output)
	}
	before.checkGone(t, first.name, dir)
	if _, err := shared.lab("status"); err != nil {
		t.Errorf("a living laboratory was swept: %v", err)
	}

	second := startSingle(t, "killed", dir)
	second.await(t, "ready")
	// Through the kubeconfig of before: address, authority and accounts are the same.
	if _, err := copied.client(t).CoreV1().ConfigMaps("default").Get(t.Context(), "remembered", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

func TestKilledWhileStarting(t *testing.T) {
	for _, stage := range []string{"machine", "etcd", "api"} {
		t.Run(stage, func(t *testing.T) {
			dir := t.TempDir()
			first := startSingle(t, "half", dir)
			first.await(t, stage)
			first.kill(t)
			if stage == "machine" {
				halfMakeEtcd(t, filepath.Join(dir, "dc1", "dc1-1", "etcd"))
			}
			second := startSingle(t, "half", dir)
			second.await(t, "ready")
			if _, err := second.site().client(t).CoreV1().Nodes().Get(context.Background(), "dc1-1", metav1.GetOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// halfMakeEtcd leaves what an etcd leaves that is killed before it first serves: a log that names no member.
func halfMakeEtcd(t *testing.T, dir string) {
	t.Helper()
	log := filepath.Join(dir, "member", "wal", "0000000000000000-0000000000000000.wal")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(filepath.Dir(log), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(log, nil, 0o600), os.WriteFile(dir+".half-made", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestDownLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	l := startSingle(t, "down", dir)
	l.await(t, "ready")
	before := lookFor(t, l.name)
	// Neither what is stopped nor what is frozen may hold it up.
	l.fault(t, "", "pause", "dc1", "etcd")
	l.fault(t, "", "freeze", "dc1")
	if _, err := l.lab("down"); err != nil {
		t.Fatal(err)
	}
	before.checkGone(t, l.name, dir)
	if err := l.supervisor.Wait(); err != nil {
		t.Errorf("the supervisor: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ready.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ready.json: %v", err)
	}
}

func TestNameIsTaken(t *testing.T) {
	output, err := exec.Command(command, "up", "-name", shared.name, "-dir", t.TempDir()).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "runs already") {
		t.Errorf("%v: %s", err, output)
	}
}

// A start that cannot succeed says whose fault it is, where to read on, and leaves nothing.
func TestFailedStartNamesTheServer(t *testing.T) {
	dir := t.TempDir()
	// Etcd refuses a data folder that is a file.
	if err := os.MkdirAll(filepath.Join(dir, "dc1", "dc1-1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dc1", "dc1-1", "etcd"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("fails-%d", os.Getpid())
	output, err := exec.Command(command, "up", "-name", name, "-dir", dir, "-sites", "1").CombinedOutput()
	if err == nil {
		t.Fatal("it started")
	}
	for _, want := range []string{"site dc1", "node dc1-1", "etcd", "again and again", filepath.Join(dir, "dc1", "dc1-1", "log", "etcd.log")} {
		if !strings.Contains(string(output), want) {
			t.Errorf("%q is missing in\n%s", want, output)
		}
	}
	traces{}.checkGone(t, name, dir)
}
