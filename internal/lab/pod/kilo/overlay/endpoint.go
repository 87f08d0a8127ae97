package overlay

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
)

// Endpoint is where a node or peer is reached: an address, or a name that is not resolved yet.
type Endpoint struct {
	Address netip.AddrPort
	Name    string // HOST:PORT; it goes before the address
}

// Ready tells whether there is one.
func (e Endpoint) Ready() bool { return e.Address.Port() > 0 || e.Name != "" }

// Port is its port.
func (e Endpoint) Port() int {
	if !e.Address.IsValid() {
		_, port, _ := net.SplitHostPort(e.Name)
		number, _ := strconv.Atoi(port)
		return number
	}
	return int(e.Address.Port())
}

func (e Endpoint) String() string {
	if e.Name != "" {
		return e.Name
	}
	if !e.Address.IsValid() {
		return ""
	}
	return e.Address.String()
}

var subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

func isSubdomain(name string) bool { return len(name) <= 253 && subdomain.MatchString(name) }

// ParseEndpoint reads HOST:PORT; what it cannot read is no endpoint.
func ParseEndpoint(text string) Endpoint {
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		return Endpoint{}
	}
	port, err := strconv.ParseUint(portText, 10, 32)
	if err != nil || port < 1 || port > 65535 {
		return Endpoint{}
	}
	ip := net.ParseIP(host)
	if ip == nil {
		if isSubdomain(host) {
			return Endpoint{Name: text}
		}
		return Endpoint{}
	}
	return Endpoint{Address: netip.AddrPortFrom(address(ip), uint16(port))}
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
