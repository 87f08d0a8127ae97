package cassandra

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/gocql/gocql"
)

// attempt is one attempt to open a session; it keeps what the driver's flattened errors lose.
type attempt struct {
	goCQL
	node netip.AddrPort

	mu       sync.Mutex // the driver opens connections side by side
	dialErr  error      // of TCP or TLS
	alert    error      // by which the server refused a certificate after the handshake, as it does in TLS 1.3
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
	c.NumConns = 1 // beside the one that the driver asks for news: each login costs the server a tenth of a second of hashing
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
		if conn, err = secure(ctx, conn, a.TLS, a.node.Addr().String()); err == nil {
			conn = alerted{conn, a}
		}
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

// alerted is a connection that remembers the server's last word.
type alerted struct {
	net.Conn
	attempt *attempt
}

func (c alerted) Read(to []byte) (int, error) {
	n, err := c.Conn.Read(to)
	if refusesCertificate(err) {
		c.attempt.note(func() { c.attempt.alert = err })
	}
	return n, err
}

// Challenge answers the server's question for credentials.
func (a *attempt) Challenge(class []byte) ([]byte, gocql.Authenticator, error) {
	a.note(func() { a.asked = true })
	if a.User == "" {
		return nil, nil, errors.New("it asks for a password and there is none")
	}
	return gocql.PasswordAuthenticator{Username: a.User, Password: a.Password.Reveal()}.Challenge(class)
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

// quiet is the driver's log: what matters comes back as an error.
type quiet struct{}

func (quiet) Print(...any)          {}
func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}
