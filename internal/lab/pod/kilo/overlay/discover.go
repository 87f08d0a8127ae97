package overlay

import (
	"net/netip"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Discover gives where nodes that keep alive, and peers, were last heard from, by public key.
func Discover(nodes []Node, peers []Peer, device wgtypes.Device) map[string]netip.AddrPort {
	heard := map[wgtypes.Key]netip.AddrPort{}
	for _, p := range device.Peers {
		if !p.LastHandshakeTime.IsZero() && p.Endpoint != nil {
			at := p.Endpoint.AddrPort()
			heard[p.PublicKey] = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
		}
	}
	found := map[string]netip.AddrPort{}
	for _, n := range nodes {
		if at, ok := heard[n.Key]; ok && n.Keepalive != 0 {
			found[n.Key.String()] = at
		}
	}
	// Also those whose interval is zero: it is set in every Peer object that Kilo reads.
	for _, p := range peers {
		if at, ok := heard[p.Key]; ok {
			found[p.Key.String()] = at
		}
	}
	return found
}
