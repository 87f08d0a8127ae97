package mesh

import (
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// What WireGuard adds to each packet, in bytes: outer IP header, UDP header, its own header and the authentication tag.
const (
	OverheadIPv4 = 20 + 8 + 32
	OverheadIPv6 = 40 + 8 + 32
)

// TunnelMTU is the largest MTU of a tunnel over a path of that MTU: exact where the other ends are reached by IPv4 alone,
// and with outerIPv6 good for both.
func TunnelMTU(path int, outerIPv6 bool) int {
	if outerIPv6 {
		return path - OverheadIPv6
	}
	return path - OverheadIPv4
}

// MTUSample is what was seen of packet sizes in one direction. All sizes are in bytes of the IP packet; zero is unknown.
type MTUSample struct {
	Underlay  int         `json:"underlay"`  // MTU of the interface that the tunnel's own packets leave by
	OuterIPv6 bool        `json:"outerIPv6"` // whether they are IPv6
	Tunnel    int         `json:"tunnel"`    // MTU of the tunnel at this end
	Far       int         `json:"far"`       // and at the other
	Pods      int         `json:"pods"`      // MTU of the pods' interfaces at this end
	Clamped   bool        `json:"clamped"`   // whether the MSS of TCP connections into the tunnel is clamped to its MTU
	Probes    []SizeProbe `json:"probes"`    // packets sent through the tunnel that must not be fragmented
}

// SizeProbe is one packet of an [MTUSample].
type SizeProbe struct {
	Bytes    int  `json:"bytes"`
	Answered bool `json:"answered"`
}

// ProbeSizes are the sizes to probe a tunnel with: a small one, which says whether anything crosses at all, steps that
// narrow a hole down, and the tunnel's MTU.
func ProbeSizes(tunnel int) []int {
	sizes := []int{64}
	for _, size := range []int{576, 1200, 1280, 1320, 1360, 1380, 1400, 1412} {
		if size < tunnel {
			sizes = append(sizes, size)
		}
	}
	return append(sizes, tunnel)
}

// Judge says whether packets of the tunnel's full size cross. A hole in the path is the fault that handshakes, pings and
// health checks do not see: they are small.
func (s MTUSample) Judge() Judgement {
	crossed, lost := s.largest()
	full := s.Tunnel // what can be sent at all
	if s.Pods > 0 && s.Pods < full {
		full = s.Pods
	}
	fits := TunnelMTU(s.Underlay, s.OuterIPv6)
	judge := func(v geored.Verdict, remedy, format string, args ...any) Judgement {
		return Judgement{Verdict: v, Message: fmt.Sprintf(format, args...), Remedy: remedy}
	}
	switch {
	case s.Tunnel == 0:
		return judge(geored.Unknown, "read it from the device", "the tunnel's MTU is not known")
	case crossed == 0:
		return judge(geored.Unknown, "see the handshake first", "no probe of any size was answered")
	case lost > 0 && lost <= full:
		return judge(geored.Fail, fmt.Sprintf("set the tunnel's MTU to %d at both ends, and that of the pods to no more", crossed),
			"packets of %d bytes cross the tunnel and those of %d do not, though its MTU is %d", crossed, lost, s.Tunnel)
	case crossed < full:
		return judge(geored.Unknown, fmt.Sprintf("probe with %d bytes too", full), "nothing larger than %d bytes was probed, and the tunnel's MTU is %d", crossed, s.Tunnel)
	case s.Underlay > 0 && s.Tunnel > fits:
		return judge(geored.Warn, fmt.Sprintf("set the tunnel's MTU to %d at both ends", fits),
			"the tunnel's MTU %d does not fit into the underlay's %d: its packets are fragmented on the way", s.Tunnel, s.Underlay)
	case s.Far > 0 && s.Far != s.Tunnel:
		return judge(geored.Warn, fmt.Sprintf("set both to %d", min(s.Far, s.Tunnel)), "the tunnel's MTU is %d here and %d at the other end", s.Tunnel, s.Far)
	case s.Pods > s.Tunnel && !s.Clamped:
		return judge(geored.Warn, fmt.Sprintf("set the MTU of the pods' network to %d, or clamp the MSS of TCP into the tunnel", s.Tunnel),
			"the pods' MTU is %d and the tunnel's %d: connections hang where ICMP is filtered", s.Pods, s.Tunnel)
	case s.Pods == 0:
		return judge(geored.Unknown, "read it from a pod's interface", "packets of %d bytes cross, and the pods' MTU is not known", s.Tunnel)
	}
	return judge(geored.Pass, "", "packets of %d bytes cross; the tunnel's MTU is %d and the pods' %d", full, s.Tunnel, s.Pods)
}

// largest is the largest probe below which all were answered, and the smallest that was not; 0 is none.
func (s MTUSample) largest() (crossed, lost int) {
	probes := slices.Clone(s.Probes)
	slices.SortFunc(probes, func(a, b SizeProbe) int { return a.Bytes - b.Bytes })
	for _, p := range probes {
		if !p.Answered {
			return crossed, p.Bytes
		}
		crossed = p.Bytes
	}
	return crossed, 0
}

// MTUFindings makes one finding per target; who did not answer is unknown.
func MTUFindings(answers geored.Answers[MTUSample]) []geored.Finding {
	return answers.Each(func(_ geored.Target, s MTUSample) geored.Finding {
		j := s.Judge()
		return geored.Finding{Verdict: j.Verdict, Message: j.Message, Remedy: j.Remedy}
	})
}
