package servers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// fault brings a fault about, or takes it away.
func (k *kafkaLab) fault(r *http.Request) error {
	ctx, on := r.Context(), r.Method == http.MethodPost
	name, site, to := r.FormValue("name"), r.FormValue("site"), r.FormValue("to")
	s, err := k.site(site)
	if err != nil {
		return err
	}
	switch name {
	case "link-cut":
		l := k.links[[2]string{site, to}]
		if l == nil {
			return fmt.Errorf("there is no link from %q to %q", site, to)
		}
		l.cut(on)
		return nil
	case "broker-paused":
		return pause(ctx, s.brokerProcess, on)
	case "worker-paused":
		return pause(ctx, s.workerProcess, on)
	case "broker-killed":
		if on {
			return k.kill(ctx, s.brokerProcess)
		}
		return errors.Join(k.startBroker(ctx, s), k.awaitBroker(ctx, s))
	case "worker-killed":
		if on {
			return k.kill(ctx, s.workerProcess)
		}
		return errors.Join(k.startWorker(ctx, s), k.awaitWorker(ctx, s))
	}
	return fmt.Errorf("fault %q is not known", name)
}

func (k *kafkaLab) site(name string) (*kafkaSite, error) {
	for _, s := range k.sites {
		if s.name == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("there is no site %q", name)
}

// pause returns when every thread has stopped: the signal reaches one of them first, and on a busy machine the others
// answer for a while.
func pause(ctx context.Context, process *os.Process, on bool) error {
	if !on {
		return syscall.Kill(-process.Pid, syscall.SIGCONT)
	}
	if err := syscall.Kill(-process.Pid, syscall.SIGSTOP); err != nil {
		return err
	}
	for !stopped(process.Pid) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d does not stop: %w", process.Pid, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// stopped reads the states of all threads from proc(5).
func stopped(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, path := range threads {
		text, err := os.ReadFile(path)
		name := strings.LastIndexByte(string(text), ')') // it may hold anything
		if err == nil && !strings.HasPrefix(string(text[name+1:]), " T") {
			return false
		}
	}
	return err == nil && len(threads) > 0
}

func (k *kafkaLab) kill(ctx context.Context, process *os.Process) error {
	return errors.Join(k.set.Kill(process), gone(ctx, process))
}
