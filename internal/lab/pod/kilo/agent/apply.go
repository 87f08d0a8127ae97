package agent

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.zx2c4.com/wireguard/wgctrl"

	"github.com/georedkit/georedkit/internal/lab/pod/kilo/overlay"
)

// apply brings interface and routes to what the nodes and peers now say. Unless forced, it does nothing when they say
// the same as before.
func (a *agent) apply(ctx context.Context, forced bool) error {
	nodes, peers := a.ready(time.Now()), a.peers.List()
	if err := resolve(ctx, nodes, peers); err != nil {
		return err
	}
	inputs := fingerprint(nodes, peers)
	if !forced && inputs == a.applied {
		return nil
	}
	client, err := wgctrl.New()
	if err != nil {
		return err
	}
	defer client.Close()
	device, err := client.Device(a.Interface)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(nodes, func(n overlay.Node) bool { return n.Name == a.Host }); i >= 0 {
		nodes[i].Discovered = overlay.Discover(nodes, peers, *device)
		local := a.nodes[a.Host]
		local.Discovered = nodes[i].Discovered
		a.nodes[a.Host] = local
	}
	t, err := overlay.New(nodes, peers, a.Settings)
	if err != nil {
		return err
	}
	a.wireguard = netip.Prefix{}
	if t.Leader {
		a.wireguard = t.Address
		err = a.lead(client, t)
	} else {
		err = netlink.LinkSetDown(a.tunnel)
	}
	if err != nil {
		return err
	}
	if a.Flannel {
		if err := masquerade(t, a.Interface); err != nil {
			return err
		}
	}
	private, _, err := linkWith(a.internal.Addr())
	if err != nil {
		return err
	}
	if err := a.routes.set(t.Routes(), a.tunnel.Attrs().Index, private.Attrs().Index); err != nil {
		return err
	}
	a.applied = inputs
	return nil
}

// lead sets the interface up. Its configuration is left alone if it is the same: to set it ends every session.
func (a *agent) lead(client *wgctrl.Client, t overlay.Topology) error {
	if err := setAddress(a.tunnel, t.Address); err != nil {
		return err
	}
	device, err := client.Device(a.Interface)
	if err != nil {
		return err
	}
	config := t.Config(a.private)
	if !overlay.Same(config, *device) {
		a.Log.Info("configurations differ", "peers", len(config.Peers))
		if err := client.ConfigureDevice(a.Interface, config); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(a.tunnel)
}

func (a *agent) ready(now time.Time) []overlay.Node {
	var all []overlay.Node
	for _, name := range slices.Sorted(maps.Keys(a.nodes)) {
		if n := a.nodes[name]; n.Ready(now) {
			all = append(all, n)
		}
	}
	return all
}

// resolve looks names of endpoints up. One that cannot be resolved stops everything: so does Kilo.
func resolve(ctx context.Context, nodes []overlay.Node, peers []overlay.Peer) error {
	var all []*overlay.Endpoint
	for i := range nodes {
		all = append(all, &nodes[i].Endpoint)
	}
	for i := range peers {
		all = append(all, &peers[i].Endpoint)
	}
	for _, e := range all {
		if e.Name == "" {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, 5*time.Second)
		host, _, _ := net.SplitHostPort(e.Name)
		found, err := net.DefaultResolver.LookupNetIP(limited, "ip", host)
		cancel()
		if err != nil {
			return err
		}
		e.Address = netip.AddrPortFrom(found[0].Unmap(), uint16(e.Port()))
	}
	return nil
}

// fingerprint tells inputs apart; when a node was last seen is none of them, as long as it is ready.
func fingerprint(nodes []overlay.Node, peers []overlay.Peer) string {
	quiet := slices.Clone(nodes)
	for i := range quiet {
		quiet[i].LastSeen = 0
	}
	text := fmt.Sprintf("%+v", quiet)
	for _, p := range peers {
		preshared := ""
		if p.Preshared != nil {
			preshared = p.Preshared.String()
		}
		p.Preshared = nil
		text += fmt.Sprintf("%+v %s", p, preshared)
	}
	return text
}
