package device

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/ipc"
	"golang.zx2c4.com/wireguard/tun"

	"github.com/georedkit/georedkit/mesh"
)

// Tunnel is an interface that is up. It owns the interface only where [Up] made it inside this process.
type Tunnel struct {
	name   string
	device *device.Device // nil: in the kernel, or in another process
	uapi   net.Listener
}

// InProcess says whether [Up] made the interface inside this process, so that it ends with it.
func (t *Tunnel) InProcess() bool { return t.device != nil }

// Done is closed when an interface inside this process ended, for instance because somebody removed it. It is nil, and
// so blocks for ever, for one in the kernel.
func (t *Tunnel) Done() <-chan struct{} {
	if t.device == nil {
		return nil
	}
	return t.device.Wait()
}

// Close ends an interface that [Up] made inside this process, and leaves any other as it is.
func (t *Tunnel) Close() error {
	if t.device == nil {
		return nil
	}
	t.device.Close()
	if err := t.uapi.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close interface %s: %w", t.name, err)
	}
	return nil
}

// listen makes sure that an interface inside this process has its UDP port. It opens it by itself too, once its link is up,
// but then nobody learns that the port is taken, and the next attempt takes any other. The kernel's refuses to come up.
func (t *Tunnel) listen(ctx context.Context, d mesh.Device) error {
	if t.device == nil {
		return nil
	}
	if err := t.device.Up(); err != nil {
		return fmt.Errorf("listen at UDP port %d for interface %s: %w", d.ListenPort, t.name, err)
	}
	w, err := readDevice(ctx, t.name)
	if err != nil {
		return fmt.Errorf("read interface %s: %w", t.name, err)
	}
	if w.ListenPort != int(d.ListenPort) {
		return fmt.Errorf("listen at UDP port %d for interface %s: %w", d.ListenPort, t.name, unix.EADDRINUSE)
	}
	return nil
}

// remove takes away what was created by mistake.
func (t *Tunnel) remove() error {
	if t.device != nil {
		return t.Close()
	}
	link, err := linkByName(t.name)
	if err != nil {
		return err
	}
	return netlink.LinkDel(link)
}

// startInProcess runs WireGuard in this process, with the socket by which wg and wgctrl find it.
func startInProcess(name string, mtu int) (*Tunnel, error) {
	file, err := ipc.UAPIOpen(name)
	if err != nil {
		return nil, fmt.Errorf("open its control socket: %w", err)
	}
	defer func() { _ = file.Close() }() // the listener has its own
	t, err := tun.CreateTUN(name, mtu)
	if err != nil {
		return nil, fmt.Errorf("the kernel has no WireGuard, and no TUN device either: %w", err)
	}
	dev := device.NewDevice(t, conn.NewDefaultBind(), device.NewLogger(device.LogLevelSilent, ""))
	uapi, err := ipc.UAPIListen(name, file)
	if err != nil {
		dev.Close()
		return nil, fmt.Errorf("listen at its control socket: %w", err)
	}
	go serve(dev, uapi)
	return &Tunnel{name, dev, uapi}, nil
}

// serve answers wgctrl until the socket is closed or the device ends.
func serve(dev *device.Device, uapi net.Listener) {
	go func() {
		<-dev.Wait()
		_ = uapi.Close()
	}()
	for failures := 0; failures < 2; { // the listener has two watchers, and each waits until its error is taken
		connection, err := uapi.Accept()
		if err != nil {
			failures++
			continue
		}
		go dev.IpcHandle(connection)
	}
}
