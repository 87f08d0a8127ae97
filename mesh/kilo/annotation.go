package kilo

import (
	"strconv"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Annotations of a node (pkg/k8s/backend.go). The first six are written by operators, the others by Kilo.
const (
	ForceEndpoint       = "kilo.squat.ai/force-endpoint"       // host:port; its port is also where the node listens
	ForceInternalIP     = "kilo.squat.ai/force-internal-ip"    // address/bits; "" or "-": the node has no internal address
	Leader              = "kilo.squat.ai/leader"               // that it is there counts, not its value
	Location            = "kilo.squat.ai/location"             // overrides the node's region label
	PersistentKeepalive = "kilo.squat.ai/persistent-keepalive" // whole seconds
	AllowedLocationIPs  = "kilo.squat.ai/allowed-location-ips" // ranges separated by commas without spaces
	EndpointKey         = "kilo.squat.ai/endpoint"             // host:port
	InternalIP          = "kilo.squat.ai/internal-ip"          // address/bits of the node's network
	Key                 = "kilo.squat.ai/key"                  // public key
	LastSeen            = "kilo.squat.ai/last-seen"            // Unix seconds
	WireGuardIP         = "kilo.squat.ai/wireguard-ip"         // address/bits of Kilo's whole range; "" on nodes that lead no location
	DiscoveredEndpoints = "kilo.squat.ai/discovered-endpoints" // since 0.3.0
	GranularityKey      = "kilo.squat.ai/granularity"          // since 0.3.0
	RegionLabel         = "topology.kubernetes.io/region"      // label, not annotation
)

// Granularity says how many nodes share one WireGuard device.
type Granularity string

// The granularities. Kilo's default is ByLocation.
const (
	ByLocation Granularity = "location" // one leader for all nodes of a location
	ByNode     Granularity = "full"     // each node for itself
)

// Annotations are what to write on a node before Kilo is installed, as the guide's section 4.2.2 does. The keepalive is
// rounded down to whole seconds. Kilo takes the keepalive of all its peers from here, and from nowhere else.
func Annotations(endpoint geored.Endpoint, keepalive time.Duration) map[string]string {
	return map[string]string{
		ForceEndpoint:       endpoint.String(),
		PersistentKeepalive: strconv.FormatInt(int64(keepalive/time.Second), 10),
	}
}
