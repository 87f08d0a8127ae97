package device_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/device"
	"github.com/georedkit/georedkit/mesh/meshtest"
)

// The test binary started again is one machine: a process in network and mount namespaces of its own, that does what
// the lines on its standard input ask for.
const childVariable = "GEOREDKIT_TEST_MACHINE"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "machine:", err)
		os.Exit(1)
	}
}

type request struct {
	Op       string
	Device   mesh.Device
	Key      string
	Name     string
	Addrs    []netip.Addr
	Prefixes []netip.Prefix
	Packet   meshtest.Packet
	Wait     time.Duration
}

type response struct {
	State     mesh.DeviceState
	Answered  bool
	InProcess bool
	MTU       int
	Routed    map[netip.Addr][]netip.Prefix
	Err       string
	NotExist  bool
}

func serve() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil { // each machine has its own control sockets
		return fmt.Errorf("mount /run: %w", err)
	}
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	in.Buffer(nil, 1<<20)
	m := &machine{}
	for in.Scan() {
		var q request
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			return err
		}
		var r response
		if err := m.do(q, &r); err != nil {
			r.Err, r.NotExist = err.Error(), errors.Is(err, os.ErrNotExist)
		}
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return in.Err()
}

type machine struct {
	tunnel   *device.Tunnel
	occupied net.PacketConn // kept from the garbage collector
}

func (m *machine) do(q request, r *response) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	switch q.Op {
	case "occupy":
		m.occupied, err = net.ListenUDP("udp", &net.UDPAddr{Port: mesh.DefaultListenPort})
	case "listen":
		return listen(q.Addrs)
	case "exchange":
		r.Answered, err = exchange(q.Packet, q.Wait)
	case "read":
		r.State, err = device.Read(ctx, q.Name)
	case "down":
		err = device.Down(ctx, q.Name)
	case "route":
		err = device.Route(ctx, q.Prefixes, q.Addrs...)
	case "routed":
		r.Routed, err = device.Routed(ctx)
	case "echo":
		limited, cancel := context.WithTimeout(ctx, q.Wait)
		defer cancel()
		r.Answered, err = device.Echo(limited, q.Packet.From, q.Packet.To, q.Packet.Bytes)
	case "underlay":
		r.MTU, err = device.UnderlayMTU(ctx, q.Packet.To)
	case "hang":
		return readHanging(ctx, q)
	case "steal":
		err = steal(q)
	case "preshare":
		err = preshare(q)
	case "close":
		return m.tunnel.Close()
	case "up", "configure":
		key, keyErr := mesh.ParsePrivateKey(q.Key)
		if keyErr != nil {
			return keyErr
		}
		if q.Op == "configure" {
			return device.Configure(ctx, q.Device, key)
		}
		tunnel, upErr := device.Up(ctx, q.Device, key)
		if err = upErr; tunnel != nil {
			if r.InProcess = tunnel.InProcess(); r.InProcess {
				m.tunnel = tunnel
			}
		}
	default:
		err = fmt.Errorf("unknown request %q", q.Op)
	}
	return err
}

// steal gives a prefix to another peer behind our back, as another program with wgctrl would.
func steal(q request) error {
	c, err := wgctrl.New()
	if err != nil {
		return err
	}
	defer c.Close()
	p := q.Prefixes[0]
	return c.ConfigureDevice(q.Name, wgtypes.Config{Peers: []wgtypes.PeerConfig{{PublicKey: wgtypes.Key(q.Device.PublicKey.Bytes()), UpdateOnly: true,
		AllowedIPs: []net.IPNet{{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}}}})
}

// preshare gives a peer a preshared key.
func preshare(q request) error {
	c, err := wgctrl.New()
	if err != nil {
		return err
	}
	defer c.Close()
	return c.ConfigureDevice(q.Name, wgtypes.Config{Peers: []wgtypes.PeerConfig{{PublicKey: wgtypes.Key(q.Device.PublicKey.Bytes()), UpdateOnly: true, PresharedKey: &wgtypes.Key{1}}}})
}

// readHanging reads an interface whose process has stopped: its control socket takes connections and answers nothing.
func readHanging(ctx context.Context, q request) error {
	if err := os.MkdirAll("/run/wireguard", 0o700); err != nil {
		return err
	}
	socket, err := net.Listen("unix", "/run/wireguard/"+q.Name+".sock")
	if err != nil {
		return err
	}
	defer socket.Close()
	ctx, cancel := context.WithTimeout(ctx, q.Wait)
	defer cancel()
	_, err = device.Read(ctx, q.Name)
	return err
}

const echoPort = 7

func listen(addrs []netip.Addr) error {
	for _, addr := range addrs {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, echoPort)))
		if err != nil {
			return err
		}
		go echo(conn)
	}
	return nil
}

func echo(conn *net.UDPConn) {
	packet := make([]byte, 65536)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(packet)
		if err != nil {
			return
		}
		_, _ = conn.WriteToUDPAddrPort(packet[:n], from)
	}
}

// exchange sends until it is answered or the time is up. That there is no way at all counts as no answer.
func exchange(p meshtest.Packet, wait time.Duration) (bool, error) {
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.From, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.To, echoPort)))
	if errors.Is(err, unix.ENETUNREACH) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer conn.Close()
	payload := make([]byte, max(p.Bytes, 64)-28)
	for end := time.Now().Add(wait); time.Now().Before(end); {
		_, _ = conn.Write(payload)
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		began := time.Now()
		if _, err := conn.Read(payload); err == nil {
			return true, nil
		}
		time.Sleep(time.Until(began.Add(200 * time.Millisecond)))
	}
	return false, nil
}
