package mesh

import (
	"net/netip"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// DeviceState is one machine's WireGuard interface as it was read. [Device] is the wanted state. It holds no secret.
type DeviceState struct {
	Interface  string         `json:"interface"`
	PublicKey  PublicKey      `json:"publicKey"` // zero: the device has no private key
	ListenPort uint16         `json:"listenPort"`
	MTU        int            `json:"mtu"`       // bytes
	Up         bool           `json:"up"`        // whether the link is up
	Addresses  []netip.Prefix `json:"addresses"` // of the interface, sorted, with their host bits
	Routes     []netip.Prefix `json:"routes"`    // that lead into it, sorted
	Peers      []PeerState    `json:"peers"`     // by public key
	SampledAt  time.Time      `json:"sampledAt"` // by the clock of the machine that was asked: the one LastHandshake was written by
}

// PeerState is one peer as it was read.
type PeerState struct {
	PublicKey           PublicKey       `json:"publicKey"`
	Endpoint            geored.Endpoint `json:"endpoint"`      // where it sends now, which may be learned; zero: unknown
	AllowedIPs          []netip.Prefix  `json:"allowedIPs"`    // sorted; none: another peer took them, or there never were any
	LastHandshake       time.Time       `json:"lastHandshake"` // the last completed one, kept for ever; zero: never
	ReceivedBytes       int64           `json:"receivedBytes"`
	SentBytes           int64           `json:"sentBytes"`
	PersistentKeepalive time.Duration   `json:"persistentKeepaliveNs"` // zero: off
}

// Peer finds a peer by its public key.
func (s DeviceState) Peer(key PublicKey) (PeerState, bool) {
	for _, p := range s.Peers {
		if p.PublicKey == key {
			return p, true
		}
	}
	return PeerState{}, false
}
