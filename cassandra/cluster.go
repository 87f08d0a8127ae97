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
}

// slot holds the session to one node; its mutex lets only one attempt at a time open it.
type slot struct {
	mu      sync.Mutex
	session Session
}

// Open checks the configuration and reports every fault of it as [geored.Faults]. Connections are made when they are
// needed; [Cluster.Close] ends them.
func Open(c Config) (*Cluster, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Cluster{Config: c.withDefaults(), sessions: map[netip.AddrPort]*slot{}}, nil
}

// Close ends all connections. The cluster can be used again afterwards; it will connect anew.
func (c *Cluster) Close() {
	c.mu.Lock()
	slots := c.sessions
	c.sessions = map[netip.AddrPort]*slot{}
	c.mu.Unlock()
	for _, s := range slots {
		s.drop(nil)
	}
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
	session, err := slot.open(ctx, func() (Session, error) { return c.Connect(ctx, node) })
	if err != nil {
		return err
	}
	err = session.Query(ctx, q, each)
	if errors.Is(err, ErrUnreachable) {
		slot.drop(session)
	}
	return err
}

func (s *slot) open(ctx context.Context, connect func() (Session, error)) (Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil {
		return s.session, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	session, err := connect()
	if err == nil {
		s.session = session
	}
	return session, err
}

// drop closes the session that failed, unless another has taken its place; nil stands for whichever there is.
func (s *slot) drop(failed Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil && (failed == nil || s.session == failed) {
		s.session.Close()
		s.session = nil
	}
}
