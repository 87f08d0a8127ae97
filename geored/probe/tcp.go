package probe

import (
	"context"
	"fmt"
	"net"
	"time"
)

// TCP asks whether a connection to an address can be made.
type TCP struct {
	Address string        `json:"address"`           // host:port
	Timeout time.Duration `json:"timeout,omitempty"` // zero: 3 s
}

// TCPAnswer is a connection that was made.
type TCPAnswer struct {
	Local  string        `json:"local"`  // the address it came from
	Remote string        `json:"remote"` // the address it reached
	Took   time.Duration `json:"took"`
}

func (TCP) question() string { return "tcp" }

func (q TCP) answer(ctx context.Context) (TCPAnswer, error) {
	began := time.Now()
	dialer := net.Dialer{Timeout: timeoutOr(q.Timeout, 3*time.Second)}
	conn, err := dialer.DialContext(ctx, "tcp", q.Address)
	if err != nil {
		return TCPAnswer{}, err
	}
	defer conn.Close()
	return TCPAnswer{conn.LocalAddr().String(), conn.RemoteAddr().String(), time.Since(began)}, nil
}

// Bulk asks a [Listener] at an address to take a number of bytes and to say how many it got: small packets pass where
// large ones die.
type Bulk struct {
	Address string        `json:"address"`           // host:port of a listener's TCP sink
	Bytes   int64         `json:"bytes"`             // 1 to 64 MiB
	Timeout time.Duration `json:"timeout,omitempty"` // zero: 5 s
}

// BulkAnswer is a transfer that arrived whole.
type BulkAnswer struct {
	Bytes int64         `json:"bytes"`
	Took  time.Duration `json:"took"`
}

func (Bulk) question() string { return "bulk" }

const maxBulk = 64 << 20

func (q Bulk) answer(ctx context.Context) (BulkAnswer, error) {
	if q.Bytes < 1 || q.Bytes > maxBulk {
		return BulkAnswer{}, fmt.Errorf("bytes %d: not in 1 to %d", q.Bytes, maxBulk)
	}
	began, timeout := time.Now(), timeoutOr(q.Timeout, 5*time.Second)
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(ctx, "tcp", q.Address)
	if err != nil {
		return BulkAnswer{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(began.Add(timeout)); err != nil {
		return BulkAnswer{}, err
	}
	if err := sendBulk(conn.(*net.TCPConn), q.Bytes); err != nil {
		return BulkAnswer{}, fmt.Errorf("connected to %s, but %d bytes did not get through: %w", q.Address, q.Bytes, err)
	}
	return BulkAnswer{q.Bytes, time.Since(began)}, nil
}

func timeoutOr(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
