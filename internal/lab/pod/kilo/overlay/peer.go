package overlay

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// PeerSpec is the specification of a Peer object (kilo.squat.ai/v1alpha1).
type PeerSpec struct {
	AllowedIPs []string `json:"allowedIPs"`
	Endpoint   *struct {
		DNSOrIP struct {
			DNS string `json:"dns"`
			IP  string `json:"ip"`
		} `json:"dnsOrIP"`
		Port uint32 `json:"port"`
	} `json:"endpoint"`
	PersistentKeepalive int    `json:"persistentKeepalive"`
	PresharedKey        string `json:"presharedKey"`
	PublicKey           string `json:"publicKey"`
}

// ReadPeer reads a Peer object. One that is not valid is passed over, without a word to its author.
func ReadPeer(name string, spec PeerSpec) (Peer, bool) {
	if !spec.valid() {
		return Peer{}, false
	}
	p := Peer{Name: name}
	for _, text := range spec.AllowedIPs {
		p.Allowed = append(p.Allowed, parsePrefix(text))
	}
	if e := spec.Endpoint; e != nil {
		if ip := net.ParseIP(e.DNSOrIP.IP); ip != nil {
			p.Endpoint = Endpoint{Address: netip.AddrPortFrom(address(ip), uint16(e.Port))}
		}
		// The documentation says that the address goes first; the source does this.
		if e.DNSOrIP.DNS != "" {
			p.Endpoint = ParseEndpoint(fmt.Sprintf("%s:%d", e.DNSOrIP.DNS, e.Port))
		}
	}
	p.Key, _ = wgtypes.ParseKey(spec.PublicKey) // valid has tried it
	if key, err := wgtypes.ParseKey(spec.PresharedKey); err == nil {
		p.Preshared = &key
	}
	p.Keepalive = time.Duration(spec.PersistentKeepalive) * time.Second
	return p, true
}

func (s PeerSpec) valid() bool {
	for _, text := range s.AllowedIPs {
		if !parsePrefix(text).IsValid() {
			return false
		}
	}
	if e := s.Endpoint; e != nil {
		d := e.DNSOrIP
		if d.IP == "" && d.DNS == "" || d.DNS != "" && !isSubdomain(d.DNS) || d.IP != "" && net.ParseIP(d.IP) == nil ||
			e.Port < 1 || e.Port > 65535 {
			return false
		}
	}
	key, err := base64.StdEncoding.DecodeString(s.PublicKey)
	return err == nil && len(key) == wgtypes.KeyLen && s.PersistentKeepalive >= 0
}
