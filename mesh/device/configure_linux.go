package device

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

func configure(ctx context.Context, d mesh.Device, key mesh.PrivateKey) error {
	if err := errors.Join(d.Validate(), checkKey(d, key)); err != nil {
		return fmt.Errorf("configure interface %s: %w", d.Interface, err)
	}
	before, err := readDevice(ctx, d.Interface)
	if err != nil {
		return fmt.Errorf("read interface %s: %w", d.Interface, err)
	}
	d, unresolved := resolved(ctx, d, state(before))
	if unresolved != nil {
		unresolved = fmt.Errorf("configure interface %s: %w", d.Interface, unresolved)
	}
	config, differs, err := change(d, key, before)
	if err != nil || !differs {
		return errors.Join(err, unresolved)
	}
	if err := apply(ctx, d.Interface, config); err != nil {
		return fmt.Errorf("configure interface %s: %w", d.Interface, err)
	}
	after, err := readDevice(ctx, d.Interface)
	if err != nil {
		return fmt.Errorf("read interface %s: %w", d.Interface, err)
	}
	if drift := deviceDrift(d, state(after)); len(drift) > 0 {
		return fmt.Errorf("configure interface %s: did not take effect: %v", d.Interface, drift)
	}
	return unresolved
}

func checkKey(d mesh.Device, key mesh.PrivateKey) error {
	if key.IsZero() || key.Public() != d.PublicKey {
		return fmt.Errorf("the private key is not that of public key %s", d.PublicKey)
	}
	return nil
}

func apply(ctx context.Context, name string, config wgtypes.Config) error {
	_, err := withClient(ctx, func(c *wgctrl.Client) (struct{}, error) { return struct{}{}, c.ConfigureDevice(name, config) })
	return named(err)
}

// named gives the error number of an interface inside a process its name back: wgctrl says "errno=-98" only.
func named(err error) error {
	if err == nil {
		return nil
	}
	_, digits, _ := strings.Cut(err.Error(), "errno=-")
	if number, e := strconv.Atoi(digits); e == nil {
		return unix.Errno(number)
	}
	return err
}

// deviceDrift is the drift of what this configures: that of link, addresses and routes is left out.
func deviceDrift(d mesh.Device, s mesh.DeviceState) []mesh.Difference {
	s.MTU, s.Up, s.Addresses, s.Routes = d.MTU, true, []netip.Prefix{d.Address}, d.Routes()
	return d.Drift(s)
}

// change is the smallest change that leads to d. Peers that are as they should be are not named in it: naming them would
// do no harm, but replacing all peers would end every session.
func change(d mesh.Device, key mesh.PrivateKey, before *wgtypes.Device) (wgtypes.Config, bool, error) {
	var c wgtypes.Config
	was := state(before)
	differs := len(deviceDrift(d, was)) > 0
	if was.PublicKey != d.PublicKey {
		private, err := wgtypes.ParseKey(key.Reveal())
		if err != nil {
			return c, false, errors.New("the private key cannot be read")
		}
		c.PrivateKey = &private
	}
	if was.ListenPort != d.ListenPort {
		port := int(d.ListenPort)
		c.ListenPort = &port
	}
	for _, p := range was.Peers {
		if _, wanted := d.Peer(p.PublicKey); !wanted {
			c.Peers = append(c.Peers, wgtypes.PeerConfig{PublicKey: wgtypes.Key(p.PublicKey.Bytes()), Remove: true})
		}
	}
	for _, p := range d.Peers {
		one := d
		one.Peers = []mesh.Peer{p}
		got, ok := was.Peer(p.PublicKey)
		seen := was
		if seen.Peers = nil; ok {
			seen.Peers = []mesh.PeerState{got}
		}
		seen.PublicKey, seen.ListenPort = d.PublicKey, d.ListenPort
		if !ok || hasPresharedKey(before, p.PublicKey) || len(deviceDrift(one, seen)) > 0 {
			c.Peers, differs = append(c.Peers, peerConfig(p)), true
		}
	}
	return c, differs, nil
}

// hasPresharedKey finds what somebody else left on a peer: the other side has none, and so there would be no handshake.
func hasPresharedKey(before *wgtypes.Device, key mesh.PublicKey) bool {
	return slices.ContainsFunc(before.Peers, func(p wgtypes.Peer) bool {
		return mesh.PublicKeyFrom(p.PublicKey) == key && p.PresharedKey != wgtypes.Key{}
	})
}

// resolved puts an address in place of every DNS name: the one in use where the name still has it. A peer whose name has none
// keeps the one that it has, if any; the error is [ErrUnresolved].
func resolved(ctx context.Context, d mesh.Device, s mesh.DeviceState) (mesh.Device, error) {
	d.Peers = slices.Clone(d.Peers)
	var unresolved []error
	for i, p := range d.Peers {
		if !p.Endpoint.IsValid() || p.Endpoint.Addr().IsValid() {
			continue
		}
		got, _ := s.Peer(p.PublicKey)
		d.Peers[i].Endpoint = got.Endpoint
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", p.Endpoint.Host())
		if err != nil || len(addrs) == 0 {
			unresolved = append(unresolved, fmt.Errorf("peer %s/%s: %w: %w", p.Site, p.Node, ErrUnresolved, err))
			continue
		}
		for j := range addrs {
			addrs[j] = addrs[j].Unmap()
		}
		slices.SortFunc(addrs, netip.Addr.Compare) // IPv4 first
		chosen := addrs[0]
		if slices.Contains(addrs, got.Endpoint.Addr()) {
			chosen = got.Endpoint.Addr()
		}
		if d.Peers[i].Endpoint, err = geored.EndpointFrom(netip.AddrPortFrom(chosen, p.Endpoint.Port())); err != nil {
			unresolved = append(unresolved, fmt.Errorf("peer %s/%s: %w: %w", p.Site, p.Node, ErrUnresolved, err))
		}
	}
	return d, errors.Join(unresolved...)
}
