package objecttest

import (
	"context"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Relay is a long way to a server: TCP connections through it take a round-trip time more, and can be cut.
type Relay struct {
	URL string

	target   string
	listener net.Listener

	mu     sync.Mutex
	delay  time.Duration // one way
	budget int64         // bytes from the server until all connections break; below 0: no limit
	cuts   int
	conns  map[net.Conn]struct{}
}

// NewRelay stands before the server at the URL until the test ends.
func NewRelay(t testing.TB, server string) *Relay {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(context.WithoutCancel(t.Context()), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{target: u.Host, listener: listener, budget: -1, conns: map[net.Conn]struct{}{}}
	u.Host = listener.Addr().String()
	r.URL = u.String()
	t.Cleanup(func() {
		listener.Close()
		r.Cut()
	})
	go r.accept()
	return r
}

// SetRoundTrip sets the time that the way adds, there and back.
func (r *Relay) SetRoundTrip(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay = d / 2
}

// CutAfter breaks all connections once the server has sent n more bytes. From then on nothing gets through, not even a
// request, until [Relay.Mend].
func (r *Relay) CutAfter(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.budget = n
}

// Mend lets new connections through again.
func (r *Relay) Mend() { r.CutAfter(-1) }

// Cut breaks the connections that there are.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		conn.Close()
	}
}

// Cuts counts the connections that [Relay.CutAfter] broke.
func (r *Relay) Cuts() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cuts
}

func (r *Relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", r.target)
		if err != nil {
			near.Close()
			continue
		}
		r.mu.Lock()
		r.conns[near], r.conns[far] = struct{}{}, struct{}{}
		r.mu.Unlock()
		go r.pipe(far, near, false)
		go r.pipe(near, far, true)
	}
}

type parcel struct {
	due  time.Time
	data []byte
}

// pipe carries bytes one way; each piece arrives the delay after it was sent, however many are on the way.
func (r *Relay) pipe(to, from net.Conn, answers bool) {
	way := make(chan parcel, 4096)
	go func() {
		defer close(way)
		for {
			buf := make([]byte, 32<<10)
			n, err := from.Read(buf)
			if n > 0 {
				way <- parcel{r.due(), buf[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range way {
		time.Sleep(time.Until(p.due))
		if r.severed(int64(len(p.data)), answers) {
			break
		}
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	to.Close()
	from.Close()
	for range way { // until the reader has noticed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, to)
	delete(r.conns, from)
}

func (r *Relay) due() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.delay)
}

// severed takes the bytes of an answer off the budget and says whether it is used up.
func (r *Relay) severed(n int64, answer bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.budget < 0 {
		return false
	}
	if answer {
		r.budget = max(0, r.budget-n)
	}
	if r.budget == 0 {
		r.cuts++
	}
	return r.budget == 0
}
