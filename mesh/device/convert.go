package device

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// Config renders a device for programs that configure WireGuard by wgctrl themselves. It holds no private key, replaces all
// peers, and so ends every session: [Configure] does not. A DNS name as endpoint is left out, as wgctrl takes none. There are
// no preshared keys: those that peers have are taken away.
func Config(d mesh.Device) wgtypes.Config {
	port := int(d.ListenPort)
	c := wgtypes.Config{ListenPort: &port, ReplacePeers: true}
	for _, p := range d.Peers {
		c.Peers = append(c.Peers, peerConfig(p))
	}
	return c
}

// state takes over what wgctrl knows of a device. The private key stays behind.
func state(w *wgtypes.Device) mesh.DeviceState {
	s := mesh.DeviceState{Interface: w.Name, ListenPort: uint16(w.ListenPort), SampledAt: time.Now()}
	if w.PrivateKey != (wgtypes.Key{}) {
		s.PublicKey = mesh.PublicKeyFrom(w.PublicKey)
	}
	for _, p := range w.Peers {
		s.Peers = append(s.Peers, peerState(p))
	}
	slices.SortFunc(s.Peers, func(a, b mesh.PeerState) int { return a.PublicKey.Compare(b.PublicKey) })
	return s
}

func peerState(p wgtypes.Peer) mesh.PeerState {
	s := mesh.PeerState{PublicKey: mesh.PublicKeyFrom(p.PublicKey), LastHandshake: p.LastHandshakeTime,
		ReceivedBytes: p.ReceiveBytes, SentBytes: p.TransmitBytes, PersistentKeepalive: p.PersistentKeepaliveInterval}
	if p.Endpoint != nil {
		s.Endpoint, _ = geored.EndpointFrom(p.Endpoint.AddrPort()) // one that is not set stays zero
	}
	for _, n := range p.AllowedIPs {
		if p, ok := prefixOf(&n); ok {
			s.AllowedIPs = append(s.AllowedIPs, p)
		}
	}
	slices.SortFunc(s.AllowedIPs, mesh.ComparePrefixes)
	return s
}

// peerConfig replaces everything of one peer but its session.
func peerConfig(p mesh.Peer) wgtypes.PeerConfig {
	c := wgtypes.PeerConfig{PublicKey: wgtypes.Key(p.PublicKey.Bytes()), ReplaceAllowedIPs: true,
		PersistentKeepaliveInterval: &p.PersistentKeepalive, PresharedKey: &wgtypes.Key{}}
	if ip := p.Endpoint.Addr(); ip.IsValid() {
		c.Endpoint = net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, p.Endpoint.Port()))
	}
	for _, prefix := range p.AllowedIPs {
		c.AllowedIPs = append(c.AllowedIPs, *ipNet(prefix))
	}
	return c
}

func ipNet(p netip.Prefix) *net.IPNet {
	p = p.Masked()
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	ip, ok := netip.AddrFromSlice(n.IP)
	bits, size := n.Mask.Size()
	if ip = ip.Unmap(); !ok || ip.BitLen() != size {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(ip, bits), true
}
