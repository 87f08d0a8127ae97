package dnsfed

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// Records are what the sites hold: the truth that answers are held against.
type Records struct {
	Services []Service
	// Imports are the ServiceImports of each site (KEP-1645), for [Multicluster]: Addresses are those of the cluster set,
	// of a headless one the Endpoints are those of all clusters.
	Imports []Service
	// Unread are sites whose services could not be read. What hangs on them cannot be told.
	Unread []geored.SiteName
}

// Service is a service of one site. Services of one name in several sites are as many services.
type Service struct {
	Site            geored.SiteName
	Namespace, Name string
	Addresses       []netip.Addr // cluster IPs; zero: headless
	Ports           []Port
	Endpoints       []Endpoint // the ready ones; of a headless service also those that it publishes before
}

// Port is a port of a service.
type Port struct {
	Name     string // zero: it has no SRV record
	Protocol string // tcp or udp; zero: tcp
	Number   uint16
}

// Endpoint is a pod behind a service.
type Endpoint struct {
	Hostname string // zero: it is named after its address
	Address  netip.Addr
	Ports    []Port // that it listens on, which SRV records of a headless service tell; zero: those of the service
}

// ports are those of an endpoint.
func (s Service) ports(e Endpoint) []Port {
	if len(e.Ports) > 0 {
		return e.Ports
	}
	return s.Ports
}

func (s Service) key() string { return s.Name + "." + s.Namespace }

func (s Service) headless() bool { return len(s.Addresses) == 0 }

// answers says whether a name server that reads the service's cluster knows its name.
func (s Service) answers(ignoreEmpty bool) bool {
	if s.headless() || ignoreEmpty {
		return len(s.Endpoints) > 0
	}
	return true
}

// name is fully qualified, with its last dot.
func (s Service) name(domain string) string { return s.key() + ".svc." + domain + "." }

// addresses are what the name leads to, of one type of record.
func (s Service) addresses(recordType string) []string {
	all := s.Addresses
	if s.headless() {
		for _, e := range s.Endpoints {
			all = append(all, e.Address)
		}
	}
	var texts []string
	for _, a := range all {
		if typeOf(a) == recordType {
			texts = append(texts, a.String())
		}
	}
	slices.Sort(texts)
	return texts
}

func typeOf(a netip.Addr) string {
	if a.Is4() {
		return "A"
	}
	return "AAAA"
}

// hostname is the label of an endpoint, as the plugin kubernetes makes it without endpoint_pod_names.
func (e Endpoint) hostname() string {
	if e.Hostname != "" {
		return e.Hostname
	}
	return strings.NewReplacer(".", "-", ":", "-").Replace(e.Address.String())
}

func (p Port) service() string {
	protocol := p.Protocol
	if protocol == "" {
		protocol = "tcp"
	}
	return "_" + p.Name + "._" + strings.ToLower(protocol) + "."
}

// reverseName is the name under which an address is asked for.
func reverseName(a netip.Addr) string {
	var labels []string
	if a.Is4() {
		for _, b := range a.As4() {
			labels = append(labels, netip.AddrFrom4([4]byte{0, 0, 0, b}).String()[len("0.0.0."):])
		}
		slices.Reverse(labels)
		return strings.Join(labels, ".") + ".in-addr.arpa."
	}
	for _, b := range a.As16() {
		const digits = "0123456789abcdef"
		labels = append(labels, digits[b>>4:b>>4+1], digits[b&15:b&15+1])
	}
	slices.Reverse(labels)
	return strings.Join(labels, ".") + ".ip6.arpa."
}
