package geored

import (
	"net/netip"
	"strings"
)

// TopologyFile is the written form of a [Topology]. Programs with more to say of a site write a struct of their own
// with an inline [SiteFile].
type TopologyFile struct {
	Sites []SiteFile `yaml:"sites" json:"sites"`
}

// SiteFile is the written form of a [Site]. Every value is kept as it was written until [SiteFile.Site] reads it, so
// that all faults of a file can be told at once. Several ranges are written as kubeadm does: "10.90.0.0/16,fd00:90::/48".
type SiteFile struct {
	Name        string     `yaml:"name" json:"name"`
	Kubeconfig  string     `yaml:"kubeconfig,omitempty" json:"kubeconfig,omitempty"`
	Context     string     `yaml:"context,omitempty" json:"context,omitempty"`
	PodCIDR     string     `yaml:"podCIDR,omitempty" json:"podCIDR,omitempty"`
	ServiceCIDR string     `yaml:"serviceCIDR,omitempty" json:"serviceCIDR,omitempty"`
	Nodes       []NodeFile `yaml:"nodes,omitempty" json:"nodes,omitempty"`
}

// NodeFile is the written form of a [Node].
type NodeFile struct {
	Name       string   `yaml:"name" json:"name"`
	InternalIP string   `yaml:"internalIP,omitempty" json:"internalIP,omitempty"`
	Endpoint   string   `yaml:"endpoint,omitempty" json:"endpoint,omitempty"`
	PodCIDRs   []string `yaml:"podCIDRs,omitempty" json:"podCIDRs,omitempty"`
}

// ParseTopology reads and validates a topology in strict YAML or JSON. The error is [Faults]: all of them at once.
func ParseTopology(data []byte) (Topology, error) {
	var file TopologyFile
	faults := Decode(data, &file)
	var topology Topology
	for _, f := range file.Sites {
		site, siteFaults := f.Site()
		topology.Sites = append(topology.Sites, site)
		faults = append(faults, siteFaults...)
	}
	if len(topology.Sites) > 0 || len(faults) == 0 {
		faults = append(faults, topology.Faults()...)
	}
	if err := faults.Err(); err != nil {
		return Topology{}, err
	}
	return topology, nil
}

// Site reads the values of the file. What cannot be read stays zero in the site and is a fault; whether the values fit
// together is for [Topology.Validate] to say.
func (f SiteFile) Site() (Site, Faults) {
	read := Reader{Site: SiteName(f.Name)}
	site := Site{
		Name:     SiteName(f.Name),
		Kube:     KubeRef{Kubeconfig: f.Kubeconfig, Context: f.Context},
		Pods:     read.Prefixes("podCIDR", f.PodCIDR),
		Services: read.Prefixes("serviceCIDR", f.ServiceCIDR),
	}
	for _, n := range f.Nodes {
		node := Node{Name: n.Name}
		node.InternalIP = read.Addr(nodeField(node, "internalIP"), n.InternalIP)
		node.Endpoint = read.Endpoint(nodeField(node, "endpoint"), n.Endpoint)
		node.PodCIDRs = read.Prefixes(nodeField(node, "podCIDRs"), strings.Join(n.PodCIDRs, ","))
		site.Nodes = append(site.Nodes, node)
	}
	return site, read.Faults
}

// Reader reads the values of one site's written form and collects what is wrong with them. An empty value reads as
// zero, without a fault.
type Reader struct {
	Site   SiteName
	Faults Faults
}

// Prefixes reads ranges separated by commas.
func (r *Reader) Prefixes(field, value string) []netip.Prefix {
	if value == "" {
		return nil
	}
	var prefixes []netip.Prefix
	for part := range strings.SplitSeq(value, ",") {
		if p, ok := r.prefix(field, strings.TrimSpace(part)); ok {
			prefixes = append(prefixes, p)
		}
	}
	return prefixes
}

// Prefix reads one range.
func (r *Reader) Prefix(field, value string) netip.Prefix {
	if value == "" {
		return netip.Prefix{}
	}
	p, _ := r.prefix(field, value)
	return p
}

func (r *Reader) prefix(field, value string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(value)
	if err != nil {
		remedy := "write address/bits, such as 10.90.0.0/16"
		if addr, err := netip.ParseAddr(value); err == nil {
			remedy = "write its bits too, such as " + netip.PrefixFrom(addr, addr.BitLen()).String()
		}
		r.fault(field, value, "is not an address range", remedy)
	}
	return p, err == nil
}

// Addr reads one IP address.
func (r *Reader) Addr(field, value string) netip.Addr {
	if value == "" {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(value)
	if err != nil {
		r.fault(field, value, "is not an IP address", "write it without a mask and without a port")
	}
	return addr
}

// Endpoint reads host:port.
func (r *Reader) Endpoint(field, value string) Endpoint {
	if value == "" {
		return Endpoint{}
	}
	e, err := ParseEndpoint(value)
	if err != nil {
		_, problem, _ := strings.Cut(err.Error(), ": ")
		r.fault(field, value, problem, "write host:port, such as 192.168.1.105:51820")
	}
	return e
}

func (r *Reader) fault(field, value, problem, remedy string) {
	r.Faults = append(r.Faults, Fault{Site: r.Site, Field: field, Value: value, Problem: problem, Remedy: remedy})
}

func joinPrefixes(ps []netip.Prefix) string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.String()
	}
	return strings.Join(texts, ",")
}
