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

// Fabric is the namespace of the bridges. No node has a route out of it.
type Fabric struct {
	Namespace *Namespace
	links     *netlink.Handle
}

const wanBridge = "wan"

func lanBridge(site address.Site) string { return fmt.Sprintf("lan%d", site.Number) }

// wanPort and lanPort name the bridge's end of a node's cables; numbers, because names are 15 bytes at most.
func wanPort(site address.Site, node address.Node) string {
	return fmt.Sprintf("w%d-%d", site.Number, node.Number)
}

func lanPort(site address.Site, node address.Node) string {
	return fmt.Sprintf("l%d-%d", site.Number, node.Number)
}

// NewFabric makes the bridges of all sites.
func NewFabric(sites []address.Site) (*Fabric, error) {
	namespace, err := NewNamespace()
	if err != nil {
		return nil, err
	}
	links, err := netlink.NewHandleAt(netns.NsHandle(namespace.file.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("network of the sites: %w", err)
	}
	fabric := &Fabric{Namespace: namespace, links: links}
	bridges := []string{wanBridge}
	for _, site := range sites {
		bridges = append(bridges, lanBridge(site))
	}
	for _, name := range bridges {
		if err := fabric.addBridge(name); err != nil {
			return nil, err
		}
	}
	return fabric, fabric.loadRules()
}

// Close removes the fabric.
func (f *Fabric) Close() error {
	f.links.Close()
	return f.Namespace.Close()
}

func (f *Fabric) addBridge(name string) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = name
	bridge := &netlink.Bridge{LinkAttrs: attributes}
	if err := f.links.LinkAdd(bridge); err != nil {
		return fmt.Errorf("bridge %s: %w", name, err)
	}
	return f.links.LinkSetUp(bridge)
}

// Plug connects a node whose servers have not started yet and gives it its routes.
func (f *Fabric) Plug(site address.Site, node address.Node, namespace *Namespace) error {
	inside, err := netlink.NewHandleAt(netns.NsHandle(namespace.file.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("network of node %s: %w", node.Name, err)
	}
	defer inside.Close()
	cables := []struct {
		bridge, port, name string
		address            netip.Prefix
	}{
		{lanBridge(site), lanPort(site, node), "lan0", netip.PrefixFrom(node.LAN, address.LANBits)},
		{wanBridge, wanPort(site, node), "wan0", netip.PrefixFrom(node.WAN, address.WANBits)},
	}
	if err := setUp(inside, "lo", netip.Prefix{}); err != nil {
		return err
	}
	for _, cable := range cables {
		if err := f.addCable(cable.bridge, cable.port, cable.name, namespace); err != nil {
			return err
		}
		if err := setUp(inside, cable.name, cable.address); err != nil {
			return err
		}
	}
	return addRoutes(inside, site, node)
}

func (f *Fabric) addCable(bridge, port, peer string, namespace *Namespace) error {
	if err := f.unplug(port); err != nil {
		return err
	}
	master, err := f.links.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", bridge, err)
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MasterIndex = port, master.Attrs().Index
	cable := &netlink.Veth{LinkAttrs: attributes, PeerName: peer, PeerNamespace: netlink.NsFd(namespace.file.Fd())}
	if err := f.links.LinkAdd(cable); err != nil {
		return fmt.Errorf("cable %s: %w", port, err)
	}
	return f.links.LinkSetUp(cable)
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
	return f.links.LinkDel(link)
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
