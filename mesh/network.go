package mesh

import (
	"net/netip"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Site is one data centre of the mesh.
type Site struct {
	geored.Site
	WireGuardCIDR netip.Prefix // range of the addresses of its WireGuard interfaces; canonical; required
	Gateway       string       // the node that carries what all nodes share; zero: any one node of the site
}

// Network is what is wanted: the sites and what all their WireGuard devices have in common.
type Network struct {
	Sites               []Site
	Interface           string        // zero: "wg0"
	ListenPort          uint16        // UDP; zero: 51820. An endpoint with another port is taken for a port forwarded by NAT
	MTU                 int           // of the tunnel, in bytes; zero: 1420
	PersistentKeepalive time.Duration // whole seconds, on both ends; zero: 10 s
}

// Defaults of a [Network].
const (
	DefaultInterface           = "wg0"
	DefaultListenPort          = 51820
	DefaultMTU                 = 1420
	DefaultPersistentKeepalive = 10 * time.Second
)

// WithDefaults is the network with what was left at zero filled in, as [Plan] takes it.
func (n Network) WithDefaults() Network {
	if n.Interface == "" {
		n.Interface = DefaultInterface
	}
	if n.ListenPort == 0 {
		n.ListenPort = DefaultListenPort
	}
	if n.MTU == 0 {
		n.MTU = DefaultMTU
	}
	if n.PersistentKeepalive == 0 {
		n.PersistentKeepalive = DefaultPersistentKeepalive
	}
	return n
}

// Topology is the sites as the core knows them.
func (n Network) Topology() geored.Topology {
	topology := geored.Topology{Sites: make([]geored.Site, len(n.Sites))}
	for i, site := range n.Sites {
		topology.Sites[i] = site.Site
	}
	return topology
}

// Site finds a site by its name.
func (n Network) Site(name geored.SiteName) (Site, bool) {
	for _, site := range n.Sites {
		if site.Name == name {
			return site, true
		}
	}
	return Site{}, false
}

// indexedSite is a site whose nodes are found by name.
type indexedSite struct {
	Site
	byName map[string]int
}

// node is the zero node when there is none of that name.
func (s indexedSite) node(name string) geored.Node {
	if i, ok := s.byName[name]; ok {
		return s.Nodes[i]
	}
	return geored.Node{}
}

func (n Network) index() map[geored.SiteName]indexedSite {
	sites := make(map[geored.SiteName]indexedSite, len(n.Sites))
	for _, site := range n.Sites {
		byName := make(map[string]int, len(site.Nodes))
		for i, node := range site.Nodes {
			byName[node.Name] = i
		}
		sites[site.Name] = indexedSite{site, byName}
	}
	return sites
}
