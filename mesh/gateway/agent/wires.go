package agent

import (
	"context"
	"net/netip"

	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/device"
)

// wires is the network of a machine, as package device changes it.
type wires interface {
	Read(ctx context.Context, link string) (mesh.DeviceState, error)
	Up(ctx context.Context, d mesh.Device, key mesh.PrivateKey) (tunnel, error)
	Down(ctx context.Context, link string) error
	Route(ctx context.Context, prefixes []netip.Prefix, gateways ...netip.Addr) error
}

// tunnel is a device.Tunnel.
type tunnel interface {
	InProcess() bool
	Done() <-chan struct{}
	Close() error
}

// machine is the one that this process runs on.
type machine struct{}

func (machine) Read(ctx context.Context, link string) (mesh.DeviceState, error) {
	return device.Read(ctx, link)
}

func (machine) Up(ctx context.Context, d mesh.Device, key mesh.PrivateKey) (tunnel, error) {
	t, err := device.Up(ctx, d, key)
	if t == nil {
		return nil, err // and no interface around nil
	}
	return t, err
}

func (machine) Down(ctx context.Context, link string) error { return device.Down(ctx, link) }

func (machine) Route(ctx context.Context, prefixes []netip.Prefix, gateways ...netip.Addr) error {
	return device.Route(ctx, prefixes, gateways...)
}
