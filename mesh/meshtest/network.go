package meshtest

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// Network is machines with WireGuard devices in memory. Make it with [New].
type Network struct {
	clock geored.Clock

	mu       sync.Mutex
	machines []*machine
	faults   map[Fault]bool
	settled  time.Time     // until when keepalives were sent
	crossing time.Duration // what the packets exchanged so far took, on top of the clock
}

// crossingTime is what a packet and its answer take, so that a sample after it is later than one before.
const crossingTime = time.Millisecond

var _ Fabric = (*Network)(nil)

// tester is the part of testing.TB that the kit needs.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

type machine struct {
	Machine
	device *device // nil: none
}

// New makes a network of machines without devices. The test's clock is usually a geotest.Clock; what the devices do by
// themselves as time passes is caught up with at the next call.
func New(t tester, clock geored.Clock, machines ...Machine) *Network {
	t.Helper()
	n := &Network{clock: clock, faults: map[Fault]bool{}, settled: clock.Now()}
	for _, m := range machines {
		if !m.Underlay.IsValid() {
			t.Fatalf("machine %s/%s has no address on the network between the sites", m.Site, m.Node)
		}
		n.machines = append(n.machines, &machine{Machine: m})
	}
	return n
}

// UpAll brings up every device of a layout, with the keys by public key.
func (n *Network) UpAll(ctx context.Context, l mesh.Layout, keys map[mesh.PublicKey]mesh.PrivateKey) error {
	for _, d := range l.Devices {
		if err := n.Up(ctx, d, keys[d.PublicKey]); err != nil {
			return err
		}
	}
	return nil
}

// Up brings a device to what is wanted. Peers that stay keep their sessions; a new key ends all of them.
func (n *Network) Up(ctx context.Context, d mesh.Device, key mesh.PrivateKey) error {
	m, err := n.enter(ctx, d.Site, d.Node)
	if err != nil {
		return err
	}
	defer n.mu.Unlock()
	if key.IsZero() || key.Public() != d.PublicKey {
		return fmt.Errorf("machine %s/%s: the private key is not that of public key %s", d.Site, d.Node, d.PublicKey)
	}
	if m.device == nil || m.device.key != d.PublicKey {
		m.device = newDevice(d.PublicKey)
	}
	m.device.configure(d)
	return nil
}

// Read gives the state of a machine's device, by that machine's own clock.
func (n *Network) Read(ctx context.Context, site geored.SiteName, node string) (mesh.DeviceState, error) {
	m, err := n.enter(ctx, site, node)
	if err != nil {
		return mesh.DeviceState{}, err
	}
	defer n.mu.Unlock()
	if m.device == nil {
		return mesh.DeviceState{}, fmt.Errorf("machine %s/%s: no interface: %w", site, node, os.ErrNotExist)
	}
	return m.device.state(n.ownTime(m)), nil
}

// Exchange sends a packet and says whether it was answered.
func (n *Network) Exchange(ctx context.Context, site geored.SiteName, node string, p Packet) (bool, error) {
	m, err := n.enter(ctx, site, node)
	if err != nil {
		return false, err
	}
	defer n.mu.Unlock()
	if !m.has(p.From) {
		return false, fmt.Errorf("machine %s/%s: has no address %s to send from", site, node, p.From)
	}
	if p.Bytes == 0 {
		p.Bytes = 64
	}
	n.crossing += crossingTime
	target, ok := n.send(m, p)
	if !ok || !target.has(p.To) {
		return false, nil
	}
	_, ok = n.send(target, Packet{From: p.To, To: p.From, Bytes: p.Bytes})
	return ok, nil
}

// Sample answers a question of [mesh.HandshakeTargets] as a program on the machine would: it reads the device, sends
// through every tunnel to the other site, from WireGuard address to WireGuard address, and reads again.
func (n *Network) Sample(ctx context.Context, l mesh.Layout, t geored.Target) (mesh.Sample, error) {
	d, _ := l.Device(t.Site, t.Name)
	read := func(ctx context.Context) (mesh.DeviceState, error) { return n.Read(ctx, t.Site, d.Node) }
	return mesh.TakeSample(ctx, d, t.To, read, func(ctx context.Context, p mesh.Peer) mesh.Probe {
		far, _ := l.Device(p.Site, p.Node)
		packet := Packet{From: d.Address.Addr(), To: far.Address.Addr(), Bytes: mesh.ProbeBytes}
		answered, err := n.Exchange(ctx, t.Site, d.Node, packet)
		if err != nil {
			return mesh.Probe{Detail: err.Error()}
		}
		return mesh.Probe{Sent: true, Answered: answered, Bytes: packet.Bytes, Detail: fmt.Sprintf("%s to %s", packet.From, packet.To)}
	})
}

// enter finds the machine and locks the network, with everything done that was due by now. A machine that is frozen
// answers when the context ends.
func (n *Network) enter(ctx context.Context, site geored.SiteName, node string) (*machine, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	n.mu.Lock()
	frozen := n.faults[Frozen(site)]
	if frozen {
		n.mu.Unlock()
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	for _, m := range n.machines {
		if m.Site == site && m.Node == node {
			n.settle()
			return m, nil
		}
	}
	n.mu.Unlock()
	return nil, fmt.Errorf("machine %s/%s: there is none", site, node)
}

func (m *machine) has(ip netip.Addr) bool {
	if ip == m.Underlay || m.device != nil && ip == m.device.address.Addr() {
		return true
	}
	for _, pod := range m.Pods {
		if ip == pod {
			return true
		}
	}
	return false
}
