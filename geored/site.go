package geored

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// SiteName names one data centre. It is a DNS-1123 label, because it becomes part of Kubernetes names. The zero value
// names no site.
type SiteName string

// IsValid says whether n is a DNS-1123 label.
func (n SiteName) IsValid() bool { return isDNS1123Label(string(n)) }

// isDNS1123Label is read by hand: a large topology has thousands.
func isDNS1123Label(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (c != '-' || i == 0 || i == len(s)-1) {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 63
}

// KubeRef says where a site's Kubernetes API is described.
type KubeRef struct {
	Kubeconfig string // path of the kubeconfig; zero: the site has none
	Context    string // context in it; zero: its current context
}

// Site is what the core must know of one data centre. Domain packages and programs embed it in a type of their own.
type Site struct {
	Name     SiteName
	Kube     KubeRef
	Pods     []netip.Prefix // ranges of the pods, one per address family; canonical
	Services []netip.Prefix // ranges of the services, one per address family; canonical
	Nodes    []Node         // zero: to be read from the cluster
}

// Node is one machine of a site.
type Node struct {
	Name       string         // its Kubernetes name: a DNS-1123 subdomain
	InternalIP netip.Addr     // its address inside the site; zero: unknown
	Endpoint   Endpoint       // where other sites reach it; zero: unknown
	PodCIDRs   []netip.Prefix // its slice of the site's pods; zero: unknown
}

// Endpoint is a host and a port, as WireGuard and Kubernetes write them: "192.168.1.105:51820", "[2001:db8::1]:51820"
// or "gw.example.org:51820". It is comparable; the zero value is no endpoint.
type Endpoint struct {
	host string
	port uint16
}

// ParseEndpoint reads an endpoint. The error says which part is wrong.
func ParseEndpoint(s string) (Endpoint, error) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return EndpointFrom(ap)
	}
	host, port, ok := cutPort(s)
	if !ok {
		return Endpoint{}, fmt.Errorf("endpoint %q: has no port", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Endpoint{}, fmt.Errorf("endpoint %q: port %q is not in 1 to 65535", s, port)
	}
	if strings.Contains(host, ":") {
		return Endpoint{}, fmt.Errorf("endpoint %q: an IPv6 address stands in brackets", s)
	}
	if looksNumeric(host) {
		return Endpoint{}, fmt.Errorf("endpoint %q: %q is not an IP address", s, host)
	}
	if !isDNS1123Subdomain(host) {
		return Endpoint{}, fmt.Errorf("endpoint %q: %q is neither an IP address nor a DNS name", s, host)
	}
	return Endpoint{host, uint16(n)}, nil
}

// EndpointFrom makes an endpoint from an address and a port; both must be set.
func EndpointFrom(ap netip.AddrPort) (Endpoint, error) {
	if !ap.Addr().IsValid() || ap.Addr().IsUnspecified() || ap.Port() == 0 {
		return Endpoint{}, fmt.Errorf("endpoint %q: address and port must be set", ap)
	}
	return Endpoint{ap.Addr().Unmap().String(), ap.Port()}, nil
}

// IsValid is false for the zero endpoint only.
func (e Endpoint) IsValid() bool { return e.port != 0 }

// Host is the address or DNS name.
func (e Endpoint) Host() string { return e.host }

// Port is the port, 0 for the zero endpoint.
func (e Endpoint) Port() uint16 { return e.port }

// Addr is the host as an address, or the zero address when the host is a DNS name.
func (e Endpoint) Addr() netip.Addr {
	addr, _ := netip.ParseAddr(e.host)
	return addr
}

// String is host:port, or "" for the zero endpoint.
func (e Endpoint) String() string {
	if !e.IsValid() {
		return ""
	}
	if strings.Contains(e.host, ":") {
		return "[" + e.host + "]:" + strconv.Itoa(int(e.port))
	}
	return e.host + ":" + strconv.Itoa(int(e.port))
}

// MarshalText writes the endpoint as [Endpoint.String] does.
func (e Endpoint) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads what [Endpoint.MarshalText] wrote.
func (e *Endpoint) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*e = Endpoint{}
		return nil
	}
	parsed, err := ParseEndpoint(string(text))
	if err == nil {
		*e = parsed
	}
	return err
}

func cutPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	return strings.Trim(s[:i], "[]"), s[i+1:], true
}

// looksNumeric finds mistyped addresses: 192.168.1.256 is a valid DNS name by its letters alone.
func looksNumeric(host string) bool {
	return host != "" && strings.Trim(host, "0123456789.") == ""
}

func isDNS1123Subdomain(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isDNS1123Label(label) {
			return false
		}
	}
	return true
}
