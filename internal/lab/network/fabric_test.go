package network

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/georedkit/georedkit/internal/lab/address"
)

// world is sites that are nothing but network.
type world struct {
	*Fabric
	sites []address.Site
	nodes []*Namespace
}

func newWorld(t *testing.T) world {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("namespaces need root")
	}
	sites, err := address.Plan([]string{"a", "b", "c"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	fabric, err := NewFabric(sites)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fabric.Close() })
	w := world{Fabric: fabric, sites: sites}
	for _, site := range sites {
		namespace, err := NewNamespace()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { namespace.Close() })
		if err := fabric.Plug(site, site.Nodes[0], namespace); err != nil {
			t.Fatal(err)
		}
		w.nodes = append(w.nodes, namespace)
	}
	return w
}

// send sends a packet of a length from one site to another and tells how long it was under way, and whether it arrived.
func (w world) send(t *testing.T, from, to, length int) (took time.Duration, arrived bool) {
	t.Helper()
	var receiver net.PacketConn
	err := w.nodes[to].Run(func() (err error) {
		receiver, err = net.ListenPacket("udp4", w.sites[to].Nodes[0].WAN.String()+":0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	sender, err := w.nodes[from].Dial(t.Context(), "udp4", receiver.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	if err := receiver.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	if _, err := sender.Write(make([]byte, length-28)); err != nil {
		t.Fatal(err)
	}
	_, source, err := receiver.ReadFrom(make([]byte, 1500))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, false
	}
	if err != nil || source.String() != sender.LocalAddr().String() {
		t.Fatalf("it came from %v, sent from %v: %v", source, sender.LocalAddr(), err)
	}
	return time.Since(started), true
}

// check sends again and again what must arrive: a busy machine loses packets by itself.
func (w world) check(t *testing.T, when string, from, to, length int, want bool) {
	t.Helper()
	_, got := w.send(t, from, to, length)
	for attempt := 0; want && !got && attempt < 20; attempt++ {
		_, got = w.send(t, from, to, length)
	}
	if got != want {
		t.Errorf("%s: %d bytes from %s to %s arrive: %t", when, length, w.sites[from].Name, w.sites[to].Name, got)
	}
}

func TestLosses(t *testing.T) {
	w := newWorld(t)
	for _, loss := range []Loss{Cut, Hole} {
		w.check(t, "before", 0, 1, 1500, true)
		if seen, err := w.SetLoss(loss, w.sites[0], w.sites[1], true); err != nil || len(seen) != 1 {
			t.Fatal(seen, err)
		}
		w.check(t, string(loss), 0, 1, HoleLength+1, false)
		w.check(t, string(loss), 0, 1, HoleLength, loss == Hole)
		w.check(t, string(loss)+", the other way", 1, 0, 1500, true)
		w.check(t, string(loss)+", elsewhere", 0, 2, 1500, true)
		if seen, err := w.SetLoss(loss, w.sites[0], w.sites[1], false); err != nil || len(seen) != 0 {
			t.Fatal(seen, err)
		}
		w.check(t, "mended", 0, 1, 1500, true)
	}
}

// A detour is late, keeps both addresses, and is cut like the straight way.
func TestDelay(t *testing.T) {
	w := newWorld(t)
	const delay = 60 * time.Millisecond
	for _, way := range [][2]int{{0, 1}, {1, 0}} {
		if err := w.SetDelay(w.sites[way[0]], w.sites[way[1]], delay); err != nil {
			t.Fatal(err)
		}
		if err := Detour(w.nodes[way[0]], w.sites[way[1]], true); err != nil {
			t.Fatal(err)
		}
		if took, arrived := w.send(t, way[0], way[1], 1500); arrived && took < delay {
			t.Errorf("%v: it took %v", way, took)
		}
		w.check(t, "late", way[0], way[1], 1500, true)
	}
	w.check(t, "elsewhere", 0, 2, 1500, true)
	if _, err := w.SetLoss(Cut, w.sites[0], w.sites[1], true); err != nil {
		t.Fatal(err)
	}
	w.check(t, "late and cut", 0, 1, 100, false)
	if _, err := w.SetLoss(Cut, w.sites[0], w.sites[1], false); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Detour(w.nodes[0], w.sites[1], false); err != nil {
			t.Fatal(err)
		}
	}
	w.check(t, "directly again", 0, 1, 100, true)
}

func TestDropICMP(t *testing.T) {
	w := newWorld(t)
	// A port where nobody listens is refused by ICMP.
	refused := func() bool {
		sender, err := w.nodes[0].Dial(t.Context(), "udp4", net.JoinHostPort(w.sites[1].Nodes[0].WAN.String(), "9"))
		if err != nil {
			t.Fatal(err)
		}
		defer sender.Close()
		if _, err := sender.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := sender.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, err = sender.Read(make([]byte, 1))
		return !errors.Is(err, os.ErrDeadlineExceeded)
	}
	w.check(t, "before", 0, 1, 100, true)
	if !refused() {
		t.Fatal("no ICMP before the fault")
	}
	for _, on := range []bool{true, true, false, false} {
		if err := w.nodes[1].DropICMP(on); err != nil {
			t.Fatal(err)
		}
		if refused() == on {
			t.Errorf("dropped %t: ICMP arrives: %t", on, on)
		}
		w.check(t, "UDP", 0, 1, 100, true)
	}
}
