package kilo

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/mesh"
)

// Drift is how the Peer objects of a cluster differ from the peers of a device of its site, in the order of the device's
// peers; objects that are not in the layout come last, by name. An object that somebody else made for another purpose is
// a difference too: it may take a prefix.
func Drift(d mesh.Device, live []Peer) []mesh.Difference {
	var drift []mesh.Difference
	rest := map[string]Peer{}
	for _, p := range live {
		rest[p.Metadata.Name] = p
	}
	for _, want := range Peers(d) {
		name := want.Metadata.Name
		got, ok := rest[name]
		delete(rest, name)
		if !ok {
			drift = append(drift, mesh.Difference{Peer: name, Field: "object", Want: PeerPlural + "/" + name})
			continue
		}
		was := got.fields()
		for i, field := range want.fields() {
			if field != was[i] {
				drift = append(drift, mesh.Difference{Peer: name, Field: field.name, Want: field.value, Got: was[i].value})
			}
		}
	}
	var extra []mesh.Difference
	for name := range rest {
		extra = append(extra, mesh.Difference{Peer: name, Field: "object", Got: PeerPlural + "/" + name})
	}
	slices.SortFunc(extra, func(a, b mesh.Difference) int { return strings.Compare(a.Peer, b.Peer) })
	return append(drift, extra...)
}

// Same says whether two peers are one in all that counts; the order of their prefixes does not.
func (p Peer) Same(other Peer) bool { return p.fields() == other.fields() }

type field struct{ name, value string }

// fields are what counts of a peer, as text.
func (p Peer) fields() [4]field {
	allowed := slices.Clone(p.Spec.AllowedIPs)
	slices.Sort(allowed)
	endpoint := ""
	if e := p.Spec.Endpoint; e != nil {
		endpoint = fmt.Sprintf("%s%s:%d", e.DNSOrIP.DNS, e.DNSOrIP.IP, e.Port)
	}
	return [4]field{{"publicKey", p.Spec.PublicKey}, {"endpoint", endpoint}, {"allowedIPs", strings.Join(allowed, ",")},
		{"persistentKeepalive", fmt.Sprint(p.Spec.PersistentKeepalive)}}
}

// DeviceDrift is [mesh.Device.Drift] for a device that Kilo keeps: what Kilo adds for the nodes of the own cluster is
// put aside, and the port is that of the node's endpoint, where Kilo listens. Nodes are those of the device's site.
func DeviceDrift(d mesh.Device, site mesh.Site, nodes []Node, s mesh.DeviceState) []mesh.Difference {
	own := []netip.Prefix{site.WireGuardCIDR}
	own = append(own, site.Pods...)
	keys := map[mesh.PublicKey]bool{}
	for _, n := range nodes {
		if n.Site != d.Site {
			continue
		}
		keys[n.Key] = n.Name != d.Node
		if own = append(own, n.AllowedLocationIPs...); n.InternalIP.IsValid() {
			own = append(own, single(n.InternalIP.Addr()))
		}
		if n.Name == d.Node && n.Endpoint.IsValid() {
			d.ListenPort = n.Endpoint.Port()
		}
	}
	s.Peers = slices.DeleteFunc(slices.Clone(s.Peers), func(p mesh.PeerState) bool { return keys[p.PublicKey] })
	s.Routes = slices.DeleteFunc(slices.Clone(s.Routes), func(r netip.Prefix) bool {
		return slices.ContainsFunc(own, func(o netip.Prefix) bool { return o.Bits() <= r.Bits() && o.Contains(r.Addr()) })
	})
	s.Addresses = slices.Clone(s.Addresses)
	for i, a := range s.Addresses {
		s.Addresses[i] = single(a.Addr()) // Kilo gives it the bits of its whole range
	}
	return d.Drift(s)
}

func single(ip netip.Addr) netip.Prefix { return netip.PrefixFrom(ip, ip.BitLen()) }
