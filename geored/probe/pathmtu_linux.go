package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// From linux/in.h and linux/in6.h: set "don't fragment" and pay no heed to what the kernel believes of the path.
const (
	ipMTUDiscover   = 10 // IP_MTU_DISCOVER
	ipv6MTUDiscover = 23 // IPV6_MTU_DISCOVER
	pmtudiscProbe   = 3  // IP_PMTUDISC_PROBE
)

func dialUnfragmented(ctx context.Context, address netip.AddrPort) (*net.UDPConn, error) {
	dialer := net.Dialer{Control: func(network, _ string, raw syscall.RawConn) error {
		level, option := syscall.IPPROTO_IP, ipMTUDiscover
		if network == "udp6" {
			level, option = syscall.IPPROTO_IPV6, ipv6MTUDiscover
		}
		var set error
		err := raw.Control(func(fd uintptr) { set = syscall.SetsockoptInt(int(fd), level, option, pmtudiscProbe) })
		return errors.Join(err, set)
	}}
	conn, err := dialer.DialContext(ctx, "udp", address.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

func isTooLong(err error) bool { return errors.Is(err, syscall.EMSGSIZE) }
