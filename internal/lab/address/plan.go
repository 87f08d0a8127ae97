// Package address decides every address of a laboratory from the names of its sites.
//
// Two laboratories use the same addresses: each lives in network namespaces of its own.
package address

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
)

// Limits of the plan: sites beyond the sixth use 100.64.0.0/10, which ends at the twenty-second.
const (
	MaxSites = 22
	MaxNodes = 2

	MaxAPIServers = 3
)

// WireGuardPort is the UDP port under which a node is reached over the WAN.
const WireGuardPort = 51820

// Lengths of the WAN's prefix and of a LAN's.
const (
	WANBits = 16
	LANBits = 24
)

// Relay is where nodes send over the WAN what is to be late.
var Relay = netip.AddrFrom4([4]byte{10, 98, 255, 254})

// Site is one data centre: its ranges never overlap another site's.
type Site struct {
	Name      string
	Number    int // from 1
	WireGuard netip.Prefix
	Pods      netip.Prefix
	Services  netip.Prefix
	DNS       netip.Addr
	APIServer netip.Addr // the Service "kubernetes"
	Nodes     []Node
	// Further are where API servers beside the first listen: addresses of their own on the first node, in the site's LAN.
	Further []netip.Addr
}

// WithAPIServers is the site with so many API servers.
func (s Site) WithAPIServers(count int) (Site, error) {
	if count < 1 || count > MaxAPIServers {
		return s, fmt.Errorf("%d API servers: a site has 1 to %d", count, MaxAPIServers)
	}
	s.Further = nil
	for i := range count - 1 {
		s.Further = append(s.Further, netip.AddrFrom4([4]byte{10, 99, byte(s.Number), byte(101 + i)}))
	}
	return s, nil
}

// APIServers are where each of them listens in the site's LAN, the first one's first.
func (s Site) APIServers() []netip.Addr { return append([]netip.Addr{s.Nodes[0].LAN}, s.Further...) }

// Node is one machine of a site.
type Node struct {
	Name   string
	Number int        // from 1; the first one runs the control plane
	LAN    netip.Addr // the InternalIP: it stays when the WAN is cut
	WAN    netip.Addr
	Pods   netip.Prefix
}

// Endpoint is the node's WireGuard address on the WAN.
func (n Node) Endpoint() netip.AddrPort { return netip.AddrPortFrom(n.WAN, WireGuardPort) }

var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// ValidLabel tells whether a name can be a DNS label.
func ValidLabel(name string) bool { return label.MatchString(name) }

// Plan numbers the sites in the order given. All faults are reported at once.
func Plan(names []string, nodes int) ([]Site, error) {
	var faults []error
	if len(names) == 0 || len(names) > MaxSites {
		faults = append(faults, fmt.Errorf("%d sites: a laboratory has 1 to %d", len(names), MaxSites))
	}
	if nodes < 1 || nodes > MaxNodes {
		faults = append(faults, fmt.Errorf("%d nodes: a site has 1 to %d", nodes, MaxNodes))
	}
	seen := map[string]bool{}
	for _, name := range names {
		if !ValidLabel(name) {
			faults = append(faults, fmt.Errorf("site %q: not a DNS label", name))
		}
		if seen[name] {
			faults = append(faults, fmt.Errorf("site %q: named twice", name))
		}
		seen[name] = true
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	var sites []Site
	for i, name := range names {
		sites = append(sites, planSite(name, i+1, nodes))
	}
	return sites, nil
}

func planSite(name string, number, nodes int) Site {
	first, second, step := byte(10), 80+30*(number-1), 10
	if number > 6 {
		first, second, step = 100, 64+4*(number-7), 1
	}
	block := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{first, byte(second + i*step)}) }
	services := block(2).As4()
	site := Site{
		Name:      name,
		Number:    number,
		WireGuard: netip.PrefixFrom(block(0), 16),
		Pods:      netip.PrefixFrom(block(1), 16),
		Services:  netip.PrefixFrom(block(2), 16),
		DNS:       netip.AddrFrom4([4]byte{services[0], services[1], 0, 10}),
		APIServer: netip.AddrFrom4([4]byte{services[0], services[1], 0, 1}),
	}
	pods := block(1).As4()
	for k := 1; k <= nodes; k++ {
		site.Nodes = append(site.Nodes, Node{
			Name:   fmt.Sprintf("%s-%d", name, k),
			Number: k,
			LAN:    netip.AddrFrom4([4]byte{10, 99, byte(number), byte(k)}),
			WAN:    netip.AddrFrom4([4]byte{10, 98, byte(number), byte(k)}),
			Pods:   netip.PrefixFrom(netip.AddrFrom4([4]byte{pods[0], pods[1], byte(k - 1)}), 24),
		})
	}
	return site
}
