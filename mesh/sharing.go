package mesh

import (
	"cmp"
	"net/netip"

	"github.com/georedkit/georedkit/geored"
)

// Sharing says which nodes of a site carry what belongs to no single node: its services.
type Sharing string

// The ways to share. The zero value is [OneOwner].
const (
	OneOwner Sharing = "one-owner" // one node carries all; [Full.HandOver] moves it
	Split    Sharing = "split"     // each node carries an equal part: more throughput, and a part is lost with each node
	Nobody   Sharing = "nobody"    // services do not cross: pods and headless services only
)

func (s Sharing) faults() geored.Faults {
	switch s {
	case "", OneOwner, Split, Nobody:
		return nil
	}
	return geored.Faults{{Field: "sharing", Value: string(s), Problem: "is none of one-owner, split, nobody"}}
}

// ownership is a shared prefix with the node that carries it.
type ownership struct {
	prefix netip.Prefix
	site   geored.SiteName
	node   string // zero: nobody, between the two steps of a move
}

// share gives each shared prefix of a site, or each part of it, to one node.
func share(site Site, members []Gateway, sharing Sharing) []ownership {
	var owners []ownership
	for _, service := range site.Services {
		switch sharing {
		case Nobody:
		case Split:
			for i, part := range SplitPrefix(service, len(members)) {
				owners = append(owners, ownership{part, site.Name, members[i%len(members)].Node})
			}
		default:
			owners = append(owners, ownership{service.Masked(), site.Name, cmp.Or(site.Gateway, members[0].Node)})
		}
	}
	return owners
}

// SplitPrefix cuts a prefix into equal parts, in the order of their addresses: the smallest power of two that gives
// everyone of n one or more, or as many as there are addresses. Of a prefix that is not
// valid there are none.
func SplitPrefix(p netip.Prefix, n int) []netip.Prefix {
	if p = p.Masked(); !p.IsValid() {
		return nil
	}
	bits := p.Bits()
	for parts := 1; parts < n && bits < p.Addr().BitLen(); parts *= 2 {
		bits++
	}
	parts := []netip.Prefix{netip.PrefixFrom(p.Addr(), bits)}
	for len(parts) < 1<<(bits-p.Bits()) {
		parts = append(parts, following(parts[len(parts)-1]))
	}
	return parts
}

// following is the next prefix of the same length.
func following(p netip.Prefix) netip.Prefix {
	bytes := p.Addr().AsSlice()
	carry := uint16(1) << (7 - (p.Bits()-1)%8)
	for i := (p.Bits() - 1) / 8; i >= 0 && carry > 0; i-- {
		sum := uint16(bytes[i]) + carry
		bytes[i], carry = byte(sum), sum>>8
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return netip.PrefixFrom(addr, p.Bits())
}
