package mesh

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Layout is what each WireGuard device of the mesh must be configured to, by site, then node. It holds no secret: its
// JSON may be shipped to the machines as it is.
type Layout struct {
	Devices []Device `json:"devices"`
}

// Device is the wanted state of one machine's WireGuard interface. [DeviceState] is the observed one.
type Device struct {
	Site       geored.SiteName `json:"site"`
	Node       string          `json:"node"`
	Interface  string          `json:"interface"`
	PublicKey  PublicKey       `json:"publicKey"`
	Address    netip.Prefix    `json:"address"` // of the interface: one address, so that it brings no route along
	ListenPort uint16          `json:"listenPort"`
	MTU        int             `json:"mtu"` // bytes
	Peers      []Peer          `json:"peers"`
}

// Peer is one machine at the other end of a tunnel.
type Peer struct {
	Site                geored.SiteName `json:"site"`
	Node                string          `json:"node"`
	PublicKey           PublicKey       `json:"publicKey"`
	Endpoint            geored.Endpoint `json:"endpoint"`   // where packets to it are sent; zero: learned from the packets it sends
	AllowedIPs          []netip.Prefix  `json:"allowedIPs"` // what is sent to it and taken from it; canonical, sorted
	PersistentKeepalive time.Duration   `json:"persistentKeepaliveNs"`
}

// Device finds a device by its site and node; with node "", the site's first.
func (l Layout) Device(site geored.SiteName, node string) (Device, bool) {
	for _, d := range l.Devices {
		if d.Site == site && (node == "" || d.Node == node) {
			return d, true
		}
	}
	return Device{}, false
}

// Routes are the prefixes to route into the tunnel, sorted.
func (d Device) Routes() []netip.Prefix {
	var routes []netip.Prefix
	for _, p := range d.Peers {
		routes = append(routes, p.AllowedIPs...)
	}
	return canonical(routes)
}

// Peer finds a peer by its public key.
func (d Device) Peer(key PublicKey) (Peer, bool) {
	for _, p := range d.Peers {
		if p.PublicKey == key {
			return p, true
		}
	}
	return Peer{}, false
}

// sort puts the layout in its one order, whatever the order of the input was.
func (l Layout) sort() {
	slices.SortFunc(l.Devices, func(a, b Device) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Node, b.Node), a.PublicKey.Compare(b.PublicKey))
	})
	for _, d := range l.Devices {
		slices.SortFunc(d.Peers, func(a, b Peer) int {
			return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Node, b.Node), a.PublicKey.Compare(b.PublicKey))
		})
	}
}

// canonical gives prefixes without host bits, without doubles, sorted. WireGuard does the same, so that what is read
// back equals what was asked for.
func canonical(prefixes []netip.Prefix) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		if p.IsValid() {
			out = append(out, p.Masked())
		}
	}
	slices.SortFunc(out, ComparePrefixes)
	return slices.Compact(out)
}

// ComparePrefixes is the order of every list of prefixes here: by address, then length.
func ComparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}
