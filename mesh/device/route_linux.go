package device

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/georedkit/georedkit/mesh"
)

// path is one route of the main table: into a link, or through a gateway.
type path struct {
	prefix netip.Prefix
	link   int
	via    netip.Addr
	own    bool
}

func (p path) String() string {
	if p.via.IsValid() {
		return fmt.Sprintf("%s via %s", p.prefix, p.via)
	}
	return fmt.Sprintf("%s dev %d", p.prefix, p.link)
}

func (p path) netlink() *netlink.Route {
	r := &netlink.Route{Dst: ipNet(p.prefix), Protocol: RouteProtocol}
	if p.via.IsValid() {
		r.Gw = p.via.AsSlice()
	} else {
		r.LinkIndex, r.Scope = p.link, netlink.SCOPE_LINK
	}
	return r
}

// paths are the routes of the main table that fit, but for those the kernel made by itself.
func paths(filter *netlink.Route, mask uint64) ([]path, error) {
	var found []path
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, filter, mask)
	for _, r := range routes {
		prefix, ok := prefixOf(r.Dst)
		if !ok || r.Protocol == unix.RTPROT_KERNEL {
			continue
		}
		via, _ := netip.AddrFromSlice(r.Gw)
		found = append(found, path{prefix, r.LinkIndex, via.Unmap(), r.Protocol == RouteProtocol})
	}
	slices.SortFunc(found, func(a, b path) int { return mesh.ComparePrefixes(a.prefix, b.prefix) })
	return found, err
}

func routesInto(link netlink.Link) ([]path, error) {
	return paths(&netlink.Route{LinkIndex: link.Attrs().Index}, netlink.RT_FILTER_OIF)
}

// ownVia are the routes of [Route].
func ownVia() ([]path, error) {
	found, err := paths(&netlink.Route{Protocol: RouteProtocol}, netlink.RT_FILTER_PROTOCOL)
	return slices.DeleteFunc(found, func(p path) bool { return !p.via.IsValid() }), err
}

func routed(ctx context.Context) (map[netip.Addr][]netip.Prefix, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	found, err := ownVia()
	byGateway := map[netip.Addr][]netip.Prefix{}
	for _, p := range found {
		byGateway[p.via] = append(byGateway[p.via], p.prefix)
	}
	return byGateway, err
}

func route(ctx context.Context, prefixes []netip.Prefix, gateways []netip.Addr) error {
	var wanted []path
	for _, prefix := range prefixes {
		i := slices.IndexFunc(gateways, func(gw netip.Addr) bool { return gw.Unmap().BitLen() == prefix.Addr().BitLen() })
		if i < 0 {
			return fmt.Errorf("route %s: no gateway of its address family among %v", prefix, gateways)
		}
		wanted = append(wanted, path{prefix: prefix.Masked(), via: gateways[i].Unmap(), own: true})
	}
	had, err := ownVia()
	if err != nil {
		return fmt.Errorf("read routes: %w", err)
	}
	return settle(ctx, had, wanted)
}

// settle adds what is missing, then removes own routes that are no longer wanted, so that a prefix that stays is never
// without its route. Every route is tried; all errors come back.
func settle(ctx context.Context, had, wanted []path) error {
	var errs []error
	for _, want := range wanted {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, context.Cause(ctx))...)
		}
		i := slices.IndexFunc(had, func(p path) bool { return p.prefix == want.prefix && p.own })
		switch {
		case i < 0:
			errs = append(errs, add(want))
		case had[i].via != want.via:
			errs = append(errs, wrap("change route", want, netlink.RouteReplace(want.netlink())))
		}
	}
	for _, p := range had {
		if p.own && !slices.ContainsFunc(wanted, func(w path) bool { return w.prefix == p.prefix }) {
			if err := netlink.RouteDel(p.netlink()); !errors.Is(err, unix.ESRCH) {
				errs = append(errs, wrap("remove route", p, err))
			}
		}
	}
	return errors.Join(errs...)
}

// add fails where somebody else routes the same prefix, and says how.
func add(p path) error {
	err := netlink.RouteAdd(p.netlink())
	if !errors.Is(err, unix.EEXIST) {
		return wrap("add route", p, err)
	}
	others, _ := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Dst: ipNet(p.prefix)}, netlink.RT_FILTER_DST)
	var texts []string
	for _, r := range others {
		texts = append(texts, describe(r))
	}
	return fmt.Errorf("add route %s: somebody else routes it already: %s", p, strings.Join(texts, ", "))
}

func describe(r netlink.Route) string {
	text := fmt.Sprintf("protocol %d", r.Protocol)
	if r.Gw != nil {
		text += " via " + r.Gw.String()
	}
	if link, err := net.InterfaceByIndex(r.LinkIndex); err == nil {
		text += " dev " + link.Name
	}
	return text
}

func wrap(verb string, p path, err error) error {
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, p, err)
	}
	return nil
}
