package kafkatest

import (
	"net"
	"sync"
)

// gate stands before a fake broker. While it is held nothing passes, as with a stopped process; while it is shut
// connections are cut, as with a dead one.
type gate struct {
	mu    sync.Mutex
	moved *sync.Cond
	held  bool
	shut  bool
	conns map[net.Conn]bool
}

func newGate() *gate {
	g := &gate{conns: map[net.Conn]bool{}}
	g.moved = sync.NewCond(&g.mu)
	return g
}

func (g *gate) set(held, shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held, g.shut = held, shut
	if shut {
		for c := range g.conns {
			_ = c.Close()
		}
	}
	g.moved.Broadcast()
}

// pass waits while the gate is held.
func (g *gate) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.held {
		g.moved.Wait()
	}
}

func (g *gate) listen(network, address string) (net.Listener, error) {
	inner, err := net.Listen(network, address)
	return gatedListener{inner, g}, err
}

type gatedListener struct {
	net.Listener
	gate *gate
}

func (l gatedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.gate.mu.Lock()
		shut := l.gate.shut
		l.gate.conns[conn] = !shut
		l.gate.mu.Unlock()
		if !shut {
			return gatedConn{conn, l.gate}, nil
		}
		_ = conn.Close()
	}
}

type gatedConn struct {
	net.Conn
	gate *gate
}

func (c gatedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.gate.pass()
	return n, err
}

func (c gatedConn) Write(b []byte) (int, error) {
	c.gate.pass()
	return c.Conn.Write(b)
}

func (c gatedConn) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.conns, c.Conn)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}
