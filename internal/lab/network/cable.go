package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/georedkit/georedkit/internal/lab/address"
)

// Plug connects a node whose servers have not started yet and gives it its routes.
func (f *Fabric) Plug(site address.Site, node address.Node, namespace *Namespace) error {
	inside, err := netlink.NewHandleAt(netns.NsHandle(namespace.file.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("network of node %s: %w", node.Name, err)
	}
	defer inside.Close()
	cables := []cable{
		{lanBridge(site), lanPort(site, node), "lan0", netip.PrefixFrom(node.LAN, address.LANBits)},
		{wanBridge, wanPort(site, node), "wan0", netip.PrefixFrom(node.WAN, address.WANBits)},
	}
	if err := setUp(inside, "lo", netip.Prefix{}); err != nil {
		return err
	}
	for _, cable := range cables {
		if err := f.addCable(cable, namespace); err != nil {
			return err
		}
		if err := setUp(inside, cable.name, cable.address); err != nil {
			return err
		}
	}
	return addRoutes(inside, site, node)
}

// cable joins a port of a bridge and an interface of a node.
type cable struct {
	bridge, port, name string
	address            netip.Prefix
}

// hardware is the interface's own address. It is always the same, as a machine's that comes back after a power
// cut: its neighbours remember it.
func (c cable) hardware() net.HardwareAddr {
	ip := c.address.Addr().As4()
	return net.HardwareAddr{0x02, 0x00, ip[0], ip[1], ip[2], ip[3]}
}

func (f *Fabric) addCable(c cable, namespace *Namespace) error {
	if err := f.unplug(c.port); err != nil {
		return err
	}
	master, err := f.links.LinkByName(c.bridge)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", c.bridge, err)
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MasterIndex = c.port, master.Attrs().Index
	veth := &netlink.Veth{
		LinkAttrs: attributes, PeerName: c.name, PeerNamespace: netlink.NsFd(namespace.file.Fd()), PeerHardwareAddr: c.hardware(),
	}
	if err := f.links.LinkAdd(veth); err != nil {
		return fmt.Errorf("cable %s: %w", c.port, err)
	}
	return f.links.LinkSetUp(veth)
}

// Unplug removes the cables of a node that was killed. They do not always go with it: sockets that wait for
// their last acknowledgement keep a network namespace alive.
func (f *Fabric) Unplug(site address.Site, node address.Node) error {
	return errors.Join(f.unplug(wanPort(site, node)), f.unplug(lanPort(site, node)))
}

func (f *Fabric) unplug(port string) error {
	link, err := f.links.LinkByName(port)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cable %s: %w", port, err)
	}
	// The kernel takes the cable too when the node's namespace ends, and may have done so just now.
	if err := f.links.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("cable %s: %w", port, err)
	}
	return nil
}

func setUp(links *netlink.Handle, name string, prefix netip.Prefix) error {
	link, err := links.LinkByName(name)
	if err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	if prefix.IsValid() {
		if err := links.AddrAdd(link, &netlink.Addr{IPNet: ipNet(prefix)}); err != nil {
			return fmt.Errorf("address %s of %s: %w", prefix, name, err)
		}
	}
	return links.LinkSetUp(link)
}

// addRoutes leads to the site's other nodes, and gives the node itself a source address towards Services:
// without any route their packets would be refused before kube-proxy's rules see them.
func addRoutes(links *netlink.Handle, site address.Site, node address.Node) error {
	loopback, err := links.LinkByName("lo")
	if err != nil {
		return err
	}
	routes := []*netlink.Route{{
		LinkIndex: loopback.Attrs().Index, Dst: ipNet(site.Services), Src: node.LAN.AsSlice(), Scope: netlink.SCOPE_LINK,
	}}
	for _, other := range site.Nodes {
		if other.Number != node.Number {
			routes = append(routes, &netlink.Route{Dst: ipNet(other.Pods), Gw: other.LAN.AsSlice(), Src: node.LAN.AsSlice()})
		}
	}
	for _, route := range routes {
		if err := links.RouteAdd(route); err != nil {
			return fmt.Errorf("route of %s: %s: %w", node.Name, route, err)
		}
	}
	return nil
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}
