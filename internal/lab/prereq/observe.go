package prereq

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/georedkit/georedkit/internal/lab/cgroup"
	"github.com/georedkit/georedkit/internal/lab/network"
)

// Observe looks at this machine. What it makes to try things out is gone when it returns.
func Observe() Facts {
	f := Facts{OS: runtime.GOOS, UID: os.Getuid(), Programs: map[string]bool{}, Bridge: errors.New("not tried")}
	for _, p := range Packages {
		_, err := LookUp(p.Program)
		f.Programs[p.Program] = err == nil
	}
	if tree, err := cgroup.Detect(); err == nil {
		f.CgroupVersion, f.CgroupMissing = tree.Version(), tree.Missing()
	}
	if f.UID == 0 {
		if f.Programs["nft"] {
			f.Bridge = network.TryBridges()
		}
		f.WireGuard = network.HasWireGuard()
	}
	if tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0); err == nil {
		f.TUN = true
		tun.Close()
	}
	f.DiskFolder = diskFolder()
	f.Overlay = f.UID == 0 && Snapshotter(f.DiskFolder) == Overlay
	var stat unix.Statfs_t
	if unix.Statfs(f.DiskFolder, &stat) == nil {
		f.FreeBytes = stat.Bavail * uint64(stat.Bsize)
	}
	if text, err := os.ReadFile("/proc/sys/fs/inotify/max_user_instances"); err == nil {
		f.InotifyInstances, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	f.InotifyUsed = inotifyUsed()
	return f
}

// inotifyUsed counts the open instances of the processes that run under this user.
func inotifyUsed() int {
	used := 0
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0
	}
	for _, process := range processes {
		var stat unix.Stat_t
		if unix.Stat(process, &stat) != nil || int(stat.Uid) != os.Getuid() {
			continue
		}
		descriptors, err := os.ReadDir(filepath.Join(process, "fd"))
		if err != nil {
			continue // it has ended
		}
		for _, descriptor := range descriptors {
			target, err := os.Readlink(filepath.Join(process, "fd", descriptor.Name()))
			if err == nil && target == "anon_inode:inotify" {
				used++
			}
		}
	}
	return used
}

// diskFolder is the nearest folder that exists already above those of laboratories.
func diskFolder() string {
	folder, err := os.UserCacheDir()
	if err != nil {
		return "/"
	}
	for folder != "/" {
		if _, err := os.Stat(folder); err == nil {
			return folder
		}
		folder = filepath.Dir(folder)
	}
	return folder
}
