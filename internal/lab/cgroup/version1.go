package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// version1 is one hierarchy per controller; a cgroup exists in each of them.
type version1 struct{ hierarchies []string }

func newVersion1() (Tree, error) {
	entries, err := os.ReadDir(mountpoint)
	if err != nil {
		return nil, err
	}
	var v version1
	for _, entry := range entries {
		// Links such as cpu -> cpu,cpuacct would name one hierarchy twice.
		if entry.IsDir() {
			v.hierarchies = append(v.hierarchies, entry.Name())
		}
	}
	return v, nil
}

func (version1) Version() int { return 1 }

func (v version1) Missing() []string {
	var missing []string
	for _, name := range []string{"cpu", "cpuset", "memory", "devices", "freezer", "pids"} {
		has := func(hierarchy string) bool { return slices.Contains(strings.Split(hierarchy, ","), name) }
		if !slices.ContainsFunc(v.hierarchies, has) {
			missing = append(missing, name)
		}
	}
	return missing
}

func (v version1) Create(path string) error {
	for _, hierarchy := range v.hierarchies {
		folder := filepath.Join(mountpoint, hierarchy)
		for name := range strings.SplitSeq(path, "/") {
			parent := folder
			folder = filepath.Join(folder, name)
			if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			if err := inheritCPUs(parent, folder); err != nil {
				return err
			}
		}
	}
	return nil
}

// inheritCPUs fills a new cpuset: an empty one admits no process.
func inheritCPUs(parent, folder string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // not the hierarchy of cpuset
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (v version1) Enter(path string, pid int) error {
	for _, hierarchy := range v.hierarchies {
		if err := enter(filepath.Join(mountpoint, hierarchy, path), pid); err != nil {
			return err
		}
	}
	return nil
}

func (version1) Freeze(path string, frozen bool) error {
	state := "THAWED"
	if frozen {
		state = "FROZEN"
	}
	file := filepath.Join(mountpoint, "freezer", path, "freezer.state")
	return await(path+" "+state, func() (bool, error) {
		// Written again each time: a process that forks meanwhile leaves the state at FREEZING.
		if err := os.WriteFile(file, []byte(state), 0o644); err != nil {
			return false, err
		}
		seen, err := os.ReadFile(file)
		return strings.TrimSpace(string(seen)) == state, err
	})
}

func (version1) ThawAll(path string) error {
	return writeAll(filepath.Join(mountpoint, "freezer", path), "freezer.state", "THAWED")
}

func (v version1) Processes(path string) ([]int, error) {
	var all []int
	var errs []error
	for _, hierarchy := range v.hierarchies {
		pids, err := processes(filepath.Join(mountpoint, hierarchy, path))
		all, errs = append(all, pids...), append(errs, err)
	}
	slices.Sort(all)
	// A cgroup that is left in one hierarchy only is still one to be looked after.
	exists := slices.ContainsFunc(errs, func(err error) bool { return !errors.Is(err, fs.ErrNotExist) })
	if exists {
		errs = slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, fs.ErrNotExist) })
	}
	return slices.Compact(all), errors.Join(errs...)
}

func (v version1) Names(prefix string) ([]string, error) {
	var all []string
	for _, hierarchy := range v.hierarchies {
		found, err := names(filepath.Join(mountpoint, hierarchy), prefix)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (v version1) Remove(path string) error {
	var errs []error
	for _, hierarchy := range v.hierarchies {
		errs = append(errs, removeAll(filepath.Join(mountpoint, hierarchy, path)))
	}
	return errors.Join(errs...)
}
