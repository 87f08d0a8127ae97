package cgroup_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/internal/lab/cgroup"
)

// group makes a cgroup of this test's own with one process in a child of it.
func group(t *testing.T) (tree cgroup.Tree, name string, process *exec.Cmd) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("cgroups need root")
	}
	tree, err := cgroup.Detect()
	if err != nil {
		t.Fatal(err)
	}
	name = fmt.Sprintf("georedkit.test-%s-%d", strings.ToLower(t.Name()), os.Getpid())
	process = exec.Command("sleep", "1000")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Process.Kill()
		process.Wait()
		if err := cgroup.Destroy(tree, name); err != nil {
			t.Error(err)
		}
	})
	if err := tree.Create(name + "/child"); err != nil {
		t.Fatal(err)
	}
	if err := tree.Enter(name+"/child", process.Process.Pid); err != nil {
		t.Fatal(err)
	}
	return tree, name, process
}

func state(t *testing.T, process *exec.Cmd) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))[2]
}

func TestDestroyKillsWhatIsFrozen(t *testing.T) {
	tree, name, process := group(t)
	pids, err := tree.Processes(name)
	if err != nil || !slices.Equal(pids, []int{process.Process.Pid}) {
		t.Fatalf("processes %v, %v", pids, err)
	}
	// Frozen below: that the outer cgroup is not frozen says nothing.
	if err := tree.Freeze(name+"/child", true); err != nil {
		t.Fatal(err)
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if got := state(t, process); got == "Z" {
		t.Skip("this kernel lets frozen processes die")
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	if err := cgroup.Destroy(tree, name); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || err.Error() != "signal: killed" {
		t.Errorf("the process: %v", err)
	}
	if _, err := tree.Processes(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the cgroup: %v", err)
	}
	names, err := tree.Names("georedkit.test-" + strings.ToLower(t.Name()))
	if err != nil || len(names) > 0 {
		t.Errorf("left: %v, %v", names, err)
	}
}

// The register of laboratories has no false entries.
func TestNamesFindsByPrefix(t *testing.T) {
	tree, name, _ := group(t)
	names, err := tree.Names(name[:len(name)-1])
	if err != nil || !slices.Equal(names, []string{name}) {
		t.Errorf("names %v, %v", names, err)
	}
}

func TestDestroyOfNothing(t *testing.T) {
	tree, _, _ := group(t)
	if err := cgroup.Destroy(tree, "georedkit.test-never-made"); err != nil {
		t.Error(err)
	}
}
