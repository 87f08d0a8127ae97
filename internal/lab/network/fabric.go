package network

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/georedkit/georedkit/internal/lab/address"
)

// Fabric is the namespace of the bridges. No node has a route out of it.
type Fabric struct {
	Namespace *Namespace
	links     *netlink.Handle
	relay     *relay // nil until something is to be late
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
	if f.relay != nil {
		f.relay.device.Close()
	}
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
