package servers

import (
	"io"
	"net"
	"sync"
)

// link forwards TCP connections and can be cut as a network is: what is sent stays under way, nothing is refused, and
// after the mend it goes on.
type link struct {
	address, to string
	listener    net.Listener

	mu     sync.Mutex
	moved  *sync.Cond
	isCut  bool
	closed bool
	conns  []net.Conn
}

func newLink(address, to string) (*link, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &link{address: address, to: to, listener: listener}
	l.moved = sync.NewCond(&l.mu)
	go l.serve()
	return l, nil
}

func (l *link) serve() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return // closed
		}
		go l.forward(near)
	}
}

func (l *link) forward(near net.Conn) {
	if !l.pass(near) {
		return
	}
	far, err := net.Dial("tcp", l.to)
	if err != nil {
		_ = near.Close()
		return
	}
	if !l.pass(far) {
		return
	}
	go l.copy(far, near)
	l.copy(near, far)
}

// copy ends both directions when one ends.
func (l *link) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if !l.pass(nil) {
			return
		}
		if _, failed := to.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
	}
}

// pass waits while the link is cut, and keeps a new connection for the end. It is false once the link is closed.
func (l *link) pass(conn io.Closer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := conn.(net.Conn); ok {
		l.conns = append(l.conns, c)
	}
	for l.isCut && !l.closed {
		l.moved.Wait()
	}
	return !l.closed
}

func (l *link) cut(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = on
	l.moved.Broadcast()
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	_ = l.listener.Close()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.moved.Broadcast()
}
