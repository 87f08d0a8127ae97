package device

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/georedkit/georedkit/mesh/gateway"
)

func support(ctx context.Context, name string) (gateway.Support, error) {
	var s gateway.Support
	if _, err := Read(ctx, name); err == nil {
		return gateway.Support{Present: true}, nil
	}
	// The list of the kernel's own devices is there without any rights.
	misc, err := os.ReadFile("/proc/misc")
	for line := range strings.Lines(string(misc)) {
		fields := strings.Fields(line)
		s.Tun = s.Tun || len(fields) == 2 && fields[1] == "tun"
	}
	trial := &netlink.Wireguard{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("gr%x", os.Getpid())}}
	switch addErr := netlink.LinkAdd(trial); {
	case addErr == nil:
		s.Kernel = true
		return s, netlink.LinkDel(trial)
	case err != nil:
		s.Detail = fmt.Sprintf("%v; %v", addErr, err)
	default:
		s.Detail = "a WireGuard interface: " + addErr.Error()
	}
	return s, nil
}
