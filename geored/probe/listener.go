package probe

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Ports of a listener.
const (
	HTTPPort = 8080 // answers with an [Identity]
	SinkPort = 8081 // TCP sink of [Bulk]
	EchoPort = 8082 // UDP echo of [PathMTU]
)

// Identity is who answers a probe's HTTP requests.
type Identity struct {
	Site   string `json:"site"`
	Pod    string `json:"pod"`
	Caller string `json:"caller"` // address the request came from, as seen by the listener
}

// Listener is the far end of the questions of this package.
type Listener struct {
	Site, Pod string
	Host      string // address to listen on; zero: all
}

// Listen serves until the context ends.
func (l Listener) Listen(ctx context.Context) error {
	var config net.ListenConfig
	address := func(port int) string { return net.JoinHostPort(l.Host, fmt.Sprint(port)) }
	web, err := config.Listen(ctx, "tcp", address(HTTPPort))
	if err != nil {
		return err
	}
	defer web.Close()
	sink, err := config.Listen(ctx, "tcp", address(SinkPort))
	if err != nil {
		return err
	}
	defer sink.Close()
	echo, err := config.ListenPacket(ctx, "udp", address(EchoPort))
	if err != nil {
		return err
	}
	defer echo.Close()
	server := &http.Server{Handler: http.HandlerFunc(l.identify), ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 3)
	go func() { ended <- server.Serve(web) }()
	go func() { ended <- serveSink(sink) }()
	go func() { ended <- serveEcho(echo) }()
	defer server.Close()
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

func (l Listener) identify(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	// The client is gone when this fails; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(Identity{l.Site, l.Pod, r.RemoteAddr})
}

func serveSink(listener net.Listener) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go takeBulk(conn)
	}
}

// takeBulk reads to the end and says how much there was.
func takeBulk(conn net.Conn) {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return
	}
	n, err := io.Copy(io.Discard, io.LimitReader(conn, maxBulk+1))
	if err == nil {
		_, _ = conn.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
}

// sendBulk sends n bytes and holds the sink's count against them.
func sendBulk(conn *net.TCPConn, n int64) error {
	if _, err := io.CopyN(conn, zeroes{}, n); err != nil {
		return err
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	var count [8]byte
	if _, err := io.ReadFull(conn, count[:]); err != nil {
		return fmt.Errorf("the far end did not confirm: %w", err)
	}
	if got := int64(binary.BigEndian.Uint64(count[:])); got != n {
		return fmt.Errorf("the far end got %d bytes", got)
	}
	return nil
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// serveEcho answers every datagram.
func serveEcho(conn net.PacketConn) error {
	buffer := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err == nil && n >= echoSize {
			answerDatagram(conn, from, buffer, n)
		}
	}
}

// EchoDatagram is a datagram for the UDP echo of a [Listener] that asks for an answer of the same size; at least 12
// bytes.
func EchoDatagram(size int) []byte {
	datagram := make([]byte, max(size, echoSize))
	binary.BigEndian.PutUint32(datagram[tokenSize:], uint32(len(datagram)))
	return datagram
}
