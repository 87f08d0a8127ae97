// Package prereq knows what a machine needs to run a laboratory, and says all that is missing at once.
package prereq

import (
	"fmt"
	"strings"
)

// Facts is what a laboratory depends on, as observed on one machine.
type Facts struct {
	OS               string
	UID              int
	Programs         map[string]bool // by name: found
	CgroupVersion    int             // 0: none
	CgroupMissing    []string        // controllers
	Bridge           error           // why a bridge with rules cannot be made; nil: it can
	TUN              bool
	Overlay          bool
	WireGuard        bool
	DiskFolder       string
	FreeBytes        uint64
	InotifyInstances int // that one user may have
	InotifyUsed      int // by this user's processes
}

// Fault is one thing that is missing.
type Fault struct{ What, Remedy string }

func (f Fault) String() string { return f.What + ": " + f.Remedy }

// Package is one that apt-get can install, and a program by which its presence is seen.
type Package struct{ Name, Program string }

// Packages are all that a laboratory takes from the machine.
var Packages = []Package{
	{"runc", "runc"},
	{"nftables", "nft"}, // kube-proxy calls it too
}

// StorePackages are what the stores written in Java need besides. A laboratory runs without them.
var StorePackages = []Package{
	{"default-jre-headless", "java"},
	{"maven", "mvn"},
}

// Needs of one laboratory of a few sites.
const (
	minimumDisk    = 3 << 30
	inotifyPerNode = 14
)

// Missing lists what keeps a laboratory of so many nodes from running here.
func Missing(f Facts, nodes int) []Fault {
	var faults []Fault
	missing := func(bad bool, what, remedy string) {
		if bad {
			faults = append(faults, Fault{what, remedy})
		}
	}
	missing(f.OS != "linux", "operating system "+f.OS, "use Linux, or a virtual machine that runs it")
	missing(f.UID != 0, "root", "run as root: sites are namespaces, mounts and cgroups")
	for _, p := range Packages {
		missing(!f.Programs[p.Program], p.Program, "run make setup, or apt-get install "+p.Name)
	}
	missing(f.CgroupVersion == 0, "cgroups", "mount them at /sys/fs/cgroup; in a container, run it privileged")
	missing(len(f.CgroupMissing) > 0, "cgroup controllers "+strings.Join(f.CgroupMissing, ", "), "enable them in the kernel, or in the container's parent")
	// Without root and nft it could not be tried.
	missing(f.UID == 0 && f.Programs["nft"] && f.Bridge != nil, "bridges with rules",
		fmt.Sprintf("the kernel needs bridge, veth and nf_tables, the user CAP_NET_ADMIN (%v)", f.Bridge))
	missing(!f.TUN, "/dev/net/tun", "mknod /dev/net/tun c 10 200, or modprobe tun; in a container, pass the device")
	missing(f.FreeBytes < minimumDisk, fmt.Sprintf("disk: %d MiB free", f.FreeBytes>>20), fmt.Sprintf("free %d MiB for %s", minimumDisk>>20, f.DiskFolder))
	missing(f.InotifyInstances-f.InotifyUsed < nodes*inotifyPerNode,
		fmt.Sprintf("inotify: %d of %d instances are in use, %d nodes need %d", f.InotifyUsed, f.InotifyInstances, nodes, nodes*inotifyPerNode),
		fmt.Sprintf("sysctl -w fs.inotify.max_user_instances=%d, or end other laboratories", max(1024, f.InotifyUsed+nodes*inotifyPerNode)))
	return faults
}

// Capabilities describes the machine, one line each.
func Capabilities(f Facts) []string {
	yes := map[bool]string{true: "yes", false: "no"}
	return []string{
		"root: " + yes[f.UID == 0],
		fmt.Sprintf("cgroup version: %d", f.CgroupVersion),
		"tun: " + yes[f.TUN],
		"nft: " + yes[f.Programs["nft"] && f.Bridge == nil],
		"overlayfs: " + yes[f.Overlay],
		"kernel wireguard: " + yes[f.WireGuard],
		fmt.Sprintf("inotify instances: %d of %d in use", f.InotifyUsed, f.InotifyInstances),
	}
}
