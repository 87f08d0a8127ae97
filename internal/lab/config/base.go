package config

import (
	"encoding/json"
	"maps"
	"os"
	"slices"

	"github.com/georedkit/georedkit/internal/lab/images"
)

type mount struct {
	Destination string   `json:"destination"`
	Type        string   `json:"type"`
	Source      string   `json:"source"`
	Options     []string `json:"options"`
}

// shared are the host's folders that every container sees, read-only: images need no software of their own.
var shared = []string{
	"/usr", "/opt", "/etc/alternatives", "/etc/ssl", "/etc/ca-certificates", "/etc/ld.so.cache", "/etc/ld.so.conf.d",
	"/etc/java-17-openjdk", "/etc/localtime",
}

var capabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
}

// baseSpec is the runtime's specification that containerd starts every container from. It sets no limits on
// files: one above this machine's own would be refused.
func baseSpec(bin string, stores map[string]string) ([]byte, error) {
	mounts := []mount{
		{"/proc", "proc", "proc", []string{"nosuid", "noexec", "nodev"}},
		{"/dev", "tmpfs", "tmpfs", []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{"/dev/pts", "devpts", "devpts", []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{"/dev/mqueue", "mqueue", "mqueue", []string{"nosuid", "noexec", "nodev"}},
		{"/sys", "sysfs", "sysfs", []string{"nosuid", "noexec", "nodev", "ro"}},
		{"/run", "tmpfs", "tmpfs", []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
	}
	bind := func(source, destination string) {
		mounts = append(mounts, mount{destination, "bind", source, []string{"rbind", "ro", "nosuid", "nodev"}})
	}
	for _, path := range shared {
		if _, err := os.Stat(path); err == nil {
			bind(path, path)
		}
	}
	bind(bin, images.Programs)
	for _, destination := range slices.Sorted(maps.Keys(stores)) {
		bind(stores[destination], destination)
	}
	type object = map[string]any
	return json.Marshal(object{
		"ociVersion": "1.0.2",
		"process": object{
			"user": object{"uid": 0, "gid": 0}, "cwd": "/", "noNewPrivileges": true,
			"capabilities": object{"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
		},
		"root":   object{"path": "rootfs"},
		"mounts": mounts,
		"linux": object{
			"resources":  object{"devices": []object{{"allow": false, "access": "rwm"}}},
			"namespaces": []object{{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "network"}},
			"maskedPaths": []string{
				"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
				"/proc/sched_debug", "/sys/firmware", "/proc/scsi",
			},
			"readonlyPaths": []string{"/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	})
}
