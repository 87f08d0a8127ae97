// Package overlay decides what Kilo decides: which nodes and peers take part, who leads, which address each gets, and what
// the WireGuard interface and the routes are to be. It keeps the behaviour of squat/kilo 0.6.0, and of 0.7.0 where that
// differs, its silent fall-backs included; the vectors in testdata were recorded from its source.
package overlay

import (
	"net"
	"net/netip"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Granularity says between whom tunnels are made: "location" or "full".
type Granularity string

// The two granularities.
const (
	ByLocation Granularity = "location"
	Full       Granularity = "full"
)

// Node is a node of the cluster as its annotations tell of it. What cannot be read is zero.
type Node struct {
	Name       string
	Location   string
	Leader     bool
	Endpoint   Endpoint
	NoInternal bool         // there is to be no internal address
	Internal   netip.Prefix // with host bits
	WireGuard  netip.Prefix // with host bits
	Pods       netip.Prefix
	Key        wgtypes.Key
	LastSeen   int64 // seconds since 1970
	Keepalive  time.Duration
	Discovered map[string]netip.AddrPort // by public key
	Allowed    []netip.Prefix            // of the location
	Granularity
}

// tooOld is the age in seconds from which a node counts as gone.
const tooOld = 60

// Ready tells whether the node takes part.
func (n Node) Ready(now time.Time) bool {
	return n.Endpoint.Ready() && n.Key != wgtypes.Key{} && n.Pods.IsValid() && now.Unix()-n.LastSeen < tooOld
}

// Peer is a Peer object.
type Peer struct {
	Name      string
	Key       wgtypes.Key
	Preshared *wgtypes.Key
	Keepalive time.Duration
	Endpoint  Endpoint
	Allowed   []netip.Prefix // with host bits
}

// Ready tells whether the peer takes part. Nobody asks whether it lives.
func (p Peer) Ready() bool { return len(p.Allowed) > 0 && p.Key != wgtypes.Key{} }

// parsePrefix reads a CIDR and keeps its host bits. An address alone is none.
func parsePrefix(text string) netip.Prefix {
	ip, network, err := net.ParseCIDR(text)
	if err != nil {
		return netip.Prefix{}
	}
	bits, size := network.Mask.Size()
	a := address(ip)
	if a.Is4() && size == 128 { // written as ::ffff:10.0.0.1/120
		bits = max(bits-96, 0)
	}
	return netip.PrefixFrom(a, bits)
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
