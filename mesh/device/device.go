package device

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/georedkit/georedkit/mesh"
)

// ErrUnsupported is what everything answers on a system that this package does not know.
var ErrUnsupported = fmt.Errorf("mesh/device works on Linux only: %w", errors.ErrUnsupported)

// ErrUnresolved is of a peer whose endpoint is a DNS name that has no address now. The others are as they should be.
var ErrUnresolved = errors.New("endpoint cannot be resolved")

// RouteProtocol marks the routes that this package made. No other route is ever removed or replaced.
const RouteProtocol = 119

// Read gives the state of the interface of that name. The error wraps [os.ErrNotExist] when there is none, or when it is
// no WireGuard interface. An address that the kernel itself gave (IPv6 link-local) is left out, and so are its routes.
func Read(ctx context.Context, name string) (mesh.DeviceState, error) { return read(ctx, name) }

// Configure brings keys, port and peers of an existing interface to what is wanted, in one call, and only what differs:
// the sessions of other peers survive. It reads back what it wrote; a peer that lost a prefix on the way is an error.
// A DNS name as endpoint is resolved here; where it cannot be, that peer keeps the address that it has, if any, all others are
// configured, and the error wraps [ErrUnresolved].
func Configure(ctx context.Context, d mesh.Device, key mesh.PrivateKey) error {
	return configure(ctx, d, key)
}

// Up creates the interface unless it is there, configures it, sets address and MTU, brings it up and routes what its
// peers carry into it; addresses and own routes that are no longer wanted go. After an error an interface
// that this call created is gone again, and one that was there before is still there. With [ErrUnresolved] the tunnel comes too, and
// is up for all other peers: call again until there is no error.
func Up(ctx context.Context, d mesh.Device, key mesh.PrivateKey) (*Tunnel, error) {
	return up(ctx, d, key)
}

// Down removes the interface and its routes. It is done as well when there is none, and refuses an interface that is not
// WireGuard's.
func Down(ctx context.Context, name string) error { return down(ctx, name) }

// Route makes exactly these prefixes be reached through a gateway of the own network, given by one address per address
// family, and removes the routes of earlier calls that are no longer wanted: all of them when there are no prefixes.
// A route of somebody else to the same prefix is an error that names it, and stays.
func Route(ctx context.Context, prefixes []netip.Prefix, gateway ...netip.Addr) error {
	return route(ctx, prefixes, gateway)
}

// Echo sends one ICMP echo request of that many bytes, IP header included, that must not be fragmented, and waits for the
// answer until the context ends: false, without an error, when none came or the packet is too large to be sent. The
// kernel of the machine at the other end answers for its WireGuard address, so that a tunnel is probed without anything
// running there. From may be zero: the kernel chooses.
func Echo(ctx context.Context, from, to netip.Addr, bytes int) (bool, error) {
	return echo(ctx, from, to, bytes)
}

// UnderlayMTU is the MTU, in bytes, of the interface by which packets leave for an address: for that of a peer's endpoint,
// the one that [mesh.TunnelMTU] starts from.
func UnderlayMTU(ctx context.Context, to netip.Addr) (int, error) { return underlayMTU(ctx, to) }

// LinkMTU is the MTU, in bytes, of the interface by which packets leave for an address, whatever was learned of the path
// behind it.
func LinkMTU(ctx context.Context, to netip.Addr) (int, error) { return linkMTU(ctx, to) }

// Routed gives the prefixes that [Route] made to be reached through a gateway, sorted, by the gateway's address.
func Routed(ctx context.Context) (map[netip.Addr][]netip.Prefix, error) { return routed(ctx) }
