package mesh

import (
	"fmt"
	"net/netip"

	"github.com/georedkit/georedkit/geored"
)

// Validate reports what would make WireGuard take something from a peer without a word, as [geored.Faults]: a prefix or
// a key that two peers have, or the device itself among its peers. What [Plan] gives has no faults; a device that was
// read from a file may. A prefix inside one of another peer is no fault: the longer one wins.
func (d Device) Validate() error {
	var faults geored.Faults
	add := func(field, value, problem, remedy string) {
		faults = append(faults, geored.Fault{Site: d.Site, Field: field, Value: value, Problem: problem, Remedy: remedy})
	}
	keys, owners := map[PublicKey]Peer{}, map[netip.Prefix]Peer{}
	for _, p := range d.Peers {
		if first, ok := keys[p.PublicKey]; ok {
			add("peers["+p.name()+"].publicKey", p.PublicKey.String(), "is that of peer "+first.name(), "make each node a key of its own")
		}
		switch {
		case p.PublicKey.IsZero():
			add("peers["+p.name()+"].publicKey", "", "is missing", "read it from the device")
		case p.PublicKey == d.PublicKey:
			add("peers["+p.name()+"].publicKey", p.PublicKey.String(), "is that of the device itself", "leave the device out of its own peers")
		}
		keys[p.PublicKey] = p
		for _, prefix := range p.AllowedIPs {
			first, ok := owners[prefix.Masked()]
			if ok && first.PublicKey != p.PublicKey {
				add("peers["+p.name()+"].allowedIPs", prefix.String(), "is also one of peer "+first.name(), "give it to one of them: WireGuard leaves it to the last")
			}
			owners[prefix.Masked()] = p
		}
	}
	if !d.Address.IsValid() {
		add("address", "", "is missing", fmt.Sprintf("give interface %s one", d.Interface))
	}
	return faults.Err()
}
