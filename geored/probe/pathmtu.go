package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// PathMTU asks for the largest packet that reaches a [Listener]'s UDP echo without being taken apart. It is found with
// packets that may not be fragmented, whatever the kernel believes of the path, so a router that drops them in silence
// is seen too.
type PathMTU struct {
	Address string        `json:"address"`           // IP:port of the echo
	Min     int           `json:"min,omitempty"`     // smallest packet tried, in bytes with its IP header; zero: 576
	Max     int           `json:"max,omitempty"`     // largest; zero: 1500
	Tries   int           `json:"tries,omitempty"`   // per size; zero: 2
	Timeout time.Duration `json:"timeout,omitempty"` // per try; zero: 300 ms
}

// PathMTUAnswer is the largest packet that came through.
type PathMTUAnswer struct {
	MTU  int           `json:"mtu"` // bytes with the IP header
	Took time.Duration `json:"took"`
}

func (PathMTU) question() string { return "path-mtu" }

const (
	tokenSize  = 8             // tells the answers to one datagram from those to another
	echoSize   = tokenSize + 4 // the smallest answer
	udpHeader  = 8
	ipv4Header = 20
	ipv6Header = 40
)

func (q PathMTU) answer(ctx context.Context) (PathMTUAnswer, error) {
	began := time.Now()
	address, err := netip.ParseAddrPort(q.Address)
	if err != nil {
		return PathMTUAnswer{}, err
	}
	q = q.withDefaults()
	if q.Min > q.Max || q.Min < 68 || q.Max > 65535 {
		return PathMTUAnswer{}, fmt.Errorf("sizes %d to %d: not in 68 to 65535", q.Min, q.Max)
	}
	conn, err := dialUnfragmented(ctx, address)
	if err != nil {
		return PathMTUAnswer{}, err
	}
	defer conn.Close()
	p := packets{conn: conn, header: ipv4Header + udpHeader, PathMTU: q}
	if address.Addr().Is6() && !address.Addr().Is4In6() {
		p.header = ipv6Header + udpHeader
	}
	mtu, err := p.largest(ctx)
	return PathMTUAnswer{mtu, time.Since(began)}, err
}

func (q PathMTU) withDefaults() PathMTU {
	if q.Min == 0 {
		q.Min = 576
	}
	if q.Max == 0 {
		q.Max = 1500
	}
	if q.Tries == 0 {
		q.Tries = 2
	}
	q.Timeout = timeoutOr(q.Timeout, 300*time.Millisecond)
	return q
}

type packets struct {
	PathMTU
	conn   *net.UDPConn
	header int
}

// largest searches between the sizes; that the smallest comes through is what tells a small path from none at all.
func (p packets) largest(ctx context.Context) (int, error) {
	if ok, err := p.answers(ctx); err != nil || !ok {
		return 0, errors.Join(fmt.Errorf("not even %d bytes reach %s and come back", p.Min, p.Address), err)
	}
	low := p.Min
	for {
		found, err := p.between(ctx, low, p.Max)
		if err != nil || found == p.Max {
			return found, err
		}
		// A packet that was lost or late looks like a narrow path: the next size is asked for again, and waited for longer.
		p.Tries, p.Timeout = 2*p.Tries, 2*p.Timeout
		ok, err := p.passes(ctx, found+1)
		if err != nil || !ok {
			return found, err
		}
		low = found + 1 // the rest of the search is as patient
	}
}

// answers says whether the smallest size passes, and asks for it more and more patiently: nothing else tells a path that
// carries nothing from a machine that is busy.
func (p packets) answers(ctx context.Context) (bool, error) {
	for range 3 {
		if ok, err := p.passes(ctx, p.Min); err != nil || ok {
			return ok, err
		}
		p.Tries, p.Timeout = p.Tries+1, 2*p.Timeout
	}
	return false, nil
}

// between searches for the largest size that passes; low does. Most paths carry the largest of all, which is tried first.
func (p packets) between(ctx context.Context, low, high int) (int, error) {
	for middle := high; low < high; middle = (low + high + 1) / 2 {
		ok, err := p.passes(ctx, middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low, nil
}

func (p packets) passes(ctx context.Context, size int) (bool, error) {
	packet := make([]byte, size-p.header)
	for range p.Tries {
		if err := ctx.Err(); err != nil {
			return false, context.Cause(ctx)
		}
		if _, err := rand.Read(packet[:tokenSize]); err != nil {
			return false, err
		}
		if _, err := p.conn.Write(packet); err != nil {
			if isTooLong(err) {
				return false, nil
			}
			continue // a refusal that an earlier packet brought about
		}
		if p.echoed(packet) {
			return true, nil
		}
	}
	return false, nil
}

// echoed waits for the reply to this very packet.
func (p packets) echoed(packet []byte) bool {
	if err := p.conn.SetReadDeadline(time.Now().Add(p.Timeout)); err != nil {
		return false
	}
	reply := make([]byte, echoSize)
	for {
		n, err := p.conn.Read(reply)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return false
		}
		if err == nil && n == len(reply) && string(reply[:tokenSize]) == string(packet[:tokenSize]) {
			return int(binary.BigEndian.Uint32(reply[tokenSize:])) == len(packet)
		}
		if errors.Is(err, net.ErrClosed) {
			return false
		}
	}
}
