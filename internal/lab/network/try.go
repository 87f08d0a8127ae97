package network

import (
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// TryBridges makes a fabric without sites and removes it.
func TryBridges() error {
	fabric, err := NewFabric(nil)
	if err != nil {
		return err
	}
	return fabric.Close()
}

// HasWireGuard tells whether the kernel brings WireGuard itself.
func HasWireGuard() bool {
	namespace, err := NewNamespace()
	if err != nil {
		return false
	}
	defer namespace.Close()
	links, err := netlink.NewHandleAt(netns.NsHandle(namespace.file.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return false
	}
	defer links.Close()
	attributes := netlink.NewLinkAttrs()
	attributes.Name = "wg0"
	return links.LinkAdd(&netlink.Wireguard{LinkAttrs: attributes}) == nil
}
