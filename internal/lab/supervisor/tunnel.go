package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/georedkit/georedkit/internal/lab/network"
)

// tunnel leads from an address of this machine to a site's API server. The address stays when the site stops.
type tunnel struct {
	listener net.Listener
	target   string
	inside   atomic.Pointer[network.Namespace] // nil while the site is stopped
}

// leadInside opens the site's tunnels; nil closes them.
func (s *site) leadInside(namespace *network.Namespace) {
	for _, t := range s.tunnels {
		t.inside.Store(namespace)
	}
}

// listen takes the port of an earlier life when it is still free.
func listen(port int, target string) (*tunnel, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil && port != 0 {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, err
	}
	t := &tunnel{listener: listener, target: target}
	go t.serve()
	return t, nil
}

func (t *tunnel) port() int { return t.listener.Addr().(*net.TCPAddr).Port }

// endpoint is where it begins.
func (t *tunnel) endpoint() string { return t.listener.Addr().String() }

func (t *tunnel) serve() {
	for {
		outer, err := t.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of files, most likely
			continue
		}
		go t.forward(outer)
	}
}

func (t *tunnel) forward(outer net.Conn) {
	defer outer.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	inner, err := t.dial(ctx)
	if err != nil {
		return
	}
	defer inner.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Either side may end first; the other still gets what is under way.
		_, _ = io.Copy(inner, outer)
		_ = inner.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(outer, inner)
	_ = outer.(*net.TCPConn).CloseWrite()
	<-done
}

func (t *tunnel) dial(ctx context.Context) (net.Conn, error) {
	inside := t.inside.Load()
	if inside == nil {
		return nil, errors.New("the site is stopped")
	}
	return inside.Dial(ctx, "tcp", t.target)
}
