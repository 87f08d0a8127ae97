package credstest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
)

// Options say what cluster is wanted.
type Options struct {
	Site      geored.SiteName // Required
	Instances int             // API servers; zero: one
	Clock     geored.Clock    // zero: geored.SystemClock
}

// Cluster is a pretended cluster.
type Cluster struct {
	Site      geored.SiteName
	Authority Authority
	Issuer    Issuer
	Admin     creds.Token // may do everything
	Host      string      // name of the API server for clients, which its certificate names

	clock     geored.Clock
	foreign   Authority
	instances []*instance

	mu      sync.Mutex
	objects map[ref]object
	version int
	faults  map[Fault]bool
	pending map[ref]bool // token Secrets that the controller has not seen yet
}

// instance is one API server.
type instance struct {
	number  int
	address string // as the cluster lists it
	server  *httptest.Server
	taken   map[string]time.Time // tokens that were accepted, and when
}

// Port is the port of every API server.
const Port = "6443"

// New starts a cluster and ends it with the test. Its API servers are reached through [Cluster.Dial] alone: by its name,
// and by the addresses 192.0.2.1, 192.0.2.2 and so on.
func New(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.Clock == nil {
		o.Clock = geored.SystemClock()
	}
	site := string(o.Site)
	c := &Cluster{Site: o.Site, Host: "api." + site + ".example", clock: o.Clock, objects: map[ref]object{}, faults: map[Fault]bool{}, pending: map[ref]bool{},
		Authority: NewAuthority(t, "kubernetes of "+site, o.Clock.Now()), foreign: NewAuthority(t, "kubernetes of another", o.Clock.Now()),
		Issuer: Issuer{Name: "https://kubernetes.default.svc." + site, Key: "signs for " + site}, Admin: seal(t, "administrator-of-"+site)}
	addresses := []string{}
	for n := range max(o.Instances, 1) {
		addresses = append(addresses, fmt.Sprintf("192.0.2.%d", n+1))
	}
	serving := c.Authority.Serving(t, append(addresses, c.Host, "kubernetes", "kubernetes.default.svc")...)
	for n, address := range addresses {
		i := &instance{number: n, address: address, taken: map[string]time.Time{}}
		i.server = httptest.NewUnstartedServer(c.handler(i))
		i.server.TLS = &tls.Config{Certificates: []tls.Certificate{serving}}
		i.server.Config.ErrorLog = log.New(io.Discard, "", 0)
		i.server.StartTLS()
		t.Cleanup(i.server.Close)
		c.instances = append(c.instances, i)
	}
	c.seed(addresses)
	return c
}

// URL is where clients find the cluster.
func (c *Cluster) URL() string { return "https://" + net.JoinHostPort(c.Host, Port) }

// Dial connects to the API server that has an address, whatever the name servers of this machine say; to the first one
// when it is the cluster's name. Give it to clients, as rest.Config.Dial.
func (c *Cluster) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	for _, i := range c.instances {
		if port == Port && (host == c.Host || host == i.address) {
			if c.cut(i.number) {
				return nil, errors.New("connect to " + address + ": connection refused")
			}
			var d net.Dialer
			return d.DialContext(ctx, network, i.server.Listener.Addr().String())
		}
	}
	return nil, errors.New("connect to " + address + ": no route to host")
}

// handler is the API of one API server.
func (c *Cluster) handler(i *instance) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.cut(i.number) { // a connection that was kept
			hangUp(w)
			return
		}
		if d := c.slowness(); d > 0 && c.clock.Sleep(r.Context(), d) != nil {
			return
		}
		c.serve(i, w, r)
	})
}

func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close() // whoever asked sees it end
	}
}
