// Package agent is Kilo on one node: it tells the others of the node, and keeps the tunnels and routes.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/georedkit/georedkit/internal/lab/pod/kilo/overlay"
)

// Options are those of Kilo's flags that count in a laboratory.
type Options struct {
	overlay.Settings
	Interface string
	Port      int
	MTU       int
	Folder    string // of the private key
	Flannel   bool   // do what flannel does on a node: masquerade, and keep its host-gw routes
	CleanUp   bool
	Log       *slog.Logger
}

// How often a node says that it lives, everything is done again, and all objects are told of anew.
const (
	checkIn    = 30 * time.Second
	resync     = 30 * time.Second
	relist     = 5 * time.Minute
	settlement = 50 * time.Millisecond // what changes together is looked at once
)

// agent is Kilo's state.
type agent struct {
	Options
	api     *api
	private wgtypes.Key
	tunnel  netlink.Link
	routes  routes

	nodes     map[string]overlay.Node // as last listed
	internal  netip.Prefix            // this node's own, as found
	wireguard netip.Prefix            // its address in the overlay, zero if it is no leader
	peers     overlay.Peers
	applied   string // what the last application was made from
	listed    time.Time
	checkedIn time.Time
}

// Run runs until the context ends.
func Run(ctx context.Context, o Options) error {
	client, err := inCluster()
	if err != nil {
		return err
	}
	a := &agent{Options: o, api: client, routes: routes{}}
	if a.private, err = privateKey(o.Folder); err != nil {
		return err
	}
	if a.tunnel, err = makeDevice(o.Interface, o.MTU); err != nil {
		return err
	}
	changes := make(chan struct{}, 1)
	changed := func() {
		select {
		case changes <- struct{}{}:
		default:
		}
	}
	for _, path := range []string{nodesPath, peersPath} {
		go client.watch(ctx, path, changed)
	}
	a.loop(ctx, changes)
	if !o.CleanUp {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	return a.cleanUp(ctx)
}

func (a *agent) loop(ctx context.Context, changes <-chan struct{}) {
	again := time.NewTicker(resync)
	defer again.Stop()
	lost := time.NewTicker(hostGateway)
	defer lost.Stop()
	for {
		forced := false
		select {
		case <-ctx.Done():
			return
		case <-lost.C:
			if err := a.recoverRoutes(); err != nil {
				a.Log.Error("recover routes", "error", err)
			}
			continue
		case <-again.C:
			forced = true
		case <-changes:
			time.Sleep(settlement)
		}
		if err := a.observe(ctx); err != nil {
			a.Log.Error("observe", "error", err)
		} else if err := a.tell(ctx); err != nil {
			a.Log.Error("tell", "error", err)
		}
		if err := a.apply(ctx, forced); err != nil {
			a.Log.Error("apply", "error", err)
			continue
		}
		// The address that came of it, if it is another one.
		if err := a.tell(ctx); err != nil {
			a.Log.Error("tell", "error", err)
		}
	}
}

// observe reads all objects.
func (a *agent) observe(ctx context.Context) error {
	nodes, err := listOf[nodeObject](ctx, a.api, nodesPath)
	if err != nil {
		return err
	}
	peers, err := listOf[peerObject](ctx, a.api, peersPath)
	if err != nil {
		return err
	}
	specs := map[string]overlay.PeerSpec{}
	for _, p := range peers.Items {
		specs[p.Metadata.Name] = p.Spec
	}
	all := time.Since(a.listed) > relist
	if all {
		a.listed = time.Now()
	}
	a.peers.Update(specs, all)
	before := a.nodes[a.Host]
	a.nodes = map[string]overlay.Node{}
	for _, n := range nodes.Items {
		m := n.Metadata
		read := overlay.ReadNode(m.Name, m.Labels, m.Annotations, n.Spec.PodCIDR)
		if m.Name == a.Host {
			a.find(n)
			read = a.complete(read, before)
		}
		a.nodes[m.Name] = read
	}
	return nil
}

// find looks for the node's own address: the one to which Kubernetes resolves it.
func (a *agent) find(n nodeObject) {
	for _, address := range n.Status.Addresses {
		parsed, err := netip.ParseAddr(address.Address)
		if address.Type != "InternalIP" || err != nil {
			continue
		}
		if _, prefix, err := linkWith(parsed); err == nil {
			a.internal = prefix
			return
		}
	}
}

// complete fills in what only this node knows of itself, and remembers when it last said so.
func (a *agent) complete(n, before overlay.Node) overlay.Node {
	if !n.Endpoint.Ready() {
		n.Endpoint = overlay.Endpoint{Address: netip.AddrPortFrom(a.internal.Addr(), uint16(a.Port))}
	}
	if !n.Internal.IsValid() && !n.NoInternal {
		n.Internal = a.internal
	}
	n.Discovered = before.Discovered
	n.LastSeen = before.LastSeen
	return n
}

// tell writes the node's annotations when they differ from what it knows, and twice a minute that it lives.
func (a *agent) tell(ctx context.Context) error {
	told, ok := a.nodes[a.Host]
	if !ok {
		return errors.New("node " + a.Host + ": not there")
	}
	n := told
	n.Key, n.Granularity, n.WireGuard = a.private.PublicKey(), a.Granularity, a.wireguard
	same := told.Key == n.Key && told.Granularity == n.Granularity && told.WireGuard == n.WireGuard
	if same && time.Since(a.checkedIn) < checkIn {
		return nil
	}
	n.LastSeen = time.Now().Unix()
	annotations, err := n.Annotations()
	if err != nil {
		return err
	}
	if a.Since07 {
		annotations[overlay.KeyCNI] = ""
	}
	patch := map[string]any{"metadata": map[string]any{"annotations": annotations}}
	if err := a.api.patchNode(ctx, a.Host, "application/merge-patch+json", patch); err != nil {
		return err
	}
	a.nodes[a.Host], a.checkedIn = n, time.Now()
	return nil
}

func (a *agent) cleanUp(ctx context.Context) error {
	errs := []error{a.routes.set(nil, 0, 0), a.recoverRoutes(), noMasquerade()}
	var patch []map[string]string
	for _, key := range overlay.CleanedUp {
		patch = append(patch, map[string]string{"op": "remove", "path": "/metadata/annotations/" + strings.Replace(key, "/", "~1", 1)})
	}
	if err := a.api.patchNode(ctx, a.Host, "application/json-patch+json", patch); err != nil {
		errs = append(errs, fmt.Errorf("clean up: %w", err))
	}
	return errors.Join(errs...)
}
