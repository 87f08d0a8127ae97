package prereq_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/internal/lab/prereq"
)

func capable() prereq.Facts {
	return prereq.Facts{
		OS: "linux", Programs: map[string]bool{"runc": true, "nft": true}, CgroupVersion: 1, TUN: true, Overlay: true,
		DiskFolder: "/", FreeBytes: 100 << 30, InotifyInstances: 128,
	}
}

func TestNothingIsMissingOnACapableMachine(t *testing.T) {
	facts := capable()
	// Neither is needed: there is a way without.
	facts.Overlay, facts.WireGuard = false, false
	if faults := prereq.Missing(facts, 8); len(faults) > 0 {
		t.Error(faults)
	}
}

func TestEachFaultIsNamedWithItsRemedy(t *testing.T) {
	for name, test := range map[string]struct {
		breakIt      func(*prereq.Facts)
		what, remedy string
	}{
		"root":        {func(f *prereq.Facts) { f.UID = 1000 }, "root", "run as root"},
		"system":      {func(f *prereq.Facts) { f.OS = "darwin" }, "darwin", "use Linux"},
		"program":     {func(f *prereq.Facts) { f.Programs["runc"] = false }, "runc", "apt-get install runc"},
		"cgroups":     {func(f *prereq.Facts) { f.CgroupVersion = 0 }, "cgroups", "/sys/fs/cgroup"},
		"controllers": {func(f *prereq.Facts) { f.CgroupMissing = []string{"pids"} }, "pids", "enable"},
		"bridge":      {func(f *prereq.Facts) { f.Bridge = errors.New("not supported") }, "bridges", "nf_tables"},
		"tun":         {func(f *prereq.Facts) { f.TUN = false }, "/dev/net/tun", "mknod"},
		"disk":        {func(f *prereq.Facts) { f.FreeBytes = 1 << 20 }, "1 MiB free", "free 3072 MiB"},
		"inotify":     {func(f *prereq.Facts) { f.InotifyUsed = 100 }, "100 of 128 instances are in use, 8 nodes need 112", "sysctl -w fs.inotify.max_user_instances=1024"},
	} {
		t.Run(name, func(t *testing.T) {
			facts := capable()
			test.breakIt(&facts)
			faults := prereq.Missing(facts, 8)
			if len(faults) != 1 || !strings.Contains(faults[0].What, test.what) || !strings.Contains(faults[0].Remedy, test.remedy) {
				t.Errorf("got %v, want one fault with %q and %q", faults, test.what, test.remedy)
			}
		})
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	if faults := prereq.Missing(prereq.Facts{OS: "plan9", UID: 1}, 1); len(faults) != 8 {
		t.Errorf("%d faults: %v", len(faults), faults)
	}
}
