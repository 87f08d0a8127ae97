package kilo

import (
	"fmt"
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

type field struct{ name, value string }

// fields are what counts of a peer, as text; the order of its prefixes does not.
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
