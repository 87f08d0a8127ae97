package labtest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/georedkit/georedkit/internal/laboratory"
)

// attended is a laboratory that this process holds: it goes down when the process ends.
type attended struct {
	laboratory.Running
	command *exec.Cmd
	ended   chan error
}

const startTimeout = 15 * time.Minute // with the programs to be compiled, on a busy machine

// attend starts a laboratory with a name of its own.
func attend(spec laboratory.Spec) (*attended, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	driver, err := built(ctx, io.Discard)
	if err != nil {
		return nil, err
	}
	image, err := driver.ProbeImage(ctx)
	if err != nil {
		return nil, err
	}
	purge(ctx, driver)
	spec.Name, spec.Images = namePrefix+strconv.Itoa(os.Getpid()), []string{image}
	a := &attended{command: driver.Command(context.Background(), spec.Args()...), ended: make(chan error, 1)}
	var complaints bytes.Buffer
	a.command.Stderr = &complaints
	output, err := a.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	dieWithParent(a.command)
	if err := a.start(); err != nil {
		return nil, err
	}
	if err := awaitReady(output); err != nil {
		return nil, errors.Join(fmt.Errorf("laboratory %s: %w", spec.Name, err), <-a.ended, errors.New(complaints.String()))
	}
	running, found, err := driver.Find(ctx, spec.Name)
	if err == nil && !found {
		err = fmt.Errorf("laboratory %s came up and is gone", spec.Name)
	}
	a.Running = running
	return a, err
}

// start runs the command from a thread that lives as long as it does: the kernel takes the thread for the parent.
func (a *attended) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := a.command.Start()
		started <- err
		if err == nil {
			a.ended <- a.command.Wait()
		}
	}()
	return <-started
}

// awaitReady reads progress up to the line that says that all sites are up, and leaves the rest to be thrown away.
func awaitReady(output io.Reader) error {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if bytes.Contains(lines.Bytes(), []byte(`"stage":"ready","detail"`)) {
			go func() { _, _ = io.Copy(io.Discard, output) }()
			return nil
		}
	}
	return errors.Join(errors.New("ended before it was ready"), lines.Err())
}

// down ends the laboratory and removes its files.
func (a *attended) down() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := a.Down(ctx); err != nil {
		return err
	}
	select {
	case err := <-a.ended:
		return err
	case <-ctx.Done():
		return errors.New("the laboratory did not end")
	}
}

const namePrefix = "test-"

// purge removes what test programs left that were killed: their laboratories died with them, their files did not.
func purge(ctx context.Context, driver laboratory.Lab) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return
	}
	folders, err := filepath.Glob(filepath.Join(cache, "georedkit", "labs", namePrefix+"*"))
	if err != nil {
		return
	}
	for _, folder := range folders {
		name := filepath.Base(folder)
		pid, err := strconv.Atoi(strings.TrimPrefix(name, namePrefix))
		if err == nil && !alive(pid) {
			// Best effort: what cannot be removed now can be next time.
			_ = driver.Command(ctx, "down", "-name", name, "-purge").Run()
		}
	}
}

// built is the driver with all that it runs.
func built(ctx context.Context, progress io.Writer) (laboratory.Lab, error) {
	lab, err := laboratory.Driver(ctx)
	if err != nil {
		return lab, err
	}
	return lab, lab.Build(ctx, progress)
}
