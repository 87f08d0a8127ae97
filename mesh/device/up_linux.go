package device

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/georedkit/georedkit/mesh"
)

func up(ctx context.Context, d mesh.Device, key mesh.PrivateKey) (*Tunnel, error) {
	if err := errors.Join(d.Validate(), checkKey(d, key)); err != nil {
		return nil, fmt.Errorf("bring up interface %s: %w", d.Interface, err)
	}
	tunnel, created, err := create(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("create interface %s: %w", d.Interface, err)
	}
	unresolved, err := bringUp(ctx, d, key)
	if err == nil {
		err = tunnel.listen(ctx, d)
	}
	if err != nil {
		if created {
			err = errors.Join(err, tunnel.remove())
		}
		return nil, err
	}
	return tunnel, unresolved
}

// create makes the interface unless there is one: in the kernel, or in this process when the kernel has no WireGuard.
func create(ctx context.Context, d mesh.Device) (*Tunnel, bool, error) {
	_, err := linkByName(d.Interface)
	if err == nil {
		if _, err := readDevice(ctx, d.Interface); err != nil {
			return nil, false, fmt.Errorf("it exists and does not answer as WireGuard's: %w", err)
		}
		return &Tunnel{name: d.Interface}, false, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, false, err
	}
	err = netlink.LinkAdd(&netlink.Wireguard{LinkAttrs: netlink.LinkAttrs{Name: d.Interface, MTU: d.MTU}})
	switch {
	case err == nil:
		return &Tunnel{name: d.Interface}, true, nil
	case errors.Is(err, unix.EOPNOTSUPP):
		tunnel, err := startInProcess(d.Interface, d.MTU)
		return tunnel, err == nil, err
	}
	return nil, false, err
}

// bringUp gives the peers whose names cannot be resolved apart: the others need not wait for them.
func bringUp(ctx context.Context, d mesh.Device, key mesh.PrivateKey) (unresolved, err error) {
	if err := configure(ctx, d, key); errors.Is(err, ErrUnresolved) {
		unresolved = err
	} else if err != nil {
		return nil, err
	}
	return unresolved, bringLinkUp(ctx, d)
}

func bringLinkUp(ctx context.Context, d mesh.Device) error {
	link, err := linkByName(d.Interface)
	if err != nil {
		return fmt.Errorf("find interface %s: %w", d.Interface, err)
	}
	if err := setAddress(link, d.Address); err != nil {
		return err
	}
	if link.Attrs().MTU != d.MTU {
		if err := netlink.LinkSetMTU(link, d.MTU); err != nil {
			return fmt.Errorf("set mtu of %s to %d: %w", d.Interface, d.MTU, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring up interface %s: %w", d.Interface, err)
	}
	var wanted []path
	for _, prefix := range d.Routes() {
		wanted = append(wanted, path{prefix: prefix, link: link.Attrs().Index, own: true})
	}
	had, err := routesInto(link)
	if err != nil {
		return fmt.Errorf("read routes into %s: %w", d.Interface, err)
	}
	return settle(ctx, had, wanted)
}

// setAddress leaves the interface with this address alone. The wanted one is there before the others go.
func setAddress(link netlink.Link, want netip.Prefix) error {
	have, err := addresses(link)
	if err != nil {
		return fmt.Errorf("read addresses of %s: %w", link.Attrs().Name, err)
	}
	there := false
	for _, p := range have {
		there = there || p == want
	}
	if !there {
		if err := netlink.AddrAdd(link, address(want)); err != nil {
			return fmt.Errorf("add address %s to %s: %w", want, link.Attrs().Name, err)
		}
	}
	for _, p := range have {
		if p != want {
			if err := netlink.AddrDel(link, address(p)); err != nil {
				return fmt.Errorf("remove address %s from %s: %w", p, link.Attrs().Name, err)
			}
		}
	}
	return nil
}

func address(p netip.Prefix) *netlink.Addr {
	n := ipNet(p)
	n.IP = p.Addr().AsSlice() // with its host bits
	return &netlink.Addr{IPNet: n}
}

func down(ctx context.Context, name string) error {
	link, err := linkByName(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find interface %s: %w", name, err)
	}
	if _, err := readDevice(ctx, name); err != nil {
		return fmt.Errorf("remove interface %s: it does not answer as WireGuard's: %w", name, err)
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("remove interface %s: %w", name, err)
	}
	return nil
}
