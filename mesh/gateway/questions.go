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
	AskSupport    = "support"    // a [DeviceQuestion], answered with a [Support]
	AskLinkMTU    = "link-mtu"   // a [LinkQuestion], answered with the MTU of the link in bytes; any probe pod can be asked
)

// DeviceQuestion asks for the state of an interface.
type DeviceQuestion struct {
	Interface string `json:"interface"`
}

// Support says whether a machine can have a WireGuard interface.
type Support struct {
	Present bool   `json:"present"` // it has the one that was asked for
	Kernel  bool   `json:"kernel"`  // its kernel makes them; not tried when there is one
	Tun     bool   `json:"tun"`     // its kernel has TUN devices, which WireGuard in a process needs
	Detail  string `json:"detail,omitempty"`
}

// LinkQuestion asks for the MTU of the interface by which packets to an address leave.
type LinkQuestion struct {
	To netip.Addr `json:"to"`
}

// SampleQuestion asks for a mesh.Sample: what lies behind each tunnel is spoken to between two readings of the
// interface.
type SampleQuestion struct {
	Interface string `json:"interface"`
	// Through is the address of a UDP echo (see probe.Listener) behind each peer. With port 0 it is a machine's own,
	// whose kernel is asked by ICMP: that needs the capability NET_RAW.
	Through map[mesh.PublicKey]netip.AddrPort `json:"through"`
	// From is the address to speak from. Zero: what the kernel takes, which another machine may not let in: Kilo 0.7
	// takes the node's, and its peers allow that of the interface.
	From    netip.Addr    `json:"from,omitzero"`
	Timeout time.Duration `json:"timeout,omitempty"` // for each probe; zero: 2 s
}
