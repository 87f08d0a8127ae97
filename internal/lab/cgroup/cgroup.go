// Package cgroup keeps the processes of a laboratory together: the name of a cgroup is the register by which
// everything a dead supervisor left behind is found again.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const mountpoint = "/sys/fs/cgroup"

// Tree is the machine's cgroup hierarchy, or all of them under version 1. Paths are relative to its root.
type Tree interface {
	Version() int
	// Missing names the controllers that a node needs and the machine does not offer.
	Missing() []string
	// Create makes a cgroup that processes and cgroups of their own can be put into.
	Create(path string) error
	Enter(path string, pid int) error
	// Freeze stops or continues everything below path and returns when the kernel says that it did.
	Freeze(path string, frozen bool) error
	// ThawAll asks the kernel to continue path and every cgroup below it that was frozen by itself.
	ThawAll(path string) error
	Processes(path string) ([]int, error)
	Names(prefix string) ([]string, error)
	Remove(path string) error
}

// Detect tells which version this machine uses.
func Detect() (Tree, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(mountpoint, &stat); err != nil {
		return nil, fmt.Errorf("%s: %w", mountpoint, err)
	}
	if stat.Type == unix.CGROUP2_SUPER_MAGIC {
		return version2{}, nil
	}
	return newVersion1()
}

// patience bounds how long the kernel may take to let go of killed or frozen processes.
const patience = 30 * time.Second

// Destroy kills every process below path and removes its cgroups. A path that does not exist is no error.
func Destroy(tree Tree, path string) error {
	deadline := time.Now().Add(patience)
	for {
		pids, err := tree.Processes(path)
		if errors.Is(err, fs.ErrNotExist) {
			return tree.Remove(path)
		}
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			if err = tree.Remove(path); err == nil {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cgroup %s: processes %v are still there after %v: %w", path, pids, patience, err)
		}
		for _, pid := range pids {
			unix.Kill(pid, unix.SIGKILL)
		}
		// A frozen process does not die before it is thawed.
		if err := tree.ThawAll(path); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// processes collects the processes of every cgroup below root.
func processes(root string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if path != root && errors.Is(err, fs.ErrNotExist) {
				return nil // removed while we looked
			}
			return err
		}
		if entry.Name() != "cgroup.procs" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil && !gone(err) {
			return err
		}
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			pids = append(pids, pid)
		}
		return nil
	})
	return pids, err
}

// removeAll removes the cgroups below root, the innermost first.
func removeAll(root string) error {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeAll(filepath.Join(root, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(root); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cgroup %s: %w", root, err)
	}
	return nil
}

// writeAll writes a value to the file of this name in every cgroup below root. Some may be removed meanwhile.
func writeAll(root, name, value string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == name {
			err = os.WriteFile(path, []byte(value), 0o644)
		}
		if err != nil && gone(err) {
			return nil
		}
		return err
	})
}

// names lists the outermost cgroups with a prefix.
func names(root, prefix string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, entry := range entries {
		if entry.IsDir() && strings.HasPrefix(entry.Name(), prefix) {
			found = append(found, entry.Name())
		}
	}
	return found, nil
}

func enter(folder string, pid int) error {
	return os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644)
}

// await repeats a question about the kernel's state until it is answered with yes.
func await(what string, reached func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for {
		ok, err := reached()
		if err != nil || ok {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not so after %v", what, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) }
