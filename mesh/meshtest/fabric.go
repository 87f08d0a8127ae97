package meshtest

import (
	"context"
	"net/netip"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// Machine is one machine with its address on the network between the sites.
type Machine struct {
	Site     geored.SiteName
	Node     string
	Underlay netip.Addr   // where the other machines reach it
	Pods     []netip.Addr // addresses behind it that send and answer
}

// Fabric is machines with a WireGuard interface each, and a network between them. [Network] is one in memory.
type Fabric interface {
	// Up brings the interface of the machine named by the device's site and node to what is wanted.
	Up(ctx context.Context, d mesh.Device, key mesh.PrivateKey) error
	// Read gives the state of that machine's interface; the error wraps [os.ErrNotExist] when there is none.
	Read(ctx context.Context, site geored.SiteName, node string) (mesh.DeviceState, error)
	// Exchange sends a packet of that many bytes from one of the machine's addresses and says whether it was answered.
	Exchange(ctx context.Context, site geored.SiteName, node string, p Packet) (bool, error)
	// Drop makes the network lose everything sent from one site to another, or no longer.
	Drop(ctx context.Context, from, to geored.SiteName, dropped bool) error
}

// Packet is what [Fabric.Exchange] sends.
type Packet struct {
	From, To netip.Addr
	Bytes    int // with its headers; zero: 64
}
