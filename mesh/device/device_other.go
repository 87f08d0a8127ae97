//go:build !linux

package device

import (
	"context"
	"net/netip"

	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// Tunnel is an interface that is up. It owns the interface only where [Up] made it inside this process.
type Tunnel struct{}

// Close ends an interface that [Up] made inside this process, and leaves any other as it is.
func (*Tunnel) Close() error { return ErrUnsupported }

// InProcess says whether [Up] made the interface inside this process, so that it ends with it.
func (*Tunnel) InProcess() bool { return false }

// Done is closed when an interface inside this process ended.
func (*Tunnel) Done() <-chan struct{} { return nil }

func read(context.Context, string) (mesh.DeviceState, error) {
	return mesh.DeviceState{}, ErrUnsupported
}

func configure(context.Context, mesh.Device, mesh.PrivateKey) error { return ErrUnsupported }

func up(context.Context, mesh.Device, mesh.PrivateKey) (*Tunnel, error) { return nil, ErrUnsupported }

func down(context.Context, string) error { return ErrUnsupported }

func route(context.Context, []netip.Prefix, []netip.Addr) error { return ErrUnsupported }

func routed(context.Context) (map[netip.Addr][]netip.Prefix, error) { return nil, ErrUnsupported }

func echo(context.Context, netip.Addr, netip.Addr, int) (bool, error) { return false, ErrUnsupported }

func underlayMTU(context.Context, netip.Addr) (int, error) { return 0, ErrUnsupported }

func support(context.Context, string) (gateway.Support, error) {
	return gateway.Support{}, ErrUnsupported
}

func linkMTU(context.Context, netip.Addr) (int, error) { return 0, ErrUnsupported }
