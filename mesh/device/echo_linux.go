package device

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// family is how one version of IP does ICMP.
type family struct {
	domain, protocol          int
	header                    int // bytes of the IP header
	request, reply            byte
	mtuLevel, mtuOption, pmtu int
}

var (
	ipv4 = family{unix.AF_INET, unix.IPPROTO_ICMP, 20, 8, 0, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE}
	ipv6 = family{unix.AF_INET6, unix.IPPROTO_ICMPV6, 40, 128, 129, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE}
)

// icmpHeader is type, code, checksum, identifier and sequence number; the identifier is 4 random bytes with the latter.
const icmpHeader = 8

// poll is how long one wait for an answer lasts before the context is looked at.
const poll = 50 * time.Millisecond

func echo(ctx context.Context, from, to netip.Addr, size int) (bool, error) {
	f := ipv4
	if to.Is6() {
		f = ipv6
	}
	if size < f.header+icmpHeader || size > 65535 {
		return false, fmt.Errorf("echo %s: %d bytes are not in %d to 65535", to, size, f.header+icmpHeader)
	}
	socket, err := f.open(from, to)
	if err != nil {
		return false, fmt.Errorf("echo %s: %w", to, err)
	}
	defer func() { _ = unix.Close(socket) }()
	request := make([]byte, size-f.header)
	request[0] = f.request
	if _, err := rand.Read(request[4:icmpHeader]); err != nil {
		return false, fmt.Errorf("echo %s: %w", to, err)
	}
	if f.domain == unix.AF_INET { // for IPv6 the kernel does it
		binary.BigEndian.PutUint16(request[2:], checksum(request))
	}
	if _, err := unix.Write(socket, request); err != nil {
		if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOKEY) || errors.Is(err, unix.EDESTADDRREQ) { // too large; WireGuard has no peer, or nowhere to send
			return false, nil
		}
		return false, fmt.Errorf("echo %s: %w", to, err)
	}
	answered, err := f.await(ctx, socket, request[4:icmpHeader])
	if err != nil {
		return false, fmt.Errorf("echo %s: %w", to, err)
	}
	return answered, nil
}

func (f family) open(from, to netip.Addr) (int, error) {
	socket, err := unix.Socket(f.domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, f.protocol)
	if err != nil {
		return -1, err
	}
	timeout := unix.NsecToTimeval(poll.Nanoseconds())
	err = errors.Join(unix.SetsockoptInt(socket, f.mtuLevel, f.mtuOption, f.pmtu), unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout))
	if err == nil && from.IsValid() {
		err = unix.Bind(socket, address4or6(from))
	}
	if err == nil {
		err = unix.Connect(socket, address4or6(to))
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(socket))
	}
	return socket, nil
}

func address4or6(ip netip.Addr) unix.Sockaddr {
	if ip.Is4() {
		return &unix.SockaddrInet4{Addr: ip.As4()}
	}
	return &unix.SockaddrInet6{Addr: ip.As16()}
}

// await reads until the answer with that identifier comes, or the context ends.
func (f family) await(ctx context.Context, socket int, identifier []byte) (bool, error) {
	packet := make([]byte, 65535)
	for ctx.Err() == nil {
		n, err := unix.Read(socket, packet)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.EMSGSIZE):
			continue
		case err != nil:
			return false, err
		}
		message := packet[:n]
		if f.domain == unix.AF_INET && n > 0 { // with its IP header
			message = message[min(int(packet[0]&15)*4, n):]
		}
		if len(message) >= icmpHeader && message[0] == f.reply && bytes.Equal(message[4:icmpHeader], identifier) {
			return true, nil
		}
	}
	return false, nil
}

// checksum is that of RFC 1071.
func checksum(message []byte) uint16 {
	var sum uint32
	for i := 0; i < len(message); i += 2 {
		word := uint32(message[i]) << 8
		if i+1 < len(message) {
			word |= uint32(message[i+1])
		}
		sum += word
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func underlayMTU(ctx context.Context, to netip.Addr) (int, error) {
	route, link, err := leaving(ctx, to)
	if err != nil || route.MTU > 0 {
		return route.MTU, err
	}
	return link.Attrs().MTU, nil
}

func linkMTU(ctx context.Context, to netip.Addr) (int, error) {
	_, link, err := leaving(ctx, to)
	if err != nil {
		return 0, err
	}
	return link.Attrs().MTU, nil
}

// leaving is the way that packets to an address take.
func leaving(ctx context.Context, to netip.Addr) (netlink.Route, netlink.Link, error) {
	if err := ctx.Err(); err != nil {
		return netlink.Route{}, nil, context.Cause(ctx)
	}
	routes, err := netlink.RouteGet(to.AsSlice())
	if err == nil && len(routes) == 0 {
		err = unix.ENETUNREACH
	}
	if err != nil {
		return netlink.Route{}, nil, fmt.Errorf("route to %s: %w", to, err)
	}
	link, err := netlink.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		return netlink.Route{}, nil, fmt.Errorf("interface of the route to %s: %w", to, err)
	}
	return routes[0], link, nil
}
