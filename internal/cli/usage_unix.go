//go:build linux || darwin

package cli

import (
	"runtime"
	"syscall"
	"time"

	"github.com/georedkit/georedkit/geored/report"
)

// usage is what this process took so far; what it started is not in it.
func usage() report.Usage {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return report.Usage{}
	}
	peak := int64(r.Maxrss) // KiB on Linux, bytes on macOS
	if runtime.GOOS == "linux" {
		peak <<= 10
	}
	return report.Usage{User: time.Duration(r.Utime.Nano()), System: time.Duration(r.Stime.Nano()), PeakMemory: peak}
}
