// Package laboratory starts the laboratory of this repository as a child process. The laboratory itself is a module of
// its own, so that nobody who imports the SDK compiles it.
package laboratory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// ErrNoSources is the error outside a checkout: modules below a module are not part of its download.
var ErrNoSources = errors.New("the laboratory is not part of the downloaded module; clone the repository, or name your own sites with -topology")

const modulePath = "github.com/georedkit/georedkit/internal/lab"

// sources finds the laboratory's module: in the tree this package was compiled from, else above the working directory.
func sources() (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok {
		if folder := filepath.Join(filepath.Dir(filepath.Dir(file)), "lab"); isModule(folder) {
			return folder, nil
		}
	}
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; folder != filepath.Dir(folder); folder = filepath.Dir(folder) {
		if candidate := filepath.Join(folder, "internal", "lab"); isModule(candidate) {
			return candidate, nil
		}
	}
	return "", ErrNoSources
}

func isModule(folder string) bool {
	text, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	return err == nil && bytes.HasPrefix(text, []byte("module "+modulePath+"\n"))
}

// Lab is the laboratory's driver.
type Lab struct{ program string }

// Driver compiles the driver alone.
func Driver(ctx context.Context) (Lab, error) {
	folder, err := sources()
	if err != nil {
		return Lab{}, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Lab{}, err
	}
	// Two checkouts must not take each other's driver.
	home := filepath.Join(cache, "georedkit", "lab", fmt.Sprintf("driver-%x", sha256.Sum256([]byte(folder)))[:23])
	lab := Lab{program: filepath.Join(home, "lab")}
	temporary := fmt.Sprintf("%s.%d", lab.program, os.Getpid())
	build := exec.CommandContext(ctx, "go", "build", "-o", temporary, ".")
	build.Dir = folder
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false")
	if output, err := build.CombinedOutput(); err != nil {
		return Lab{}, fmt.Errorf("build the laboratory's driver: %w\n%s", err, output)
	}
	// A running laboratory keeps the file it was started from.
	return lab, os.Rename(temporary, lab.program)
}

// Command is a call of the driver.
func (l Lab) Command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, l.program, args...)
}

// Build compiles what runs in a laboratory, as far as that was not done before. What it tells goes to progress.
func (l Lab) Build(ctx context.Context, progress io.Writer) error {
	return l.run(ctx, progress, "build", "-q")
}

func (l Lab) run(ctx context.Context, progress io.Writer, args ...string) error {
	command := l.Command(ctx, args...)
	command.Stderr = progress
	if err := command.Run(); err != nil {
		return fmt.Errorf("lab %s: %w", args[0], err)
	}
	return nil
}
