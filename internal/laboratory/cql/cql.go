// Package cql has statements carried out by one node of a ring, for tests: apart from the package under test.
package cql

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/gocql/gocql"
)

// Node is one node, and who asks it.
type Node struct {
	Address        string
	User, Password string
	Dial           func(ctx context.Context, network, address string) (net.Conn, error)
}

// Execute carries statements out one after the other, through this node alone.
func (n Node) Execute(ctx context.Context, consistency gocql.Consistency, statements ...string) error {
	c := gocql.NewCluster(n.Address)
	c.ProtoVersion, c.DisableInitialHostLookup, c.Consistency, c.Dialer = 4, true, consistency, dialer(n.Dial)
	c.Authenticator = gocql.PasswordAuthenticator{Username: n.User, Password: n.Password}
	c.Timeout, c.ConnectTimeout, c.Logger = 30*time.Second, 10*time.Second, quiet{}
	session, err := c.CreateSession()
	if err != nil {
		return err
	}
	defer session.Close()
	for _, s := range statements {
		if err := session.Query(s).WithContext(ctx).Exec(); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d(ctx, network, address)
}

type quiet struct{}

func (quiet) Print(...any)          {}
func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}
