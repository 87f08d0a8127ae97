package main

import (
	"errors"
	"os"
	"sync"
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

// ring is a session that is opened anew when it fails: a pod comes back with another address.
type ring struct {
	site    string
	mutex   sync.Mutex
	session *gocql.Session
	tried   time.Time
	err     error // of the last try
}

// do asks the ring, and once more by a new session.
func (r *ring) do(ask func(*gocql.Session) error) error {
	session, err := r.renew(nil)
	if err != nil {
		return err
	}
	if err := ask(session); err == nil || errors.Is(err, gocql.ErrNotFound) {
		return err
	}
	if session, err = r.renew(session); err != nil {
		return err
	}
	return ask(session)
}

// renew gives another session than the one that failed. Tries that fail are a second apart: many may ask at once.
func (r *ring) renew(failed *gocql.Session) (*gocql.Session, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.session != failed {
		return r.session, nil
	}
	if r.err != nil && time.Since(r.tried) < time.Second {
		return nil, r.err
	}
	session, err := dialRing(r.site, ownLogin())
	r.tried, r.err = time.Now(), err
	if err != nil {
		return nil, err
	}
	if r.session != nil {
		r.session.Close()
	}
	r.session = session
	return session, nil
}
