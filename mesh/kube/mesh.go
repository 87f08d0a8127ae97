package kube

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// End is what a site brings to the mesh.
type End struct {
	Gateways Gateways
	Probe    kube.ProbeSpec // a pod behind the gateway, for the proof
}

// Mesh is a network of sites joined by one gateway each.
type Mesh struct {
	Network mesh.Network
	Ends    map[geored.SiteName]End
}

// Alone is the config of a site's gateway before its peers are known: an interface with a key and an address.
func (m Mesh) Alone(site mesh.Site) gateway.Config {
	n := m.Network.WithDefaults()
	node := gatewayNode(site)
	address := firstHost(site.WireGuardCIDR)
	return configOf(node, mesh.Device{
		Site: site.Name, Node: node.Name, Interface: n.Interface, ListenPort: n.ListenPort, MTU: n.MTU,
		Address: netip.PrefixFrom(address, address.BitLen()), Peers: []mesh.Peer{},
	})
}

// Joined is the config of a site's gateway with the peers that the layout gives it.
func (m Mesh) Joined(site mesh.Site, layout mesh.Layout) (gateway.Config, error) {
	device, ok := layout.Device(site.Name, "")
	if !ok {
		return gateway.Config{}, fmt.Errorf("site %s: the layout has no gateway", site.Name)
	}
	return configOf(gatewayNode(site), device), nil
}

// Observe asks every gateway for what the others must know of it.
func (m Mesh) Observe(ctx context.Context) geored.Answers[mesh.Gateway] {
	return geored.Ask(ctx, m.targets(), func(ctx context.Context, t geored.Target) (mesh.Gateway, error) {
		site, _ := m.Network.Site(t.Site)
		node := gatewayNode(site)
		state, err := m.Ends[t.Site].Gateways.Device(ctx, node.Name, m.Network.WithDefaults().Interface)
		return observed(site, state), err
	})
}

// observed is what the others must know of a site's gateway.
func observed(site mesh.Site, state mesh.DeviceState) mesh.Gateway {
	node := gatewayNode(site)
	return mesh.Gateway{Site: site.Name, Node: node.Name, PublicKey: state.PublicKey,
		WireGuardIP: firstHost(site.WireGuardCIDR), Endpoint: node.Endpoint, InternalIP: node.InternalIP}
}

// Plan lays the mesh out over what was observed. An answer that is missing is an error, which names who was silent.
func (m Mesh) Plan(answers geored.Answers[mesh.Gateway]) (mesh.Layout, error) {
	for _, silent := range answers.Unanswered() {
		return mesh.Layout{}, fmt.Errorf("site %s: its gateway did not answer: %s", silent.Target.Site, silent.Reason)
	}
	var gateways []mesh.Gateway
	for _, g := range answers.All() {
		gateways = append(gateways, g)
	}
	return mesh.Plan(m.Network, gateways)
}

func (m Mesh) targets() []geored.Target {
	targets := make([]geored.Target, len(m.Network.Sites))
	for i, site := range m.Network.Sites {
		targets[i] = geored.Target{Site: site.Name, Name: gatewayNode(site).Name}
	}
	return targets
}

// gatewayNode is the node that is named, or the first.
func gatewayNode(site mesh.Site) geored.Node {
	for _, node := range site.Nodes {
		if node.Name == site.Gateway {
			return node
		}
	}
	if len(site.Nodes) > 0 {
		return site.Nodes[0]
	}
	return geored.Node{}
}

// firstHost is the address that Kilo too gives a site's only gateway (kilo pkg/mesh/topology.go, NewTopology).
func firstHost(p netip.Prefix) netip.Addr { return p.Masked().Addr().Next() }

func configOf(node geored.Node, device mesh.Device) gateway.Config {
	c := gateway.Config{Node: node.Name, Device: device}
	if node.InternalIP.IsValid() {
		c.InternalIPs = []netip.Addr{node.InternalIP}
	}
	return c
}
