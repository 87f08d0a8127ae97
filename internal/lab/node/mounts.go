package node

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// sysctls are the values the kubelet wants. It writes those that differ, machine-wide; files that agree keep the
// machine's own values as they are. (A read-only file alone makes it give up.)
var sysctls = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// fresh are the folders with fixed names that a node has for itself.
var fresh = []string{"/run", "/var/lib", "/var/log"}

type step struct {
	what string
	do   func() error
}

// mountAll gives the node a machine of its own. Nothing of it is seen outside the node's mount namespace.
func (s Spec) mountAll() error {
	var kept []clone
	steps := []step{
		{"make mounts private", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		{"mount /proc", func() error { return unix.Mount("proc", "/proc", "proc", 0, "") }},
		{"mount /sys", mountSys},
		{"keep folders", func() (err error) { kept, err = clones(s.Keep); return err }},
		// Shared among the node's own mount namespaces: volumes that the kubelet mounts must reach the containers.
		{"make mounts shared", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "") }},
		{"mount fresh folders", mountFresh},
		{"restore folders", func() error { return restore(kept) }},
		{"mount the node's folders", s.mountOwn},
		{"hide sysctls", hideSysctls},
		{"forward packets", func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644) }},
		{"set the host name", func() error { return unix.Sethostname([]byte(s.Machine.Node.Name)) }},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// clone is a copy of a mounted folder that is not attached anywhere.
type clone struct {
	path string
	fd   int
}

func clones(paths []string) ([]clone, error) {
	var all []clone
	for _, path := range paths {
		fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, clone{path, fd})
	}
	return all, nil
}

func (c clone) attach() error {
	if err := unix.MoveMount(c.fd, "", unix.AT_FDCWD, c.path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("%s: %w", c.path, err)
	}
	return unix.Close(c.fd)
}

func restore(kept []clone) error {
	for _, c := range kept {
		if err := os.MkdirAll(c.path, 0o755); err != nil {
			return err
		}
		if err := c.attach(); err != nil {
			return err
		}
	}
	return nil
}

// mountSys shows the devices of this network namespace and keeps the machine's cgroups.
func mountSys() error {
	cgroups, err := clones([]string{"/sys/fs/cgroup"})
	if err != nil {
		return err
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return err
	}
	return cgroups[0].attach()
}

func mountFresh() error {
	for _, path := range fresh {
		if err := unix.Mount("tmpfs", path, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// mountOwn binds what must outlive the node's first process.
func (s Spec) mountOwn() error {
	for source, target := range map[string]string{
		"kubelet":    "/var/lib/kubelet", // the path of device plugins is fixed
		"pods":       "/var/log/pods",
		"containers": "/var/log/containers",
		"kilo":       "/var/lib/kilo", // the mesh's private key outlives a power cut
	} {
		source = filepath.Join(s.Machine.Folder, source)
		for _, folder := range []string{source, target} {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
		}
		if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
	}
	return os.MkdirAll("/run/wireguard", 0o755)
}

func hideSysctls() error {
	for name, value := range sysctls {
		file, target := filepath.Join("/run/sysctl", name), filepath.Join("/proc/sys", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
		if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
	}
	return nil
}
