package kilo

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// Loss is a prefix that a peer lists and does not get, or not wholly.
type Loss struct {
	Peer   string // who loses
	Prefix string // as the loser lists it
	To     string // who has it instead: the name of a peer, or "node NAME" of the own cluster
	Why    string
}

// Losses says what becomes of prefixes that several peers of one cluster list: neither Kilo nor WireGuard says a word.
// Kilo leaves a prefix with the first peer by name that writes it the same way (deduplicatePeerIPs): dc2-1, dc2-10,
// dc2-2. What is written differently and means the same goes to WireGuard, which leaves it with the last. A longer
// prefix wins inside a shorter one. Two peers with one public key are one to Kilo, and which of both is open. The order
// is that of the peers by name.
func Losses(peers []Peer) []Loss {
	peers = slices.Clone(peers)
	slices.SortStableFunc(peers, func(a, b Peer) int { return cmp.Compare(a.Metadata.Name, b.Metadata.Name) })
	var losses []Loss
	written, meant := map[string]string{}, map[netip.Prefix]claim{}
	keys := map[string]string{}
	for _, p := range peers {
		name := p.Metadata.Name
		if first, ok := keys[p.Spec.PublicKey]; ok {
			losses = append(losses, Loss{Peer: name, To: first, Why: "both have one public key: Kilo keeps either, and deleting one deletes both"})
			continue
		}
		keys[p.Spec.PublicKey] = name
		for _, text := range p.Spec.AllowedIPs {
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				continue // Kilo passes over it
			}
			if first, ok := written[prefix.String()]; ok {
				losses = append(losses, Loss{name, text, first, "Kilo leaves it with the first peer by name"})
				continue
			}
			written[prefix.String()] = name
			if first, ok := meant[prefix.Masked()]; ok {
				losses = append(losses, Loss{first.peer, first.text, name, "WireGuard leaves it with the last, and Kilo sets it back every 30 s"})
			}
			meant[prefix.Masked()] = claim{name, text}
		}
	}
	return append(losses, shadowed(meant)...)
}

// claim is a prefix as a peer wrote it.
type claim struct{ peer, text string }

// shadowed are prefixes out of which another peer takes a part.
func shadowed(meant map[netip.Prefix]claim) []Loss {
	ranges := make([]geored.Range, 0, len(meant))
	for prefix, c := range meant {
		ranges = append(ranges, geored.Range{Field: c.peer, Prefix: prefix})
	}
	var losses []Loss
	for _, o := range geored.Overlaps(ranges) {
		if o.A.Field != o.B.Field {
			losses = append(losses, Loss{o.A.Field, meant[o.A.Prefix].text, o.B.Field, "the longer prefix " + meant[o.B.Prefix].text + " wins inside it"})
		}
	}
	return losses
}
