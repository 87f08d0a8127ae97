package gateway

import (
	"net/netip"
	"time"

	"github.com/georedkit/georedkit/mesh"
)

// Names of the questions that an agent can be asked by a probe.Client.
const (
	AskDevice     = "wireguard"  // a [DeviceQuestion], answered with a mesh.DeviceState
	AskHandshakes = "handshakes" // a [SampleQuestion], answered with a mesh.Sample
	AskRoutes     = "routes"     // nothing, answered with the prefixes routed to the gateway, by its address
)

// DeviceQuestion asks for the state of an interface.
type DeviceQuestion struct {
	Interface string `json:"interface"`
}

// SampleQuestion asks for a mesh.Sample: what lies behind each tunnel is spoken to between two readings of the
// interface.
type SampleQuestion struct {
	Interface string `json:"interface"`
	// Through is the address of a UDP echo (see probe.Listener) behind each peer.
	Through map[mesh.PublicKey]netip.AddrPort `json:"through"`
	Timeout time.Duration                     `json:"timeout,omitempty"` // for each probe; zero: 2 s
}
