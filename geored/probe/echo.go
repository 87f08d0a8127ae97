package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strconv"
	"time"
)

// Echo asks to be the UDP echo of a [Listener] at any port, for a while: so the way to a port is tried before its program
// is there.
type Echo struct {
	Port uint16        `json:"port"`
	For  time.Duration `json:"for,omitempty"`  // at most; zero: 5 s
	Idle time.Duration `json:"idle,omitempty"` // it ends this long after the last datagram; zero: 1 s
}

// EchoAnswer is what came. When the port is taken the question is answered by an error.
type EchoAnswer struct {
	Datagrams int `json:"datagrams"`
}

func (Echo) question() string { return "echo" }

func (q Echo) answer(ctx context.Context) (EchoAnswer, error) {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", ":"+strconv.Itoa(int(q.Port)))
	if err != nil {
		return EchoAnswer{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	end, idle := time.Now().Add(timeoutOr(q.For, 5*time.Second)), timeoutOr(q.Idle, time.Second)
	var a EchoAnswer
	buffer := make([]byte, 64<<10)
	for wait := end; ; {
		if err := conn.SetReadDeadline(wait); err != nil {
			return a, err
		}
		n, from, err := conn.ReadFrom(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return a, nil
		}
		if err != nil {
			return a, err
		}
		if n < echoSize {
			continue
		}
		a.Datagrams++
		answerDatagram(conn, from, buffer, n)
		if wait = time.Now().Add(idle); wait.After(end) {
			wait = end
		}
	}
}

// answerDatagram sends back a datagram's first eight bytes, its length, and as much more as the four bytes behind the
// token ask for, up to that length: on the way back there may be less room, or it may have to be filled.
func answerDatagram(conn net.PacketConn, to net.Addr, buffer []byte, n int) {
	wanted := int(binary.BigEndian.Uint32(buffer[tokenSize:]))
	binary.BigEndian.PutUint32(buffer[tokenSize:], uint32(n))
	_, _ = conn.WriteTo(buffer[:max(echoSize, min(wanted, n))], to)
}
