package main

import (
	"os"
	"time"

	"github.com/gocql/gocql"
)

// login is a user of the ring.
type login struct{ user, password string }

func ownLogin() login { return login{os.Getenv("CASSANDRA_USER"), os.Getenv("CASSANDRA_PASSWORD")} }

// dialRing opens a session with the site's own node, and no other.
func dialRing(site string, as login) (*gocql.Session, error) {
	return dial(ringNode(site), as, gocql.LocalOne)
}

func dial(host string, as login, consistency gocql.Consistency) (*gocql.Session, error) {
	c := gocql.NewCluster(host)
	c.ProtoVersion, c.DisableInitialHostLookup, c.Consistency = 4, true, consistency
	c.Authenticator = gocql.PasswordAuthenticator{Username: as.user, Password: as.password}
	c.Timeout, c.ConnectTimeout, c.Logger = 20*time.Second, 5*time.Second, noLog{}
	c.ReconnectInterval = 2 * time.Second
	return c.CreateSession()
}

type noLog struct{}

func (noLog) Print(...any)          {}
func (noLog) Printf(string, ...any) {}
func (noLog) Println(...any)        {}
