package meshtest

import (
	"context"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// Fault is something wrong with the network between the sites or with a site. Make it with one of the functions below,
// and give the same to [Network.Mend] as to [Network.Break].
type Fault struct {
	kind     string
	from, to geored.SiteName
	node     string
	bytes    int
	by       time.Duration
}

// Unreachable loses everything from and to a site.
func Unreachable(site geored.SiteName) Fault { return Fault{kind: "unreachable", from: site} }

// Lost loses everything from and to one node of a site, as when its machine is off.
func Lost(site geored.SiteName, node string) Fault {
	return Fault{kind: "lost", from: site, node: node}
}

// OneWay loses everything from one site to another.
func OneWay(from, to geored.SiteName) Fault { return Fault{kind: "one-way", from: from, to: to} }

// MTUHole loses what is larger than that many bytes on its way from one site to another, headers of the tunnel included:
// handshakes and small probes pass, bulk dies.
func MTUHole(from, to geored.SiteName, bytes int) Fault {
	return Fault{kind: "mtu-hole", from: from, to: to, bytes: bytes}
}

// Frozen stops a site: it sends nothing, takes nothing, and whoever asks it waits until his context ends.
func Frozen(site geored.SiteName) Fault { return Fault{kind: "frozen", from: site} }

// ClockSkew makes the clock of a site's machines wrong by that much. Begun after a handshake, and negative, it puts the
// handshake into the future.
func ClockSkew(site geored.SiteName, by time.Duration) Fault {
	return Fault{kind: "clock-skew", from: site, by: by}
}

// Break puts a fault on the network.
func (n *Network) Break(f Fault) { n.set(f, true) }

// Mend takes it away again.
func (n *Network) Mend(f Fault) { n.set(f, false) }

func (n *Network) set(f Fault, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settle()
	if on {
		n.faults[f] = true
	} else {
		delete(n.faults, f)
	}
}

// Drop is [OneWay], put on and taken away.
func (n *Network) Drop(_ context.Context, from, to geored.SiteName, dropped bool) error {
	n.set(OneWay(from, to), dropped)
	return nil
}

// ReplaceKey gives a machine's device another key, as one that was installed anew has, and says whether there was one.
// The other sites still have the old key, and their peers of it are stale for ever.
func (n *Network) ReplaceKey(site geored.SiteName, node string, key mesh.PublicKey) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settle()
	for _, m := range n.machines {
		if m.Site == site && m.Node == node && m.device != nil {
			m.device.key = key
			for _, p := range m.device.peers {
				p.session, p.lastHandshake, p.received, p.sent = time.Time{}, time.Time{}, 0, 0
			}
			return true
		}
	}
	return false
}

// carries says whether the network brings that many bytes from one machine to another.
func (n *Network) carries(from, to *machine, bytes int) bool {
	for f := range n.faults {
		switch f.kind {
		case "unreachable", "frozen":
			if f.from == from.Site || f.from == to.Site {
				return false
			}
		case "lost":
			if f.from == from.Site && f.node == from.Node || f.from == to.Site && f.node == to.Node {
				return false
			}
		case "one-way":
			if f.from == from.Site && f.to == to.Site {
				return false
			}
		case "mtu-hole":
			if f.from == from.Site && f.to == to.Site && bytes > f.bytes {
				return false
			}
		}
	}
	return true
}

// ownTime is the time by a machine's own clock.
func (n *Network) ownTime(m *machine) time.Time {
	now := n.settled.Add(n.crossing)
	for f := range n.faults {
		if f.kind == "clock-skew" && f.from == m.Site {
			now = now.Add(f.by)
		}
	}
	return now
}
