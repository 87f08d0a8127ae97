package kilo

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// What a [Peer] is in the API: cluster-scoped, of one version.
const (
	APIVersion = "kilo.squat.ai/v1alpha1"
	PeerKind   = "Peer"
	PeerPlural = "peers"
)

// Peer is Kilo's object for a machine outside of the cluster (kilo.squat.ai/v1alpha1).
type Peer struct {
	APIVersion string   `json:"apiVersion" yaml:"apiVersion"`
	Kind       string   `json:"kind" yaml:"kind"`
	Metadata   Metadata `json:"metadata" yaml:"metadata"`
	Spec       PeerSpec `json:"spec" yaml:"spec"`
}

// Metadata is the part of an object's metadata that is needed here.
type Metadata struct {
	Name   string            `json:"name" yaml:"name"`
	Labels map[string]string `json:"labels,omitempty" yaml:"labels,omitempty"`
}

// PeerSpec is what is wanted of a [Peer]. A preshared key, which it may also hold, is left out: it is a secret.
type PeerSpec struct {
	AllowedIPs []string      `json:"allowedIPs" yaml:"allowedIPs"`
	Endpoint   *PeerEndpoint `json:"endpoint,omitempty" yaml:"endpoint,omitempty"`
	PublicKey  string        `json:"publicKey" yaml:"publicKey"`
	// PersistentKeepalive is in seconds. It sets no keepalive on Kilo's nodes, which is what their annotation does: it
	// makes Kilo keep the endpoint that it discovered instead of putting the one above back every 30 s.
	PersistentKeepalive int `json:"persistentKeepalive,omitempty" yaml:"persistentKeepalive,omitempty"`
}

// PeerEndpoint is where a peer is reached.
type PeerEndpoint struct {
	DNSOrIP DNSOrIP `json:"dnsOrIP" yaml:"dnsOrIP"`
	Port    int     `json:"port" yaml:"port"`
}

// DNSOrIP is one of both. With both, Kilo takes the name, though its documentation says the address.
type DNSOrIP struct {
	DNS string `json:"dns,omitempty" yaml:"dns,omitempty"`
	IP  string `json:"ip,omitempty" yaml:"ip,omitempty"`
}

// Peers renders the peers of a device as the objects to apply in the cluster of its site: one per peer, named after its
// node. All nodes of the cluster share them, so that in a full mesh any one node's device will do.
func Peers(d mesh.Device) []Peer {
	peers := make([]Peer, 0, len(d.Peers))
	for _, p := range d.Peers {
		spec := PeerSpec{PublicKey: p.PublicKey.String(), PersistentKeepalive: int(p.PersistentKeepalive / time.Second), AllowedIPs: texts(p.AllowedIPs)}
		if e := p.Endpoint; e.IsValid() {
			spec.Endpoint = &PeerEndpoint{Port: int(e.Port()), DNSOrIP: DNSOrIP{DNS: e.Host()}}
			if e.Addr().IsValid() {
				spec.Endpoint.DNSOrIP = DNSOrIP{IP: e.Host()}
			}
		}
		peers = append(peers, Peer{APIVersion, PeerKind, Metadata{Name: p.Node}, spec})
	}
	return peers
}

func texts(prefixes []netip.Prefix) []string {
	out := make([]string, len(prefixes))
	for i, p := range prefixes {
		out[i] = p.String()
	}
	return out
}

// ParsePeer reads a Peer object in JSON, as the API gives it: keys that are not known here are passed over.
func ParsePeer(data []byte) (Peer, error) {
	var p Peer
	if err := json.Unmarshal(data, &p); err != nil {
		return Peer{}, fmt.Errorf("peer: %w", err)
	}
	if p.APIVersion != APIVersion || p.Kind != PeerKind {
		return Peer{}, fmt.Errorf("peer %s: is a %s %s instead of a %s %s", p.Metadata.Name, p.APIVersion, p.Kind, APIVersion, PeerKind)
	}
	return p, nil
}

// endpoint is the endpoint as Kilo takes it, and whether it can be read.
func (p Peer) endpoint() (geored.Endpoint, error) {
	e := p.Spec.Endpoint
	if e == nil {
		return geored.Endpoint{}, nil
	}
	host := e.DNSOrIP.DNS
	if host == "" {
		ip, err := netip.ParseAddr(e.DNSOrIP.IP)
		if err != nil {
			return geored.Endpoint{}, fmt.Errorf("%q is not an IP address", e.DNSOrIP.IP)
		}
		if e.Port < 1 || e.Port > 65535 {
			return geored.Endpoint{}, fmt.Errorf("port %d is not in 1 to 65535", e.Port)
		}
		return geored.EndpointFrom(netip.AddrPortFrom(ip, uint16(e.Port)))
	}
	return geored.ParseEndpoint(fmt.Sprintf("%s:%d", host, e.Port))
}
