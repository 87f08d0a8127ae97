package device_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/meshtest"
)

// child is one machine as the test sees it.
type child struct {
	pid   int
	in    io.Writer
	out   *bufio.Reader
	links *netlink.Handle // in the machine's network namespace
}

func startChild(t *testing.T) *child {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close() // ends it, and with it its namespaces and all that is in them
		_ = cmd.Wait()
	})
	ns, err := netns.GetFromPid(cmd.Process.Pid)
	must(t, err)
	defer ns.Close()
	links, err := netlink.NewHandleAt(ns)
	must(t, err)
	t.Cleanup(links.Close)
	return &child{cmd.Process.Pid, in, bufio.NewReader(out), links}
}

func (c *child) ask(q request) (response, error) {
	if err := json.NewEncoder(c.in).Encode(q); err != nil {
		return response{}, err
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return response{}, fmt.Errorf("the machine ended: %w", err)
	}
	var r response
	if err := json.Unmarshal(line, &r); err != nil {
		return r, err
	}
	switch {
	case r.NotExist:
		return r, fmt.Errorf("%s: %w", r.Err, os.ErrNotExist)
	case r.Err != "":
		return r, errors.New(r.Err)
	}
	return r, nil
}

// fabric is machines in namespaces, joined by a bridge in one more.
type fabric struct {
	machines []meshtest.Machine
	children []*child
	wan      *child
}

func newFabric(t *testing.T, machines []meshtest.Machine) *fabric {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	wan := startChild(t)
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "wan"}}
	must(t, wan.links.LinkAdd(bridge))
	must(t, wan.links.LinkSetUp(bridge))
	f := &fabric{machines: machines, wan: wan}
	for i, m := range machines {
		c := startChild(t)
		port := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("port%d", i), MasterIndex: bridge.Index}, PeerName: "eth0", PeerNamespace: netlink.NsPid(c.pid)}
		must(t, wan.links.LinkAdd(port))
		must(t, wan.links.LinkSetUp(port))
		c.address(t, "eth0", netip.PrefixFrom(m.Underlay, m.Underlay.BitLen()-8))
		for _, pod := range m.Pods {
			c.address(t, "lo", netip.PrefixFrom(pod, pod.BitLen()))
		}
		_, err := c.ask(request{Op: "listen", Addrs: append([]netip.Addr{m.Underlay}, m.Pods...)})
		must(t, err)
		f.children = append(f.children, c)
	}
	return f
}

func (c *child) address(t *testing.T, link string, p netip.Prefix) {
	t.Helper()
	l, err := c.links.LinkByName(link)
	must(t, err)
	must(t, c.links.AddrAdd(l, &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}, Flags: 0x2})) // no duplicate detection
	must(t, c.links.LinkSetUp(l))
}

func (f *fabric) child(site geored.SiteName, node string) (*child, meshtest.Machine) {
	for i, m := range f.machines {
		if m.Site == site && (node == "" || m.Node == node) {
			return f.children[i], m
		}
	}
	panic("no machine " + node)
}

func (f *fabric) Up(_ context.Context, d mesh.Device, key mesh.PrivateKey) error {
	c, _ := f.child(d.Site, d.Node)
	_, err := c.ask(request{Op: "up", Device: d, Key: key.Reveal()})
	return err
}

func (f *fabric) Read(_ context.Context, site geored.SiteName, node string) (mesh.DeviceState, error) {
	c, _ := f.child(site, node)
	r, err := c.ask(request{Op: "read", Name: mesh.DefaultInterface})
	return r.State, err
}

// Exchange waits for as long as a handshake may take, but for less where there was one, or nowhere to send it.
func (f *fabric) Exchange(ctx context.Context, site geored.SiteName, node string, p meshtest.Packet) (bool, error) {
	c, _ := f.child(site, node)
	wait := time.Second
	state, err := f.Read(ctx, site, node)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	bits := -1
	for _, peer := range state.Peers {
		for _, prefix := range peer.AllowedIPs {
			if prefix.Contains(p.To) && prefix.Bits() > bits {
				bits, wait = prefix.Bits(), time.Second
				if peer.LastHandshake.IsZero() && peer.Endpoint.IsValid() {
					wait = 8 * time.Second // the second try of a handshake is due after 5.3 s
				}
			}
		}
	}
	r, err := c.ask(request{Op: "exchange", Packet: p, Wait: wait})
	return r.Answered, err
}

// Drop loses the packets where they leave.
func (f *fabric) Drop(_ context.Context, from, to geored.SiteName, dropped bool) error {
	c, _ := f.child(from, "")
	_, target := f.child(to, "")
	route := &netlink.Route{Dst: &net.IPNet{IP: target.Underlay.AsSlice(), Mask: net.CIDRMask(32, 32)}, Type: syscall.RTN_BLACKHOLE}
	if dropped {
		return c.links.RouteAdd(route)
	}
	return c.links.RouteDel(route)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
