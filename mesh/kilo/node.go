package kilo

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// Source is a node as the Kubernetes API gives it.
type Source struct {
	Site        geored.SiteName
	Name        string
	Annotations map[string]string
	Labels      map[string]string
	PodCIDRs    []netip.Prefix // its spec.podCIDRs
}

// Node is what Kilo makes of a node. Zero values are what is not known.
type Node struct {
	Site                geored.SiteName
	Name                string
	Endpoint            geored.Endpoint // the forced one when it can be read, else the one that Kilo found
	InternalIP          netip.Prefix    // with its host bits; zero: none, or taken away by force
	Key                 mesh.PublicKey
	WireGuardIP         netip.Prefix // address with the bits of Kilo's whole range; zero: the node leads no location
	PersistentKeepalive time.Duration
	AllowedLocationIPs  []netip.Prefix
	Location            string
	Leader              bool
	Granularity         Granularity
	LastSeen            time.Time
	PodCIDRs            []netip.Prefix
}

// staleAfter is when Kilo leaves a node out of its topology: two check-ins of 30 s.
const staleAfter = 60 * time.Second

// Unready says why Kilo leaves the node out of its topology at that time; "" when it does not. Kilo compares the node's
// clock with that of each other node, so that a skew of a minute makes a living node unready.
func (n Node) Unready(now time.Time) string {
	age := now.Sub(n.LastSeen)
	switch {
	case !n.Endpoint.IsValid():
		return "it has no endpoint yet"
	case n.Key.IsZero():
		return "it has no public key yet"
	case len(n.PodCIDRs) == 0:
		return "its spec.podCIDR is not set"
	case n.LastSeen.IsZero():
		return "Kilo has not checked in yet"
	case age >= staleAfter:
		return fmt.Sprintf("Kilo checked in %s ago", age.Round(time.Second))
	}
	return ""
}

// SkewOf is how far into the future the node's last check-in lies, and so how far its clock is ahead at least; zero when
// it is not.
func (n Node) SkewOf(now time.Time) time.Duration { return max(n.LastSeen.Sub(now), 0) }

// Gateway is the node as package mesh plans with it: what Kilo writes as 10.80.0.1/16 is the one address 10.80.0.1.
func (n Node) Gateway() mesh.Gateway {
	return mesh.Gateway{Site: n.Site, Node: n.Name, PublicKey: n.Key, WireGuardIP: n.WireGuardIP.Addr(), Endpoint: n.Endpoint,
		InternalIP: n.InternalIP.Addr(), LocationIPs: masked(n.AllowedLocationIPs)}
}

func masked(prefixes []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range prefixes {
		out = append(out, p.Masked())
	}
	return out
}
