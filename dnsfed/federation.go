package dnsfed

import (
	"net/netip"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// Plugin is how the name servers of one site learn the names of the others. The zero value is invalid.
type Plugin string

// The plugins.
const (
	// Kubernetai reads every cluster and merges their names: the own cluster answers first, and what it does not know
	// falls through to the next. It must be compiled into CoreDNS, in the place of the plugin kubernetes.
	Kubernetai Plugin = "kubernetai"
	// Multicluster is the plugin kubernetes of CoreDNS itself, which reads the ServiceImports of its own cluster
	// (KEP-1645) and answers for them in a zone of their own.
	Multicluster Plugin = "multicluster"
	// StubZones forwards the zones that only one other site knows to that site's name servers.
	StubZones Plugin = "stub-zones"
)

// Site is a site as its name servers and those of the others see it.
type Site struct {
	geored.Site            // its Services and Pods become reverse zones
	APIServer   netip.Addr // cluster IP of Service default/kubernetes; zero: the first address of Services
	// Kubeconfig describes this site's API to the other sites' CoreDNS: a path in its container. Kubernetai needs it.
	Kubeconfig string
	Context    string       // in Kubeconfig; zero: its current context
	Zones      []string     // which only this site answers, as "db.svc.cluster.local". StubZones needs one
	DNS        []netip.Addr // name servers of the zones, as the other sites reach them. StubZones needs one
}

// Federation is the sites whose names are to be known in all of them.
type Federation struct {
	Sites      []Site // in the order in which a site asks the others; itself it asks first
	Plugin     Plugin
	CoreDNS    Version // of the CoreDNS that the Corefile is for; required
	Domain     string  // cluster domain of all sites; zero: cluster.local
	ClusterSet string  // zone of Multicluster; zero: clusterset.local
	// IgnoreEmpty lets services without a ready endpoint fall through to the other sites. Only for Kubernetai.
	IgnoreEmpty bool
}

func (f Federation) domain() string {
	if f.Domain == "" {
		return "cluster.local"
	}
	return f.Domain
}

func (f Federation) clusterSet() string {
	if f.ClusterSet == "" {
		return "clusterset.local"
	}
	return f.ClusterSet
}

// Site is the site of that name.
func (f Federation) Site(name geored.SiteName) (Site, bool) {
	i := slices.IndexFunc(f.Sites, func(s Site) bool { return s.Name == name })
	if i < 0 {
		return Site{}, false
	}
	return f.Sites[i], true
}

// chain is the order in which a name server of the site asks: its own site, then the others.
func (f Federation) chain(own geored.SiteName) []Site {
	var chain []Site
	for _, s := range f.Sites {
		if s.Name == own {
			chain = append([]Site{s}, chain...)
		} else {
			chain = append(chain, s)
		}
	}
	return chain
}

// apiServer is the address of Service default/kubernetes.
func (s Site) apiServer() netip.Addr {
	if s.APIServer.IsValid() || len(s.Services) == 0 {
		return s.APIServer
	}
	return s.Services[0].Masked().Addr().Next()
}

// owns says whether an address lies in the site's ranges.
func (s Site) owns(a netip.Addr) bool {
	return slices.ContainsFunc(slices.Concat(s.Services, s.Pods), func(p netip.Prefix) bool { return p.Contains(a) })
}
