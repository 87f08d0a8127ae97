package meshtest

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// device is one WireGuard interface.
type device struct {
	key     mesh.PublicKey
	name    string
	port    uint16
	mtu     int
	address netip.Prefix
	routes  []netip.Prefix
	peers   map[mesh.PublicKey]*peer
	order   []mesh.PublicKey                // of the peers, so that every run is the same
	owners  map[netip.Prefix]mesh.PublicKey // the allowed IPs
}

type peer struct {
	endpoint      geored.Endpoint
	keepalive     time.Duration
	session       time.Time // when the session began, by the network's clock; zero: none
	lastHandshake time.Time // as shown, by the machine's own clock
	lastSent      time.Time
	received      int64
	sent          int64
}

func newDevice(key mesh.PublicKey) *device {
	return &device{key: key, peers: map[mesh.PublicKey]*peer{}, owners: map[netip.Prefix]mesh.PublicKey{}}
}

func (d *device) configure(want mesh.Device) {
	d.name, d.port, d.mtu, d.address, d.routes = want.Interface, want.ListenPort, want.MTU, want.Address, want.Routes()
	for key := range d.peers {
		if _, ok := want.Peer(key); !ok {
			delete(d.peers, key)
		}
	}
	clear(d.owners)
	for _, p := range want.Peers {
		if d.peers[p.PublicKey] == nil {
			d.peers[p.PublicKey] = &peer{}
		}
		d.peers[p.PublicKey].keepalive = p.PersistentKeepalive
		if p.Endpoint.IsValid() {
			d.peers[p.PublicKey].endpoint = p.Endpoint
		}
		for _, prefix := range p.AllowedIPs {
			d.owners[prefix.Masked()] = p.PublicKey // taken from whom had it, without a word
		}
	}
	d.order = slices.SortedFunc(maps.Keys(d.peers), mesh.PublicKey.Compare)
}

// owner is the peer that an address belongs to: that of the longest prefix that holds it.
func (d *device) owner(ip netip.Addr) (mesh.PublicKey, *peer) {
	for bits := ip.BitLen(); bits >= 0; bits-- {
		prefix, err := ip.Prefix(bits)
		if err != nil {
			break
		}
		if key, ok := d.owners[prefix]; ok {
			return key, d.peers[key]
		}
	}
	return mesh.PublicKey{}, nil
}

func (d *device) state(now time.Time) mesh.DeviceState {
	s := mesh.DeviceState{Interface: d.name, PublicKey: d.key, ListenPort: d.port, MTU: d.mtu, Up: true,
		Addresses: []netip.Prefix{d.address}, Routes: slices.Clone(d.routes), SampledAt: now}
	for _, key := range d.order {
		p := d.peers[key]
		ps := mesh.PeerState{PublicKey: key, Endpoint: p.endpoint, LastHandshake: p.lastHandshake,
			ReceivedBytes: p.received, SentBytes: p.sent, PersistentKeepalive: p.keepalive}
		for prefix, owner := range d.owners {
			if owner == key {
				ps.AllowedIPs = append(ps.AllowedIPs, prefix)
			}
		}
		slices.SortFunc(ps.AllowedIPs, mesh.ComparePrefixes)
		s.Peers = append(s.Peers, ps)
	}
	return s
}
