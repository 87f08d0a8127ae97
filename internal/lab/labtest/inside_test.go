package labtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inside calls f in the network namespace of a process, on a thread that is thrown away.
func inside(pid int, f func() error) error {
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return err
	}
	defer file.Close()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

func dialInside(pid int, network, address string) (conn net.Conn, err error) {
	err = inside(pid, func() (err error) {
		conn, err = net.DialTimeout(network, address, 2*time.Second)
		return err
	})
	return conn, err
}

// arrives tells whether a packet gets from one site's node to another's over the WAN, in this direction alone:
// nothing has to come back.
func (l *laboratory) arrives(t *testing.T, from, to string) bool {
	t.Helper()
	var receiver net.PacketConn
	err := inside(l.pid(t, to), func() (err error) {
		receiver, err = net.ListenPacket("udp4", l.wan(t, to)+":0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	sender, err := dialInside(l.pid(t, from), "udp4", receiver.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	if err := receiver.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := sender.Write([]byte(from)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 16)
	n, _, err := receiver.ReadFrom(buffer)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	if err != nil || string(buffer[:n]) != from {
		t.Fatalf("received %q, %v", buffer[:n], err)
	}
	return true
}

// getsThrough sends again and again what must arrive: a busy machine loses packets by itself.
func getsThrough(send func() bool) bool {
	for range 20 {
		if send() {
			return true
		}
	}
	return false
}

// wan is the address of a site's first node between the sites.
func (l *laboratory) wan(t *testing.T, siteName string) string {
	t.Helper()
	for _, site := range l.Sites {
		if site.Name == siteName {
			host, _, err := net.SplitHostPort(site.Nodes[0].Endpoint)
			if err != nil {
				t.Fatal(err)
			}
			return host
		}
	}
	t.Fatalf("site %s: unknown", siteName)
	return ""
}

// audited are the lines of a site's audit log that contain a text.
func (l *laboratory) audited(t *testing.T, siteName, text string) []string {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(l.dir, siteName, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

// arrived waits a moment for any packet.
func arrived(conn net.Conn) bool {
	if err := conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
		return false
	}
	_, err := conn.Read(make([]byte, 1500))
	return err == nil
}
