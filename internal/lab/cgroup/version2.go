package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// version2 is the unified hierarchy. It was written from the kernel's documentation and has not run yet:
// the machines this was tested on use version 1.
type version2 struct{}

var controllers = []string{"cpu", "cpuset", "memory", "pids"}

func (version2) Version() int { return 2 }

func (version2) Missing() []string {
	text, err := os.ReadFile(filepath.Join(mountpoint, "cgroup.controllers"))
	if err != nil {
		return controllers
	}
	offered := strings.Fields(string(text))
	return slices.DeleteFunc(slices.Clone(controllers), func(name string) bool { return slices.Contains(offered, name) })
}

func (version2) Create(path string) error {
	folder := mountpoint
	for name := range strings.SplitSeq(path, "/") {
		if err := delegate(folder); err != nil {
			return err
		}
		folder = filepath.Join(folder, name)
		if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// delegate lets the children of a cgroup use the controllers. A cgroup with processes of its own may not
// (the kernel's root is exempt, a container's is not): they move to a leaf first.
func delegate(folder string) error {
	enable := []byte("+" + strings.Join(controllers, " +"))
	control := filepath.Join(folder, "cgroup.subtree_control")
	if os.WriteFile(control, enable, 0o644) == nil {
		return nil
	}
	leaf := filepath.Join(folder, "host-georedkit")
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
	if err != nil {
		return err
	}
	for pid := range strings.FieldsSeq(string(text)) {
		// Kernel threads cannot be moved and need not be.
		os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte(pid), 0o644)
	}
	if err := os.WriteFile(control, enable, 0o644); err != nil {
		return fmt.Errorf("cgroup %s: enable controllers: %w", folder, err)
	}
	return nil
}

func (version2) Enter(path string, pid int) error { return enter(filepath.Join(mountpoint, path), pid) }

func (version2) Freeze(path string, frozen bool) error {
	value := "0"
	if frozen {
		value = "1"
	}
	folder := filepath.Join(mountpoint, path)
	if err := os.WriteFile(filepath.Join(folder, "cgroup.freeze"), []byte(value), 0o644); err != nil {
		return err
	}
	return await(path+" frozen "+value, func() (bool, error) {
		events, err := os.ReadFile(filepath.Join(folder, "cgroup.events"))
		return strings.Contains(string(events), "frozen "+value), err
	})
}

func (version2) ThawAll(path string) error {
	return writeAll(filepath.Join(mountpoint, path), "cgroup.freeze", "0")
}

func (version2) Processes(path string) ([]int, error) {
	return processes(filepath.Join(mountpoint, path))
}

func (version2) Names(prefix string) ([]string, error) {
	found, err := names(mountpoint, prefix)
	return slices.DeleteFunc(found, func(name string) bool { return name == "host-georedkit" }), err
}

func (version2) Remove(path string) error { return removeAll(filepath.Join(mountpoint, path)) }
