package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/device"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// Questions are the handlers of what an agent can be asked; package gateway has their names.
func Questions() map[string]probe.Handler {
	return map[string]probe.Handler{
		gateway.AskDevice: probe.HandlerFunc(func(ctx context.Context, q gateway.DeviceQuestion) (mesh.DeviceState, error) {
			return device.Read(ctx, q.Interface)
		}),
		gateway.AskSupport: probe.HandlerFunc(func(ctx context.Context, q gateway.DeviceQuestion) (gateway.Support, error) {
			return device.Support(ctx, q.Interface)
		}),
		gateway.AskHandshakes: probe.HandlerFunc(sample),
		gateway.AskRoutes: probe.HandlerFunc(func(ctx context.Context, _ struct{}) (map[netip.Addr][]netip.Prefix, error) {
			return device.Routed(ctx)
		}),
		gateway.AskLinkMTU: probe.HandlerFunc(func(ctx context.Context, q gateway.LinkQuestion) (int, error) {
			return device.LinkMTU(ctx, q.To)
		}),
	}
}

func sample(ctx context.Context, q gateway.SampleQuestion) (mesh.Sample, error) {
	var s mesh.Sample
	var err error
	if s.Before, err = device.Read(ctx, q.Interface); err != nil {
		return s, err
	}
	s.Probes = speak(ctx, q)
	s.After, err = device.Read(ctx, q.Interface)
	return s, err
}

// speak sends to all peers at once.
func speak(ctx context.Context, q gateway.SampleQuestion) map[mesh.PublicKey]mesh.Probe {
	timeout := q.Timeout
	if timeout <= 0 {
		timeout = 2 * time.Second
	}
	targets, keys := []geored.Target{}, map[string]mesh.PublicKey{}
	for key := range q.Through {
		targets = append(targets, geored.Target{Name: key.String()})
		keys[key.String()] = key
	}
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (mesh.Probe, error) {
		through := q.Through[keys[t.Name]]
		if through.Port() == 0 {
			return ping(ctx, q.From, through.Addr(), timeout), nil
		}
		return echo(ctx, q.From, through, timeout), nil
	}, geored.AskBudget(timeout+time.Second))
	probes := map[mesh.PublicKey]mesh.Probe{}
	for t, p := range answers.All() {
		probes[keys[t.Name]] = p
	}
	return probes
}

// echoTries are sent within the timeout: the first packet may be lost while the handshake it asked for is made.
const echoTries = 4

// ping asks a machine's kernel, by ICMP first, and where that is dropped by connections that it refuses.
func ping(ctx context.Context, from, to netip.Addr, timeout time.Duration) mesh.Probe {
	var unsent error // a firewall may forbid it already here
	for range echoTries / 2 {
		try, cancel := context.WithTimeout(ctx, timeout/echoTries)
		answered, err := device.Echo(try, from, to, mesh.ProbeBytes)
		cancel()
		if unsent = err; err != nil {
			break
		}
		if answered {
			return mesh.Probe{Sent: true, Answered: true, Bytes: mesh.ProbeBytes, Detail: fmt.Sprintf("%s answered ICMP", to)}
		}
	}
	if knock(ctx, from, netip.AddrPortFrom(to, discardPort), timeout/2) {
		return mesh.Probe{Sent: true, Answered: true, Bytes: knocks * refusal, Detail: fmt.Sprintf("%s answered TCP; ICMP it does not", to)}
	}
	if unsent != nil {
		return mesh.Probe{Detail: unsent.Error()}
	}
	return mesh.Probe{Sent: true, Detail: fmt.Sprintf("%s answered neither ICMP nor TCP within %s", to, timeout)}
}

// discardPort is one at which hardly anybody listens (RFC 863), and a refusal is an answer too.
const discardPort = 9

// refusal is the least that comes back for a connection, in bytes; knocks are so many that it weighs as much as a probe.
const (
	refusal = 40 // headers of IPv4 and TCP
	knocks  = mesh.ProbeBytes/refusal + 1
)

// knock says whether every one of the connections was refused or taken, which only the other kernel can do.
func knock(ctx context.Context, from netip.Addr, to netip.AddrPort, timeout time.Duration) bool {
	dialer := net.Dialer{Timeout: timeout}
	if from.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	answers := make(chan bool)
	for range knocks {
		go func() {
			conn, err := dialer.DialContext(ctx, "tcp", to.String())
			if err == nil {
				conn.Close()
			}
			answers <- err == nil || errors.Is(err, syscall.ECONNREFUSED)
		}()
	}
	all := true
	for range knocks {
		all = <-answers && all
	}
	return all
}

func echo(ctx context.Context, from netip.Addr, address netip.AddrPort, timeout time.Duration) mesh.Probe {
	clock := geored.SystemClock()
	dialer := net.Dialer{}
	if from.IsValid() {
		dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	conn, err := dialer.DialContext(ctx, "udp", address.String())
	if err != nil {
		return mesh.Probe{Detail: err.Error()}
	}
	defer conn.Close()
	header := udpHeader + ipv4Header
	if address.Addr().Is6() {
		header = udpHeader + ipv6Header
	}
	p := mesh.Probe{Sent: true}
	packet, reply := probe.EchoDatagram(mesh.ProbeBytes-header), make([]byte, mesh.ProbeBytes)
	for range echoTries {
		// An error here is what an earlier packet brought about, or passes: the next try tells.
		_, _ = conn.Write(packet)
		if err := conn.SetReadDeadline(time.Now().Add(timeout / echoTries)); err != nil {
			p.Detail = err.Error()
			return p
		}
		n, err := conn.Read(reply)
		if err == nil {
			return mesh.Probe{Sent: true, Answered: true, Bytes: n + header, Detail: fmt.Sprintf("%s answered", address)}
		}
		p.Detail = fmt.Sprintf("%s did not answer within %s", address, timeout)
		if !errors.Is(err, os.ErrDeadlineExceeded) && clock.Sleep(ctx, timeout/echoTries) != nil {
			return p
		}
	}
	return p
}

// Bytes of headers.
const (
	udpHeader  = 8
	ipv4Header = 20
	ipv6Header = 40
)
