package overlay

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Tunnel is a peer of the WireGuard interface.
type Tunnel struct {
	Key       wgtypes.Key
	Preshared *wgtypes.Key
	Endpoint  Endpoint
	Keepalive time.Duration
	Allowed   []netip.Prefix
}

// Tunnels are what a leader's interface is to have: the other segments, then the peers.
func (t Topology) Tunnels() []Tunnel {
	var all []Tunnel
	for _, s := range t.Segments {
		if s.Location != t.location {
			all = append(all, Tunnel{
				Key: s.Key, Endpoint: t.roamed(s.Endpoint, s.Key, s.Keepalive), Keepalive: t.local.Keepalive,
				Allowed: slices.Concat(s.Allowed, s.Extra),
			})
		}
	}
	for _, p := range t.Peers {
		all = append(all, Tunnel{
			// The interval is the local node's for every tunnel; the peer's own only lets its endpoint roam.
			Key: p.Key, Preshared: p.Preshared, Endpoint: t.roamed(p.Endpoint, p.Key, p.Keepalive), Keepalive: t.local.Keepalive,
			Allowed: p.Allowed,
		})
	}
	return all
}

// roamed is where a peer was last heard from, if it keeps alive; else where it is said to be, whatever was heard.
func (t Topology) roamed(said Endpoint, key wgtypes.Key, keepalive time.Duration) Endpoint {
	if at, ok := t.Discovered[key.String()]; ok && keepalive != 0 {
		return Endpoint{Address: at}
	}
	return said
}

// Config is the whole configuration, in which everything is replaced.
func (t Topology) Config(private wgtypes.Key) wgtypes.Config {
	port := t.local.Endpoint.Port()
	config := wgtypes.Config{PrivateKey: &private, ListenPort: &port, ReplacePeers: true}
	for _, tunnel := range t.Tunnels() {
		peer := wgtypes.PeerConfig{
			PublicKey: tunnel.Key, PresharedKey: tunnel.Preshared, PersistentKeepaliveInterval: &tunnel.Keepalive, ReplaceAllowedIPs: true,
		}
		if tunnel.Endpoint.Address.IsValid() {
			peer.Endpoint = net.UDPAddrFromAddrPort(tunnel.Endpoint.Address)
		}
		for _, p := range tunnel.Allowed {
			peer.AllowedIPs = append(peer.AllowedIPs, IPNet(p))
		}
		config.Peers = append(config.Peers, peer)
	}
	return config
}

// IPNet keeps the host bits.
func IPNet(p netip.Prefix) net.IPNet {
	return net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// Same compares a configuration with a device as Kilo does: as text, so that a prefix with host bits, which no device
// keeps, differs for ever. Neither is changed.
func Same(c wgtypes.Config, d wgtypes.Device) bool {
	if *c.ListenPort != d.ListenPort || *c.PrivateKey != d.PrivateKey || len(c.Peers) != len(d.Peers) {
		return false
	}
	want := slices.SortedFunc(slices.Values(c.Peers), func(a, b wgtypes.PeerConfig) int {
		return cmp.Compare(a.PublicKey.String(), b.PublicKey.String())
	})
	have := slices.SortedFunc(slices.Values(d.Peers), func(a, b wgtypes.Peer) int {
		return cmp.Compare(a.PublicKey.String(), b.PublicKey.String())
	})
	for i, p := range want {
		q := have[i]
		if !slices.Equal(texts(p.AllowedIPs), texts(q.AllowedIPs)) {
			return false
		}
		if p.Endpoint == nil || q.Endpoint == nil {
			return p.Endpoint == nil && q.Endpoint == nil // what comes after it is not compared any more
		}
		var preshared wgtypes.Key
		if p.PresharedKey != nil {
			preshared = *p.PresharedKey
		}
		if p.Endpoint.String() != q.Endpoint.String() || *p.PersistentKeepaliveInterval != q.PersistentKeepaliveInterval ||
			preshared != q.PresharedKey || p.PublicKey != q.PublicKey {
			return false
		}
	}
	return true
}

func texts(networks []net.IPNet) []string {
	var all []string
	for _, n := range networks {
		all = append(all, n.String())
	}
	slices.Sort(all)
	return all
}
