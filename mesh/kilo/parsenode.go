package kilo

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// ParseNode reads a node as Kilo does. The node is what Kilo makes of it; the faults are what Kilo passes over without a
// word, and what is not there yet.
func ParseNode(s Source) (Node, geored.Faults) {
	r := &reader{Source: s}
	n := Node{Site: s.Site, Name: s.Name, PodCIDRs: s.PodCIDRs}
	n.Endpoint = r.endpoint()
	n.InternalIP = r.internalIP()
	n.Key = r.key()
	n.WireGuardIP = r.prefix(WireGuardIP)
	n.PersistentKeepalive = r.keepalive()
	n.AllowedLocationIPs = r.locationIPs()
	n.Location, n.Leader = r.location(), r.leader()
	n.Granularity = r.granularity()
	n.LastSeen = r.lastSeen()
	return n, r.faults
}

// reader reads one node's annotations and collects what is wrong with them.
type reader struct {
	Source
	faults geored.Faults
}

func (r *reader) fault(annotation, problem, remedy string) {
	r.faults = append(r.faults, geored.Fault{Site: r.Site, Field: fmt.Sprintf("nodes[%s].annotations[%s]", r.Name, annotation),
		Value: r.Annotations[annotation], Problem: problem, Remedy: remedy})
}

func (r *reader) endpoint() geored.Endpoint {
	found, err := geored.ParseEndpoint(r.Annotations[EndpointKey])
	if text, ok := r.Annotations[EndpointKey]; !ok {
		r.fault(EndpointKey, "is missing", "look whether the node's Kilo pod runs and WireGuard is installed")
	} else if err != nil && text != "" {
		r.fault(EndpointKey, "is not host:port", "set "+ForceEndpoint)
	}
	forced, err := geored.ParseEndpoint(r.Annotations[ForceEndpoint])
	if _, ok := r.Annotations[ForceEndpoint]; ok && err != nil {
		r.fault(ForceEndpoint, "is not host:port: Kilo passes over it and uses "+orNothing(found.String()), "write host:port, an IPv6 address in brackets")
	}
	e := found
	if forced.IsValid() {
		e = forced
	}
	if ip := e.Addr(); ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		r.fault(EndpointKey, e.String()+" can be reached by no other machine", "set "+ForceEndpoint)
	}
	return e
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func (r *reader) internalIP() netip.Prefix {
	forced, ok := r.Annotations[ForceInternalIP]
	if ok && (forced == "" || forced == "-") {
		return netip.Prefix{}
	}
	if ok {
		p, err := netip.ParsePrefix(forced)
		if err == nil {
			return p
		}
		r.fault(ForceInternalIP, "is not address/bits: Kilo passes over it", "write it with its bits, such as 10.1.1.1/24")
	}
	return r.prefix(InternalIP)
}

// prefix reads address/bits; nothing written is no fault.
func (r *reader) prefix(annotation string) netip.Prefix {
	text := r.Annotations[annotation]
	p, err := netip.ParsePrefix(text)
	if text != "" && err != nil {
		r.fault(annotation, "is not address/bits: Kilo passes over it", "delete it: Kilo writes it anew")
	}
	return p
}

func (r *reader) key() mesh.PublicKey {
	text, ok := r.Annotations[Key]
	key, err := mesh.ParsePublicKey(text)
	switch {
	case !ok:
		r.fault(Key, "is missing", "look whether the node's Kilo pod runs and WireGuard is installed")
	case err != nil:
		r.fault(Key, "is no public key: Kilo leaves the node out", "restart the node's Kilo pod")
	}
	return key
}

func (r *reader) keepalive() time.Duration {
	text, ok := r.Annotations[PersistentKeepalive]
	seconds, err := strconv.ParseInt(text, 10, 64)
	switch {
	case ok && err != nil:
		r.fault(PersistentKeepalive, "is not a whole number: Kilo takes it for 0, no keepalive", "write seconds without a unit, such as 10")
		return 0
	case seconds < 0 || seconds > 65535:
		r.fault(PersistentKeepalive, "is not in 0 to 65535", "write seconds, such as 10")
		return 0
	}
	return time.Duration(seconds) * time.Second
}

func (r *reader) locationIPs() []netip.Prefix {
	var prefixes []netip.Prefix
	text, ok := r.Annotations[AllowedLocationIPs]
	if !ok {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		p, err := netip.ParsePrefix(part)
		switch {
		case err != nil && strings.TrimSpace(part) != part:
			r.fault(AllowedLocationIPs, fmt.Sprintf("holds %q, with a space: Kilo drops it", part), "write the ranges with nothing but commas between")
		case err != nil:
			r.fault(AllowedLocationIPs, fmt.Sprintf("holds %q, which is not an address range: Kilo drops it", part), "write address/bits")
		default:
			prefixes = append(prefixes, p)
		}
	}
	return prefixes
}

func (r *reader) location() string {
	if location, ok := r.Annotations[Location]; ok {
		return location
	}
	return r.Labels[RegionLabel]
}

func (r *reader) leader() bool {
	text, ok := r.Annotations[Leader]
	if ok && text != "" && text != "true" {
		r.fault(Leader, "makes the node a leader, whatever its value is", "remove the annotation where it shall not lead")
	}
	return ok
}

func (r *reader) granularity() Granularity {
	switch g := Granularity(r.Annotations[GranularityKey]); g {
	case ByLocation, ByNode:
		return g
	case "":
		return ""
	}
	r.fault(GranularityKey, "is neither location nor full", "delete it: Kilo writes it anew")
	return ""
}

func (r *reader) lastSeen() time.Time {
	text, ok := r.Annotations[LastSeen]
	seconds, err := strconv.ParseInt(text, 10, 64)
	switch {
	case !ok:
		r.fault(LastSeen, "is missing", "look whether the node's Kilo pod runs")
		return time.Time{}
	case err != nil || seconds <= 0:
		r.fault(LastSeen, "is not a time in Unix seconds: Kilo leaves the node out", "delete it: Kilo writes it anew")
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
