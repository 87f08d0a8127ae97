package cassandra

import (
	"context"
	"errors"
	"net/netip"
	"sync"
)

// Cluster is one ring over several sites. It is safe for concurrent use.
type Cluster struct {
	Config

	mu       sync.Mutex
	sessions map[netip.AddrPort]*slot
	hosts    map[netip.AddrPort]string // IDs of the nodes that answered there last
}

// slot holds the session to one node; its mutex lets only one attempt at a time open it.
type slot struct {
	mu      sync.Mutex
	session Session
	number  int // of the session: each has another
}

// Open checks the configuration and reports every fault of it as [geored.Faults]. Connections are made when they are
// needed; [Cluster.Close] ends them.
func Open(c Config) (*Cluster, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Cluster{Config: c.withDefaults(), sessions: map[netip.AddrPort]*slot{}, hosts: map[netip.AddrPort]string{}}, nil
}

// Close ends all connections. The cluster can be used again afterwards; it will connect anew.
func (c *Cluster) Close() {
	c.mu.Lock()
	slots := c.sessions
	c.sessions = map[netip.AddrPort]*slot{}
	c.mu.Unlock()
	for _, s := range slots {
		s.drop(whichever)
	}
}

// answeredAt remembers where a node answered.
func (c *Cluster) answeredAt(address netip.AddrPort, hostID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts[address] = hostID
}

// hostAt is the node that answered there last; zero: none did.
func (c *Cluster) hostAt(address netip.AddrPort) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hosts[address]
}

func (c *Cluster) slot(node netip.AddrPort) *slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[node]
	if s == nil {
		s = &slot{}
		c.sessions[node] = s
	}
	return s
}

// query asks one node, over a connection that is kept while it works.
func (c *Cluster) query(ctx context.Context, node netip.AddrPort, q Query, each func(Row) error) error {
	slot := c.slot(node)
	session, number, err := slot.open(ctx, func() (Session, error) { return c.Connect(ctx, node) })
	if err != nil {
		return err
	}
	err = session.Query(ctx, q, each)
	if errors.Is(err, ErrUnreachable) {
		slot.drop(number)
	}
	return err
}

func (s *slot) open(ctx context.Context, connect func() (Session, error)) (session Session, number int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil {
		return s.session, s.number, nil
	}
	if ctx.Err() != nil {
		return nil, 0, context.Cause(ctx)
	}
	if session, err = connect(); err != nil {
		return nil, 0, err
	}
	s.session = session
	s.number++
	return s.session, s.number, nil
}

const whichever = 0 // no session's number

// drop closes the session that failed, unless another has taken its place. Sessions are told apart by number: whoever makes
// them may give a type that cannot be compared.
func (s *slot) drop(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil && (number == whichever || number == s.number) {
		s.session.Close()
		s.session = nil
	}
}
