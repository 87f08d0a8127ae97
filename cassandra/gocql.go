package cassandra

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/gocql/gocql"
)

// goCQL opens sessions by the gocql driver. The driver is kept from looking for other nodes: each session is bound to
// the node it was asked for.
type goCQL struct{ Config }

const (
	protocolVersion = 4 // spoken by every server from 2.2 to 5.0
	defaultPageSize = 5000
)

func (g goCQL) connect(ctx context.Context, node netip.AddrPort) (Session, error) {
	attempt := &attempt{goCQL: g, node: node}
	made := make(chan *gocql.Session, 1)
	failed := make(chan error, 1)
	go func() { // the driver takes no context
		if s, err := attempt.cluster().CreateSession(); err != nil {
			failed <- attempt.explain(err)
		} else {
			made <- s
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, g.ConnectTimeout+time.Second, ErrTimeout)
	defer cancel()
	select {
	case s := <-made:
		return goCQLSession{s}, nil
	case err := <-failed:
		return nil, err
	case <-ctx.Done():
		go func() {
			select {
			case s := <-made:
				s.Close()
			case <-failed:
			}
		}()
		return nil, fmt.Errorf("connect: %w", context.Cause(ctx))
	}
}

// attempt is one attempt to open a session; it keeps what the driver's flattened errors lose.
type attempt struct {
	goCQL
	node netip.AddrPort

	mu       sync.Mutex // the driver opens connections side by side
	dialErr  error      // of TCP or TLS
	asked    bool       // for credentials
	accepted bool
}

func (a *attempt) cluster() *gocql.ClusterConfig {
	c := gocql.NewCluster(a.node.String())
	c.ProtoVersion = protocolVersion
	c.DisableInitialHostLookup, c.IgnorePeerAddr = true, true
	c.Events.DisableNodeStatusEvents, c.Events.DisableTopologyEvents, c.Events.DisableSchemaEvents = true, true, true
	c.HostFilter = gocql.HostFilterFunc(func(h *gocql.HostInfo) bool {
		addr, _ := netip.AddrFromSlice(h.ConnectAddress())
		return netip.AddrPortFrom(addr.Unmap(), uint16(h.Port())) == a.node
	})
	c.NumConns = 2
	c.ReconnectInterval = 0
	c.ReconnectionPolicy = &gocql.ConstantReconnectionPolicy{MaxRetries: 1, Interval: time.Millisecond}
	c.Consistency = gocql.LocalOne
	c.Timeout, c.ConnectTimeout, c.WriteTimeout = a.Timeout, a.ConnectTimeout, a.Timeout
	c.HostDialer, c.Authenticator = a, a
	c.Logger = quiet{}
	return c
}

// DialHost opens the connection, with TLS when it is wanted.
func (a *attempt) DialHost(ctx context.Context, _ *gocql.HostInfo) (*gocql.DialedHost, error) {
	ctx, cancel := context.WithTimeout(ctx, a.ConnectTimeout)
	defer cancel()
	conn, err := a.Dial(ctx, "tcp", a.node.String())
	if err == nil && a.TLS != nil {
		conn, err = secure(ctx, conn, a.TLS, a.node.Addr().String())
	}
	a.note(func() { a.dialErr = err })
	if err != nil {
		return nil, err
	}
	return &gocql.DialedHost{Conn: conn, DisableCoalesce: a.TLS != nil}, nil
}

func secure(ctx context.Context, conn net.Conn, c *tls.Config, name string) (net.Conn, error) {
	if c.ServerName == "" && !c.InsecureSkipVerify {
		c = c.Clone()
		c.ServerName = name
	}
	secured := tls.Client(conn, c)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return secured, nil
}

// Challenge answers the server's question for credentials.
func (a *attempt) Challenge(class []byte) ([]byte, gocql.Authenticator, error) {
	a.note(func() { a.asked = true })
	if a.User == "" {
		return nil, nil, errors.New("it asks for a password and there is none")
	}
	return gocql.PasswordAuthenticator{Username: a.User, Password: string(a.Password)}.Challenge(class)
}

// Success is told when the credentials were accepted.
func (a *attempt) Success([]byte) error {
	a.note(func() { a.accepted = true })
	return nil
}

func (a *attempt) note(set func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	set()
}

// explain says what went wrong and what to do about it.
func (a *attempt) explain(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var notTLS tls.RecordHeaderError
	switch {
	case errors.As(a.dialErr, &notTLS):
		return fmt.Errorf("connect: the node does not speak TLS: leave TLS out: %w", a.dialErr)
	case a.dialErr != nil:
		return fmt.Errorf("connect: %w", errors.Join(ErrUnreachable, a.dialErr))
	case a.asked && !a.accepted:
		return fmt.Errorf("log in as %q: check user and password, and that system_auth is replicated to this site: %w", a.User, err)
	}
	return fmt.Errorf("connect: no answer in CQL protocol version %d; does the node expect TLS?: %w", protocolVersion, errors.Join(ErrUnreachable, err))
}

// quiet is the driver's log: what matters comes back as an error.
type quiet struct{}

func (quiet) Print(...any)          {}
func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

type goCQLSession struct{ *gocql.Session }

func (s goCQLSession) Query(ctx context.Context, q Query, each func(Row) error) error {
	size := q.PageSize
	if size <= 0 {
		size = defaultPageSize
	}
	iter := s.Session.Query(q.CQL, q.Args...).WithContext(ctx).Consistency(gocql.LocalOne).PageSize(size).Iter()
	raw := newRawRow(iter.Columns())
	for iter.Scan(raw.dest...) {
		raw.joinTuples()
		if err := each(raw.Row); err != nil {
			_ = iter.Close() // the reader's own error says more
			return err
		}
	}
	return classify(iter.Close())
}

// classify gives the driver's errors the meaning that [Session] promises.
func classify(err error) error {
	var late *gocql.RequestErrReadTimeout
	var server gocql.RequestError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &late), errors.Is(err, gocql.ErrTimeoutNoResponse):
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	case errors.As(err, &server), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// rawRow receives rows undecoded.
type rawRow struct {
	Row
	dest   []any
	tuples []tuple
}

// tuple is a column that the driver hands out element by element.
type tuple struct {
	column   int
	elements [][]byte
}

// rawCell takes a value as it is.
type rawCell struct{ at *[]byte }

func (c rawCell) UnmarshalCQL(_ gocql.TypeInfo, data []byte) error {
	*c.at = data
	return nil
}

func newRawRow(columns []gocql.ColumnInfo) *rawRow {
	r := &rawRow{Row: Row{Columns: make([]Column, len(columns)), Values: make([][]byte, len(columns))}}
	for i, column := range columns {
		r.Columns[i] = Column{column.Name}
		if t, ok := column.TypeInfo.(gocql.TupleTypeInfo); ok {
			elements := make([][]byte, len(t.Elems))
			for j := range elements {
				r.dest = append(r.dest, rawCell{&elements[j]})
			}
			r.tuples = append(r.tuples, tuple{i, elements})
			continue
		}
		r.dest = append(r.dest, rawCell{&r.Values[i]})
	}
	return r
}

// joinTuples puts tuples together again, as the wire had them. A tuple that is null looks like one of nulls.
func (r *rawRow) joinTuples() {
	for _, t := range r.tuples {
		var value []byte
		for _, element := range t.elements {
			value = appendValue(value, element)
		}
		r.Values[t.column] = value
	}
}

// appendValue writes a value as the protocol does: its length, -1 for null, and its bytes.
func appendValue(to, value []byte) []byte {
	if value == nil {
		return binary.BigEndian.AppendUint32(to, 0xffffffff)
	}
	to = binary.BigEndian.AppendUint32(to, uint32(len(value)))
	return append(to, value...)
}
