package network

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// HoldAddresses gives a node addresses of its own beside those of its networks, or takes them away.
func (n *Namespace) HoldAddresses(on bool, addresses ...netip.Addr) error {
	inside, err := netlink.NewHandleAt(netns.NsHandle(n.file.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer inside.Close()
	loopback, err := inside.LinkByName("lo")
	if err != nil {
		return err
	}
	for _, address := range addresses {
		own := &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(address, address.BitLen()))}
		if on {
			err = inside.AddrReplace(loopback, own)
		} else if err = inside.AddrDel(loopback, own); errors.Is(err, unix.EADDRNOTAVAIL) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("address %s: %w", address, err)
		}
	}
	return nil
}

// BypassServices has DNS that is for these addresses answered on the node itself, past the rules of Services, or not any more.
func (n *Namespace) BypassServices(on bool, addresses ...netip.Addr) error {
	script := "table ip labdns\ndelete table ip labdns\n"
	if on {
		script += fmt.Sprintf(`table ip labdns {
	chain prerouting {
		type filter hook prerouting priority raw; policy accept;
		ip daddr %[1]s meta l4proto { tcp, udp } th dport 53 notrack
	}
	chain output {
		type filter hook output priority raw; policy accept;
		ip daddr %[1]s meta l4proto { tcp, udp } th dport 53 notrack
		ip saddr %[1]s meta l4proto { tcp, udp } th sport 53 notrack
	}
}
`, set(addresses))
	}
	_, err := n.nft(script, "-f", "-")
	return err
}
