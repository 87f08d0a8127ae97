package device

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/georedkit/georedkit/mesh"
)

func read(ctx context.Context, name string) (mesh.DeviceState, error) {
	w, err := readDevice(ctx, name)
	if err != nil {
		return mesh.DeviceState{}, fmt.Errorf("read interface %s: %w", name, err)
	}
	s := state(w)
	link, err := linkByName(name)
	if err != nil {
		return mesh.DeviceState{}, fmt.Errorf("read interface %s: %w", name, err)
	}
	s.MTU, s.Up = link.Attrs().MTU, link.Attrs().RawFlags&unix.IFF_UP != 0
	if s.Addresses, err = addresses(link); err != nil {
		return s, fmt.Errorf("read addresses of %s: %w", name, err)
	}
	routes, err := routesInto(link)
	for _, r := range routes {
		s.Routes = append(s.Routes, r.prefix)
	}
	if err != nil {
		return s, fmt.Errorf("read routes into %s: %w", name, err)
	}
	return s, nil
}

// readDevice asks the kernel, or the process that the interface lives in, which may hang.
func readDevice(ctx context.Context, name string) (*wgtypes.Device, error) {
	return withClient(ctx, func(c *wgctrl.Client) (*wgtypes.Device, error) { return c.Device(name) })
}

// withClient opens the client in the calling thread, whose network namespace counts, and gives up with the context: the
// client itself takes none.
func withClient[T any](ctx context.Context, ask func(*wgctrl.Client) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, context.Cause(ctx)
	}
	client, err := wgctrl.New()
	if err != nil {
		return none, err
	}
	type reply struct {
		answer T
		err    error
	}
	came := make(chan reply, 1)
	go func() {
		defer func() { _ = client.Close() }()
		answer, err := ask(client)
		came <- reply{answer, err}
	}()
	select {
	case r := <-came:
		return r.answer, r.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// linkByName answers with [os.ErrNotExist] when there is none.
func linkByName(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	var none netlink.LinkNotFoundError
	if errors.As(err, &none) {
		return nil, os.ErrNotExist
	}
	return link, err
}

// addresses leaves out what the kernel gave by itself.
func addresses(link netlink.Link) ([]netip.Prefix, error) {
	list, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	var prefixes []netip.Prefix
	for _, a := range list {
		if p, ok := prefixOf(a.IPNet); ok && !(p.Addr().Is6() && p.Addr().IsLinkLocalUnicast()) {
			prefixes = append(prefixes, p)
		}
	}
	slices.SortFunc(prefixes, mesh.ComparePrefixes)
	return prefixes, err
}
