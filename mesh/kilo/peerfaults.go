package kilo

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// Faults are what is wrong with one peer of a site's cluster: all that Kilo's own validation refuses, and what it lets
// pass and the tunnel does not survive. Field names begin with in, such as "peers".
func (p Peer) Faults(site geored.SiteName, in string) geored.Faults {
	r := peerReader{site: site, prefix: fmt.Sprintf("%s[%s].", in, p.Metadata.Name)}
	if !objectName.MatchString(p.Metadata.Name) || len(p.Metadata.Name) > 253 {
		r.fault("name", p.Metadata.Name, "is no name for a Kubernetes object", "use lower-case letters, digits, dashes and dots")
	}
	allowed := r.allowedIPs(p.Spec.AllowedIPs)
	r.endpoint(p, allowed)
	r.publicKey(p.Spec.PublicKey)
	if k := p.Spec.PersistentKeepalive; k < 0 || k > 65535 {
		r.fault("persistentKeepalive", fmt.Sprint(k), "is not in 0 to 65535 seconds", "write 10")
	}
	return r.faults
}

var (
	objectName  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	placeholder = regexp.MustCompile(`^_{2,}.*_{2,}$`)
)

type peerReader struct {
	site   geored.SiteName
	prefix string
	faults geored.Faults
}

func (r *peerReader) fault(field, value, problem, remedy string) {
	r.faults = append(r.faults, geored.Fault{Site: r.site, Field: r.prefix + field, Value: value, Problem: problem, Remedy: remedy})
}

func (r *peerReader) allowedIPs(list []string) []netip.Prefix {
	if len(list) == 0 {
		r.fault("allowedIPs", "", "is empty: Kilo leaves the peer out", "list the pods, the services and the WireGuard address of the node")
	}
	var prefixes []netip.Prefix
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			r.fault("allowedIPs", text, "is not an address range: Kilo passes over it", "write address/bits")
			continue
		case p.Masked() != p:
			r.fault("allowedIPs", text, "has host bits set: Kilo and WireGuard never agree on it, and every 30 s all sessions are cut", fmt.Sprintf("write %s, or %s when that one address is meant", p.Masked(), netip.PrefixFrom(p.Addr(), p.Addr().BitLen())))
		case p.Bits() == 0:
			r.fault("allowedIPs", text, "is every address there is", "write the ranges of the other site")
		}
		prefixes = append(prefixes, p.Masked())
	}
	return prefixes
}

func (r *peerReader) endpoint(p Peer, allowed []netip.Prefix) {
	e, err := p.endpoint()
	switch {
	case err != nil:
		r.fault("endpoint", fmt.Sprintf("%s%s:%d", p.Spec.Endpoint.DNSOrIP.DNS, p.Spec.Endpoint.DNSOrIP.IP, p.Spec.Endpoint.Port), err.Error(), "write the node's own address and its WireGuard port")
	case p.Spec.Endpoint != nil && p.Spec.Endpoint.DNSOrIP.DNS != "" && p.Spec.Endpoint.DNSOrIP.IP != "":
		r.fault("endpoint", e.String(), "has a name and an address: Kilo takes the name", "write one of both")
	}
	for _, prefix := range allowed {
		if ip := e.Addr(); ip.IsValid() && prefix.Bits() > 0 && prefix.Contains(ip) {
			r.fault("endpoint", e.String(), fmt.Sprintf("lies inside its own allowedIPs %s: the tunnel's packets would be sent into the tunnel", prefix), "take it out of allowedIPs")
		}
	}
}

func (r *peerReader) publicKey(text string) {
	_, err := mesh.ParsePublicKey(text)
	switch {
	case err == nil:
	case placeholder.MatchString(text):
		r.fault("publicKey", text, "is a placeholder", "write the node's annotation "+Key)
	default:
		_, problem, _ := strings.Cut(err.Error(), ": ")
		r.fault("publicKey", text, problem, "write the node's annotation "+Key)
	}
}
