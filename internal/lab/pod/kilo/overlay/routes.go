package overlay

import "net/netip"

// Route is a route that a node is to have.
type Route struct {
	To     netip.Prefix
	Via    netip.Addr // zero: none
	Tunnel bool       // through the WireGuard interface, else through that of the internal address
	Source netip.Addr // zero: whichever address the kernel picks
}

// Routes are those of the local node, for the strategy "never" of encapsulation and routes inside a location left to
// others. Since 0.7.0, what the node sends itself has its internal address as source.
func (t Topology) Routes() []Route {
	if !t.Leader {
		return t.throughLeader()
	}
	var source netip.Addr
	if t.since07 && t.local.Internal.IsValid() {
		source = t.local.Internal.Addr()
	}
	var all []Route
	for _, s := range t.Segments {
		if s.Location == t.location {
			continue
		}
		add := func(to netip.Prefix) { all = append(all, Route{to, s.WireGuard, true, source}) }
		for i, pods := range s.Pods {
			add(pods)
			// What is reached at its internal address cannot be reached through a tunnel to that address.
			if i < len(s.Internal) && s.Internal[i] != t.roamed(s.Endpoint, s.Key, s.Keepalive).Address.Addr() {
				add(single(s.Internal[i]))
			}
		}
		for _, p := range s.Extra {
			add(p)
		}
	}
	// For peers there is no such care: one whose endpoint lies in its own prefixes is never heard from again.
	for _, p := range t.Peers {
		for _, to := range p.Allowed {
			all = append(all, Route{To: to, Tunnel: true, Source: source})
		}
	}
	return all
}

// throughLeader is for the other nodes of a location.
func (t Topology) throughLeader() []Route {
	var gateway netip.Addr
	for _, s := range t.Segments {
		if s.Location == t.location {
			gateway = s.Internal[s.Leader]
		}
	}
	var all []Route
	add := func(to netip.Prefix) { all = append(all, Route{To: to, Via: gateway}) }
	for _, s := range t.Segments {
		add(single(s.WireGuard))
		if s.Location == t.location {
			continue
		}
		for _, to := range s.Pods {
			add(to)
		}
		for _, a := range s.Internal {
			add(single(a))
		}
		for _, to := range s.Extra {
			add(to)
		}
	}
	for _, p := range t.Peers {
		for _, to := range p.Allowed {
			add(to)
		}
	}
	return all
}
