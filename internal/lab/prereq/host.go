package prereq

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// LookUp finds a program also when the search path lacks the folders of the administrator.
func LookUp(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return filepath.Abs(path)
	}
	for _, folder := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(folder, program)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: not installed; run make setup", program)
}

// Ways in which containerd lays out images. Where overlayfs does not work, as on an overlay itself, they are
// copied; they are tiny.
const (
	Overlay = "overlayfs"
	Native  = "native"
)

// Snapshotter is the way that works below a folder.
func Snapshotter(folder string) string {
	test, err := os.MkdirTemp(folder, "overlay")
	if err != nil {
		return Native
	}
	defer os.RemoveAll(test)
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(test, name), 0o755); err != nil {
			return Native
		}
	}
	result := make(chan error)
	go func() {
		// The mount is seen by this thread only, which ends with the goroutine.
		runtime.LockOSThread()
		result <- tryOverlay(test)
	}()
	if <-result != nil {
		return Native
	}
	return Overlay
}

func tryOverlay(folder string) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", folder)
	merged := filepath.Join(folder, "merged")
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		return err
	}
	return unix.Unmount(merged, 0)
}
