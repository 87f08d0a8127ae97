//go:build !linux

package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

func dialUnfragmented(context.Context, netip.AddrPort) (*net.UDPConn, error) {
	return nil, errors.New("the path MTU can be probed on Linux only")
}

func isTooLong(error) bool { return false }
