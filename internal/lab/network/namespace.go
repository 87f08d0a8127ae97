// Package network joins the nodes of a laboratory: one WAN between the sites, one LAN inside each.
package network

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace, held by an open file: it needs no process and ends with its last holder.
type Namespace struct{ file *os.File }

// NewNamespace makes an empty namespace.
func NewNamespace() (*Namespace, error) {
	var namespace *Namespace
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("new network namespace: %w", err)
		}
		file, err := os.Open("/proc/thread-self/ns/net")
		namespace = &Namespace{file}
		return err
	})
	return namespace, err
}

// OfProcess opens the namespace of a process.
func OfProcess(pid int) (*Namespace, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, err
	}
	return &Namespace{file}, nil
}

// Close lets go of the namespace.
func (n *Namespace) Close() error { return n.file.Close() }

// Path names the namespace for nsenter --net, as long as this process lives.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// Run calls f inside the namespace. What f starts (a process, a socket) belongs to it; goroutines of f do not.
func (n *Namespace) Run(f func() error) error {
	return onThread(func() error {
		if err := n.enter(); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return f()
	})
}

// enter moves this thread. It holds on to the file meanwhile: closed by another goroutine, its number could
// already be that of another namespace.
func (n *Namespace) enter() error {
	raw, err := n.file.SyscallConn()
	if err != nil {
		return err
	}
	var entered error
	if err := raw.Control(func(fd uintptr) { entered = unix.Setns(int(fd), unix.CLONE_NEWNET) }); err != nil {
		return err
	}
	return entered
}

// Dial connects from inside the namespace; the address must be a literal one.
func (n *Namespace) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := n.Run(func() error {
		var err error
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// onThread runs f on a thread of its own that is thrown away: it is locked and never unlocked.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}
