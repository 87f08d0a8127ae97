package supervisor

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/georedkit/georedkit/internal/lab/address"
	"github.com/georedkit/georedkit/internal/lab/config"
)

func apiAddress(site address.Site) string {
	return net.JoinHostPort(site.Nodes[0].LAN.String(), strconv.Itoa(config.APIPort))
}

// lookUp finds a program also when the search path lacks the folders of the administrator.
func lookUp(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return filepath.Abs(path)
	}
	for _, folder := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(folder, program)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: not installed; run lab setup", program)
}

// snapshotter is how containerd lays out images below a folder. Where overlayfs does not work, as on an overlay
// itself, images are copied; they are tiny.
func snapshotter(folder string) (string, error) {
	test, err := os.MkdirTemp(folder, "overlay")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(test)
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(test, name), 0o755); err != nil {
			return "", err
		}
	}
	result := make(chan string)
	go func() {
		// The mount is seen by this thread only, which ends with the goroutine.
		runtime.LockOSThread()
		result <- tryOverlay(test)
	}()
	return <-result, nil
}

func tryOverlay(folder string) string {
	const native = "native"
	if unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS) != nil || unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") != nil {
		return native
	}
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", folder)
	merged := filepath.Join(folder, "merged")
	if unix.Mount("overlay", merged, "overlay", 0, options) != nil {
		return native
	}
	if unix.Unmount(merged, 0) != nil {
		return native
	}
	return "overlayfs"
}
