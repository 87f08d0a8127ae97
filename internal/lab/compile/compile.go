package compile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Ensure returns the folder that holds every program of the group, after building those that are missing.
// Two callers at once build once; a build that was killed leaves nothing that looks finished.
func Ensure(ctx context.Context, group Group, progress io.Writer) (string, error) {
	source, err := sourceFolder()
	if err != nil {
		return "", err
	}
	key, err := group.key(source)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	root := filepath.Join(cache, "georedkit", "lab", group.name+"-"+key)
	bin, stamp := filepath.Join(root, "bin"), filepath.Join(root, "complete")
	if _, err := os.Stat(stamp); err == nil {
		return bin, nil
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(root, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(stamp); err == nil {
		return bin, nil
	}
	for _, m := range group.modules {
		if err := m.build(ctx, source, bin, progress); err != nil {
			return "", err
		}
	}
	return bin, os.WriteFile(stamp, nil, 0o644)
}

func (m module) build(ctx context.Context, source, bin string, progress io.Writer) error {
	for _, p := range m.programs {
		target := filepath.Join(bin, p.name)
		if _, err := os.Stat(target); err == nil {
			continue // finished before an earlier build was interrupted
		}
		started := time.Now()
		unfinished := target + ".unfinished"
		// The go command overwrites programs only, and a half one is none.
		if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-tags", m.tags, "-ldflags", m.ldflags, "-o", unfinished, p.path)
		build.Dir = filepath.Join(source, m.folder)
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
		if output, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", p.name, err, output)
		}
		if err := os.Rename(unfinished, target); err != nil {
			return err
		}
		fmt.Fprintf(progress, "built %-24s %5.1f s\n", p.name, time.Since(started).Seconds())
	}
	return nil
}

func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}
