package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// upDetached runs the same command in the background and follows its progress until the laboratory is ready.
func upDetached(ctx context.Context, name, folder string, args []string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	progress, err := os.Create(filepath.Join(folder, "progress.jsonl"))
	if err != nil {
		return err
	}
	defer progress.Close()
	complaints, err := os.Create(filepath.Join(folder, "supervisor.log"))
	if err != nil {
		return err
	}
	defer complaints.Close()
	attached := slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return strings.HasPrefix(strings.TrimLeft(arg, "-"), "detach") })
	// This link leads to the program also when "go run" has removed it meanwhile.
	command := exec.Command("/proc/self/exe", append([]string{"up"}, attached...)...)
	command.Stdout, command.Stderr = progress, complaints
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	return follow(ctx, name, command, progress.Name(), complaints.Name(), ended)
}

// follow copies the progress until its last line, which says that all is ready.
func follow(ctx context.Context, name string, command *exec.Cmd, progress, complaints string, ended <-chan error) error {
	file, err := os.Open(progress)
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		text, err := io.ReadAll(file)
		if err != nil {
			return err
		}
		os.Stdout.Write(text)
		if bytes.Contains(text, []byte(`"stage":"ready","detail"`)) {
			return nil
		}
		select {
		case <-ended:
			text, err := os.ReadFile(complaints)
			if err != nil {
				return err
			}
			return fmt.Errorf("laboratory %s: %s", name, bytes.TrimSpace(text))
		case <-ctx.Done():
			// Interrupted before it was ready: nobody would know of it.
			if err := command.Process.Signal(syscall.SIGTERM); err != nil {
				return err
			}
			<-ended
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
