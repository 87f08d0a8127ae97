package dnsfed

import (
	"net/netip"
	"strings"
)

// defaultPort is what CoreDNS listens on when a key names none.
const defaultPort = "53"

// splitKey takes a server key apart: "dns://.:53" is zone "." and port "53". Zones are in lower case and without a last
// dot, but for the root.
func splitKey(key string) (zone, port string) {
	transport := "dns"
	if i := strings.Index(key, "://"); i >= 0 {
		transport, key = key[:i], key[i+len("://"):]
	}
	port = map[string]string{"tls": "853", "quic": "853", "https": "443", "https3": "443", "grpc": "443"}[transport]
	if port == "" {
		port = defaultPort
	}
	if i := strings.LastIndexByte(key, ':'); i >= 0 && !isAddress(key) {
		key, port = key[:i], key[i+1:]
	}
	if zone = strings.ToLower(strings.TrimSuffix(key, ".")); zone == "" {
		zone = "."
	}
	return zone, port
}

func zoneOf(key string) string {
	zone, _ := splitKey(key)
	return zone
}

// isAddress: an IPv6 range is a key too, and its colons part no port.
func isAddress(key string) bool {
	_, err := netip.ParsePrefix(key)
	return err == nil
}
