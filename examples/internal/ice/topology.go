// Package ice is the deployment that the guide "Geo-redundancy" of Instant Connect Enterprise describes (ICE guide):
// its names, its runbooks and its checks, composed from the SDK.
package ice

import (
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
)

// Site is one of the deployment's data centres: a column of the guide's tables 2 to 4.
type Site struct {
	mesh.Site
	DNSIP       netip.Addr // of the cluster's DNS service
	APIServerIP netip.Addr // of the API server inside the cluster
	// APIServer is the URL at which the other sites' programs reach the API server: of a load balancer before several of
	// them, say. Zero: the service's address, through the mesh, as the guide has it.
	APIServer string
	// APIServers are the single API servers of a site that has several, where this machine does not reach them by their own
	// addresses. Zero: it does.
	APIServers []APIServer
	FQDN       string // under which users reach the site's applications. Zero: none, and so no ingress with TLS
}

// apiServer is what stands in the credentials that other sites get.
func (s Site) apiServer() string {
	if s.APIServer != "" {
		return s.APIServer
	}
	return "https://" + hostOf(s.APIServerIP)
}

// hostOf is an address as it stands in a URL.
func hostOf(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// Topology is the deployment's data centres, two or more.
type Topology struct {
	Sites []Site
	// Granularity is what Kilo must keep at every site: a tunnel for each node, or for each location. Zero: what its chart
	// starts it with.
	Granularity kilo.Granularity
	// Applications are the product itself (ICE guide, 4.4). Zero: the sites are joined, and no more.
	Applications *Applications
}

type topologyFile struct {
	Sites        []siteFile        `yaml:"sites"`
	Granularity  kilo.Granularity  `yaml:"granularity,omitempty"`
	Applications *applicationsFile `yaml:"applications,omitempty"`
}

type siteFile struct {
	mesh.SiteFile `yaml:",inline"`
	DNSIP         string          `yaml:"dnsIP,omitempty"`
	APIServerIP   string          `yaml:"apiServerIP,omitempty"`
	APIServer     string          `yaml:"apiServer,omitempty"`
	APIServers    []apiServerFile `yaml:"apiServers,omitempty"`
	FQDN          string          `yaml:"fqdn,omitempty"`
}

// ParseTopology reads and validates a topology file. The error is geored.Faults: all of them at once.
func ParseTopology(data []byte) (Topology, error) {
	var file topologyFile
	faults := geored.Decode(data, &file)
	t := Topology{Granularity: file.Granularity}
	for _, f := range file.Sites {
		site, siteFaults := f.site()
		t.Sites = append(t.Sites, site)
		faults = append(faults, siteFaults...)
	}
	if file.Applications != nil {
		applications, more := file.Applications.applications(t.Sites)
		t.Applications, faults = &applications, append(faults, more...)
	}
	if len(faults) == 0 || len(t.Sites) > 0 {
		faults = append(faults, t.faults(faults)...)
	}
	return t, faults.Err()
}

// Offsets of the addresses that every Kubernetes cluster takes from its service range.
const (
	apiServerOffset = 1
	dnsOffset       = 10
)

func (f siteFile) site() (Site, geored.Faults) {
	core, faults := f.SiteFile.Site()
	read := geored.Reader{Site: core.Name}
	site := Site{Site: core, DNSIP: read.Addr("dnsIP", f.DNSIP), APIServerIP: read.Addr("apiServerIP", f.APIServerIP),
		APIServer: f.APIServer, APIServers: readAPIServers(&read, f.APIServers), FQDN: f.FQDN}
	if len(site.Services) > 0 {
		if f.DNSIP == "" {
			site.DNSIP = nth(site.Services[0], dnsOffset)
		}
		if f.APIServerIP == "" {
			site.APIServerIP = nth(site.Services[0], apiServerOffset)
		}
	}
	return site, append(faults, read.Faults...)
}

// In gives the topology with its kubeconfigs' relative paths taken from a folder: that of the file.
func (t Topology) In(folder string) Topology {
	sites := slices.Clone(t.Sites)
	for i := range sites {
		if path := sites[i].Kube.Kubeconfig; path != "" && !filepath.IsAbs(path) {
			sites[i].Kube.Kubeconfig = filepath.Join(folder, path)
		}
	}
	return Topology{sites, t.Granularity, t.Applications.in(folder)}
}

// Names are the names of the sites, in their order.
func (t Topology) Names() []geored.SiteName {
	names := make([]geored.SiteName, len(t.Sites))
	for i, site := range t.Sites {
		names[i] = site.Name
	}
	return names
}

// Network is the sites as package mesh knows them.
func (t Topology) Network() mesh.Network {
	var n mesh.Network
	for _, site := range t.Sites {
		n.Sites = append(n.Sites, site.Site)
	}
	return n
}

// faults holds the sites against each other and against what each of them needs. A field in told is at fault already.
func (t Topology) faults(told geored.Faults) geored.Faults {
	known := map[string]bool{}
	for _, f := range told {
		known[string(f.Site)+" "+f.Field] = true
	}
	faults := t.Network().Faults()
	for _, site := range t.Sites {
		missing := func(field, remedy string) {
			if !known[string(site.Name)+" "+field] {
				faults = append(faults, geored.Fault{Site: site.Name, Field: field, Problem: "is missing", Remedy: remedy})
			}
		}
		if site.Kube.Kubeconfig == "" {
			missing("kubeconfig", "write the path of the site's kubeconfig")
		}
		if len(site.Pods) == 0 {
			missing("podCIDR", "write the cluster's pod range")
		}
		if len(site.Services) == 0 {
			missing("serviceCIDR", "write the cluster's service range")
		}
		faults = append(append(faults, site.addressFaults()...), site.endpointFaults()...)
	}
	switch t.Granularity {
	case "", kilo.ByLocation, kilo.ByNode:
	default:
		faults = append(faults, geored.Fault{Field: "granularity", Value: string(t.Granularity), Problem: "is neither location nor full", Remedy: "write one of them, or nothing"})
	}
	if len(t.Sites) == 1 {
		faults = append(faults, geored.Fault{Field: "sites", Problem: "names one site only", Remedy: "list two or more"})
	}
	return faults
}

func (s Site) addressFaults() geored.Faults {
	var faults geored.Faults
	for field, addr := range map[string]netip.Addr{"dnsIP": s.DNSIP, "apiServerIP": s.APIServerIP} {
		if addr.IsValid() && len(s.Services) > 0 && !inside(addr, s.Services) {
			faults = append(faults, geored.Fault{Site: s.Name, Field: field, Value: addr.String(),
				Problem: fmt.Sprintf("lies outside serviceCIDR %s", s.Services[0]), Remedy: "take the address of the service as it is in the cluster"})
		}
	}
	if s.DNSIP == s.APIServerIP && s.DNSIP.IsValid() {
		faults = append(faults, geored.Fault{Site: s.Name, Field: "dnsIP", Value: s.DNSIP.String(), Problem: "is the address of the API server too"})
	}
	if u, err := url.Parse(s.APIServer); s.APIServer != "" && (err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil) {
		faults = append(faults, geored.Fault{Site: s.Name, Field: "apiServer", Problem: "is not a URL of the form https://host:port", Remedy: "write the address by which the other sites reach the API server"})
	}
	return faults
}

// endpointFaults: the guide takes the first address of a node's status, which may be its host name (ICE guide, 4.2.2).
func (s Site) endpointFaults() geored.Faults {
	var faults geored.Faults
	for _, node := range s.Nodes {
		if node.Endpoint.IsValid() && !node.Endpoint.Addr().IsValid() {
			faults = append(faults, geored.Fault{Site: s.Name, Field: "nodes[" + node.Name + "].endpoint", Value: node.Endpoint.String(),
				Problem: "is a name, and Kilo's chart takes addresses only", Remedy: "write the address at which the other sites reach the node"})
		}
	}
	return faults
}

func inside(addr netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func nth(p netip.Prefix, n int) netip.Addr {
	addr := p.Masked().Addr()
	for range n {
		addr = addr.Next()
	}
	return addr
}
