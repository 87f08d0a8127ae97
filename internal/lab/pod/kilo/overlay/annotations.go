package overlay

import (
	"encoding/json"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

const prefix = "kilo.squat.ai/"

// Keys of the annotations: those before Endpoint are read only.
const (
	KeyForceEndpoint   = prefix + "force-endpoint"
	KeyForceInternalIP = prefix + "force-internal-ip"
	KeyLeader          = prefix + "leader"
	KeyLocation        = prefix + "location"
	KeyKeepalive       = prefix + "persistent-keepalive"
	KeyAllowed         = prefix + "allowed-location-ips"
	KeyEndpoint        = prefix + "endpoint"
	KeyInternalIP      = prefix + "internal-ip"
	KeyKey             = prefix + "key"
	KeyLastSeen        = prefix + "last-seen"
	KeyWireGuardIP     = prefix + "wireguard-ip"
	KeyDiscovered      = prefix + "discovered-endpoints"
	KeyGranularity     = prefix + "granularity"
	KeyCNI             = prefix + "cni-compatibility-ip" // since 0.7.0; not removed at the end
)

// CleanedUp are the annotations that go when Kilo ends.
var CleanedUp = []string{KeyEndpoint, KeyInternalIP, KeyKey, KeyLastSeen, KeyWireGuardIP, KeyDiscovered, KeyGranularity}

// RegionLabel is the node's label that gives its location, unless an annotation does.
const RegionLabel = "topology.kubernetes.io/region"

// ReadNode reads a node. Nothing is an error.
func ReadNode(name string, labels, annotations map[string]string, podCIDR string) Node {
	n := Node{Name: name, Pods: parsePrefix(podCIDR).Masked()}
	_, n.Leader = annotations[KeyLeader]
	var ok bool
	if n.Location, ok = annotations[KeyLocation]; !ok {
		n.Location = labels[RegionLabel]
	}
	if n.Endpoint = ParseEndpoint(annotations[KeyForceEndpoint]); !n.Endpoint.Ready() {
		n.Endpoint = ParseEndpoint(annotations[KeyEndpoint])
	}
	if n.Internal = parsePrefix(annotations[KeyForceInternalIP]); !n.Internal.IsValid() {
		n.Internal = parsePrefix(annotations[KeyInternalIP])
	}
	if force, ok := annotations[KeyForceInternalIP]; ok && (force == "" || force == "-") {
		n.NoInternal, n.Internal = true, netip.Prefix{}
	}
	seconds, _ := strconv.ParseInt(annotations[KeyKeepalive], 10, 64) // zero if it is no number
	n.Keepalive = time.Duration(seconds) * time.Second
	if seen, err := strconv.ParseInt(annotations[KeyLastSeen], 10, 64); err == nil {
		n.LastSeen = seen
	}
	n.Discovered = readDiscovered(annotations[KeyDiscovered])
	for _, text := range strings.Split(annotations[KeyAllowed], ",") {
		if p := parsePrefix(text); p.IsValid() {
			n.Allowed = append(n.Allowed, p)
		}
	}
	if g := Granularity(annotations[KeyGranularity]); g == ByLocation || g == Full {
		n.Granularity = g
	}
	n.Key, _ = wgtypes.ParseKey(annotations[KeyKey])
	n.WireGuard = parsePrefix(annotations[KeyWireGuardIP])
	return n
}

func readDiscovered(text string) map[string]netip.AddrPort {
	var found map[string]*net.UDPAddr
	if json.Unmarshal([]byte(text), &found) != nil || found == nil {
		return nil
	}
	endpoints := map[string]netip.AddrPort{}
	for key, at := range found {
		if at != nil {
			endpoints[key] = netip.AddrPortFrom(address(at.IP), uint16(at.Port))
		}
	}
	return endpoints
}

// Annotations are what a node tells the others of itself.
func (n Node) Annotations() (map[string]string, error) {
	discovered := ""
	if n.Discovered != nil {
		found := map[string]*net.UDPAddr{}
		for key, at := range n.Discovered {
			found[key] = net.UDPAddrFromAddrPort(at)
		}
		text, err := json.Marshal(found)
		if err != nil {
			return nil, err
		}
		discovered = string(text)
	}
	return map[string]string{
		KeyEndpoint:    n.Endpoint.String(),
		KeyInternalIP:  orEmpty(n.Internal),
		KeyKey:         n.Key.String(),
		KeyLastSeen:    strconv.FormatInt(n.LastSeen, 10),
		KeyWireGuardIP: orEmpty(n.WireGuard),
		KeyDiscovered:  discovered,
		KeyGranularity: string(n.Granularity),
	}, nil
}

func orEmpty(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}
