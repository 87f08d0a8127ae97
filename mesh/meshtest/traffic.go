package meshtest

import (
	"net/netip"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// Of the WireGuard protocol.
const (
	rekeyAfter  = 120 * time.Second
	rejectAfter = 180 * time.Second

	initiationBytes = 148
	responseBytes   = 92
	keepaliveBytes  = 32
	dataOverhead    = 32
	outerHeaders    = 28 // IPv4 and UDP
)

// send brings one packet from a machine to the machine that it comes out at, through the tunnel or, between addresses of
// the network itself, past it.
func (n *Network) send(m *machine, p Packet) (*machine, bool) {
	if target := n.at(p.To); target != nil {
		return target, n.carries(m, target, p.Bytes)
	}
	if m.device == nil {
		return nil, false
	}
	key, to := m.device.owner(p.To)
	if to == nil || p.Bytes > m.device.mtu {
		return nil, false
	}
	target, ok := n.transport(m, key, to, p.Bytes+dataOverhead)
	if !ok {
		return nil, false
	}
	if owner, _ := target.device.owner(p.From); owner != m.device.key {
		return nil, false // "packet has unallowed src IP"
	}
	return target, true
}

// transport moves bytes to a peer, with a handshake first when the session is due for one.
func (n *Network) transport(m *machine, key mesh.PublicKey, to *peer, bytes int) (*machine, bool) {
	if age := n.settled.Sub(to.session); to.session.IsZero() || age >= rekeyAfter {
		n.handshake(m, key, to)
		if age := n.settled.Sub(to.session); to.session.IsZero() || age > rejectAfter {
			return nil, false
		}
	}
	to.sent += int64(bytes)
	to.lastSent = n.settled
	target, from := n.received(m, key, to, bytes)
	if from == nil || from.session.IsZero() {
		return nil, false
	}
	from.received += int64(bytes)
	from.endpoint = m.endpoint()
	return target, true
}

// received is the machine and its peer that take what m sends to one of its peers; none when it is lost on the way, or
// nobody there knows the key.
func (n *Network) received(m *machine, key mesh.PublicKey, to *peer, bytes int) (*machine, *peer) {
	target := n.listening(to.endpoint)
	if target == nil || target.device.key != key || !n.carries(m, target, bytes+outerHeaders) {
		return nil, nil
	}
	return target, target.device.peers[m.device.key]
}

// handshake needs both ways: the initiation there, and the response back.
func (n *Network) handshake(m *machine, key mesh.PublicKey, to *peer) {
	if !to.endpoint.IsValid() {
		return
	}
	to.sent += initiationBytes
	target, from := n.received(m, key, to, initiationBytes)
	if from == nil {
		return
	}
	from.received += initiationBytes
	from.sent += responseBytes
	from.endpoint = m.endpoint()
	if !n.carries(target, m, responseBytes+outerHeaders) {
		return
	}
	to.received += responseBytes
	to.session, from.session = n.settled, n.settled
	to.lastHandshake, from.lastHandshake = n.ownTime(m), n.ownTime(target)
}

// settle does what the devices do by themselves until now: keepalives, and the handshakes that they call for.
func (n *Network) settle() {
	now := n.clock.Now()
	for n.settled.Before(now) {
		n.settled = n.settled.Add(min(time.Second, now.Sub(n.settled)))
		for _, m := range n.machines {
			if m.device == nil || n.faults[Frozen(m.Site)] {
				continue
			}
			for _, key := range m.device.order {
				p := m.device.peers[key]
				if p.keepalive > 0 && n.settled.Sub(p.lastSent) >= p.keepalive {
					p.lastSent = n.settled
					n.transport(m, key, p, keepaliveBytes)
				}
			}
		}
	}
}

func (m *machine) endpoint() geored.Endpoint {
	e, _ := geored.EndpointFrom(netip.AddrPortFrom(m.Underlay, m.device.port))
	return e
}

func (n *Network) at(ip netip.Addr) *machine {
	for _, m := range n.machines {
		if m.Underlay == ip {
			return m
		}
	}
	return nil
}

func (n *Network) listening(e geored.Endpoint) *machine {
	m := n.at(e.Addr())
	if m == nil || m.device == nil || m.device.port != e.Port() {
		return nil
	}
	return m
}
