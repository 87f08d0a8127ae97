package mesh

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// Move is a shared prefix going from one node to another, in two steps that must not be mixed: WireGuard gives a prefix
// that two peers claim to the last one, and which that is differs from node to node.
type Move struct {
	Site     geored.SiteName
	From, To string
	Prefixes []netip.Prefix
	Release  Full // first: nobody has the prefixes. Bring every node of every other site to it, and see that it is
	Claim    Full // then: To has them
}

// HandOver plans that one node of a site takes over all that another carries for the site. Whether the other is really
// gone is for the caller to prove: that it is silent is no reason.
func (f Full) HandOver(site geored.SiteName, from, to string) (Move, error) {
	m := Move{Site: site, From: from, To: to, Release: f, Claim: f}
	_, known := f.Device(site, to)
	switch {
	case !known:
		return Move{}, fmt.Errorf("site %s: hand over to %s: the layout has no such node", site, to)
	case from == to:
		return Move{}, fmt.Errorf("site %s: hand over to %s: it is the owner", site, to)
	}
	m.Release.owners, m.Claim.owners = slices.Clone(f.owners), slices.Clone(f.owners)
	for i, o := range f.owners {
		if o.site == site && o.node == from {
			m.Prefixes = append(m.Prefixes, o.prefix)
			m.Release.owners[i].node, m.Claim.owners[i].node = "", to
		}
	}
	if len(m.Prefixes) == 0 {
		return Move{}, fmt.Errorf("site %s: hand over from %s: it carries nothing for the site", site, from)
	}
	return m, nil
}
