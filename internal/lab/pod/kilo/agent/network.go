package agent

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/georedkit/georedkit/internal/lab/pod/kilo/overlay"
)

// setAddress makes an address the interface's only one.
func setAddress(link netlink.Link, address netip.Prefix) error {
	has, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	network := overlay.IPNet(address)
	wanted := netlink.Addr{IPNet: &network}
	for _, a := range has {
		if !a.Equal(wanted) && !a.IP.IsLinkLocalUnicast() {
			if err := netlink.AddrDel(link, &a); err != nil {
				return err
			}
		}
	}
	return netlink.AddrReplace(link, &wanted)
}

// routes are those that this process made.
type routes map[overlay.Route]*netlink.Route

// set makes these the routes. They are replaced also when they are there already: a link that went down took them along.
func (r routes) set(wanted []overlay.Route, tunnel, private int) error {
	keep := map[overlay.Route]bool{}
	for _, w := range wanted {
		keep[w] = true
	}
	for w, route := range r {
		if keep[w] {
			continue
		}
		if err := netlink.RouteDel(route); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("remove route %s: %w", w.To, err)
		}
		delete(r, w)
	}
	for _, w := range wanted {
		network := overlay.IPNet(w.To)
		route := &netlink.Route{Dst: &network, LinkIndex: private, Protocol: unix.RTPROT_STATIC}
		if w.Tunnel {
			route.LinkIndex = tunnel
		}
		if w.Via.IsValid() {
			route.Gw, route.Flags = w.Via.AsSlice(), int(netlink.FLAG_ONLINK)
		}
		if w.Source.IsValid() {
			route.Src = w.Source.AsSlice()
		}
		if err := netlink.RouteReplace(route); err != nil {
			return fmt.Errorf("route %s: %w", w.To, err)
		}
		r[w] = route
	}
	return nil
}

// linkWith is the interface that has an address, and the address with its mask.
func linkWith(address netip.Addr) (netlink.Link, netip.Prefix, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, netip.Prefix{}, err
	}
	for _, link := range links {
		addresses, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			return nil, netip.Prefix{}, err
		}
		for _, a := range addresses {
			if a.IP.Equal(address.AsSlice()) {
				bits, _ := a.Mask.Size()
				return link, netip.PrefixFrom(address, bits), nil
			}
		}
	}
	return nil, netip.Prefix{}, fmt.Errorf("address %s: no interface has it", address)
}
