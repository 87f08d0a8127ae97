package network

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/georedkit/georedkit/internal/lab/address"
)

// relay is a way between sites that takes its time. Nodes route to it what is to be late; it keeps each packet, whole and
// with its addresses, and hands it on. (The kernels of small machines have no netem.)
type relay struct {
	device *os.File

	mutex sync.Mutex
	lanes map[lane]*queue
}

// lane is a direction between two sites, by their numbers.
type lane struct{ from, to int }

// queue holds what is under way in one lane, in order.
type queue struct {
	delay   time.Duration
	packets chan packet
}

type packet struct {
	due     time.Time
	content []byte
}

// underWay is how many packets a lane holds; more are lost, as on any line.
const underWay = 8192

const (
	relayDevice = "relay"
	relayTable  = 100
)

var wanNetwork = netip.PrefixFrom(address.Relay, address.WANBits).Masked()

// startRelay makes the relay's device, to which the bridge's namespace routes all that is sent to the relay.
func (f *Fabric) startRelay() error {
	tun := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: relayDevice}, Mode: netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI, Queues: 1, NonPersist: true}
	err := f.Namespace.Run(func() error {
		for _, file := range []string{"ip_forward", "conf/all/accept_local"} {
			if err := os.WriteFile("/proc/sys/net/ipv4/"+file, []byte("1"), 0o644); err != nil {
				return err
			}
		}
		for _, file := range []string{"all/rp_filter", "default/rp_filter", wanBridge + "/rp_filter", wanBridge + "/send_redirects", "all/send_redirects"} {
			if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+file, []byte("0"), 0o644); err != nil {
				return err
			}
		}
		return netlink.LinkAdd(tun)
	})
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	device, err := pollable(tun.Fds[0])
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	r := &relay{device: device, lanes: map[lane]*queue{}}
	if err := f.routeToRelay(); err != nil {
		r.device.Close()
		return fmt.Errorf("relay: %w", err)
	}
	f.relay = r
	go r.run()
	return nil
}

// pollable gives a file whose end a reader notices.
func pollable(file *os.File) (*os.File, error) {
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	err = unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), relayDevice), err
}

// routeToRelay sends what comes in over the WAN to the relay, and what comes from there to the WAN.
func (f *Fabric) routeToRelay() error {
	if err := setUp(f.links, wanBridge, netip.PrefixFrom(address.Relay, address.WANBits)); err != nil {
		return err
	}
	if err := setUp(f.links, relayDevice, netip.Prefix{}); err != nil {
		return err
	}
	device, err := f.links.LinkByName(relayDevice)
	if err != nil {
		return err
	}
	if err := f.links.RouteAdd(&netlink.Route{LinkIndex: device.Attrs().Index, Dst: ipNet(wanNetwork), Table: relayTable}); err != nil {
		return err
	}
	rule := netlink.NewRule()
	rule.IifName, rule.Table, rule.Priority, rule.Dst = wanBridge, relayTable, relayTable, ipNet(wanNetwork)
	return f.links.RuleAdd(rule)
}

// run hands on what comes, until the device is closed.
func (r *relay) run() {
	buffer := make([]byte, 1<<16)
	for {
		n, err := r.device.Read(buffer)
		if err != nil {
			return
		}
		way, ok := laneOf(buffer[:n])
		if !ok {
			continue
		}
		r.mutex.Lock()
		q := r.lanes[way]
		if q == nil {
			q = r.add(way)
		}
		late := packet{time.Now().Add(q.delay), append([]byte(nil), buffer[:n]...)}
		r.mutex.Unlock()
		select {
		case q.packets <- late:
		default:
		}
	}
}

// add begins a lane. It lives as long as the device.
func (r *relay) add(way lane) *queue {
	q := &queue{packets: make(chan packet, underWay)}
	r.lanes[way] = q
	go func() {
		for p := range q.packets {
			time.Sleep(time.Until(p.due))
			if _, err := r.device.Write(p.content); errors.Is(err, os.ErrClosed) {
				return
			}
		}
	}()
	return q
}

// laneOf reads an IPv4 header: the third byte of an address on the WAN is the site's number.
func laneOf(content []byte) (lane, bool) {
	if len(content) < 20 || content[0]>>4 != 4 {
		return lane{}, false
	}
	return lane{int(content[14]), int(content[18])}, true
}

// SetDelay makes what one site sends to another take this much longer. Its nodes must be led to the relay, by [Detour].
func (f *Fabric) SetDelay(from, to address.Site, delay time.Duration) error {
	if f.relay == nil {
		if err := f.startRelay(); err != nil {
			return err
		}
	}
	f.relay.mutex.Lock()
	defer f.relay.mutex.Unlock()
	way := lane{from.Number, to.Number}
	q := f.relay.lanes[way]
	if q == nil {
		q = f.relay.add(way)
	}
	q.delay = delay
	return nil
}

// Detour leads what a node sends to another site over the relay, or directly again.
func Detour(namespace *Namespace, to address.Site, on bool) error {
	inside, err := netlink.NewHandleAt(netns.NsHandle(namespace.file.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer inside.Close()
	wan, err := inside.LinkByName("wan0")
	if err != nil {
		return err
	}
	for _, n := range to.Nodes {
		route := &netlink.Route{LinkIndex: wan.Attrs().Index, Dst: ipNet(netip.PrefixFrom(n.WAN, 32)), Gw: address.Relay.AsSlice()}
		if on {
			err = inside.RouteReplace(route)
		} else if err = inside.RouteDel(route); errors.Is(err, unix.ESRCH) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("route to %s over the relay: %w", n.Name, err)
		}
	}
	return nil
}
