package cassandra

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Site is one data center of the ring, and where it can be reached.
type Site struct {
	Name       geored.SiteName
	DataCenter string   // as Cassandra names it; zero: Name
	Nodes      []string // contact points, host or host:port; port 9042 without one. The other nodes are found through them
}

func (s Site) dataCenter() string {
	if s.DataCenter != "" {
		return s.DataCenter
	}
	return string(s.Name)
}

// Config is how a ring is reached. Sites is required; the zero value of everything else is usable.
type Config struct {
	Sites          []Site
	User           string // zero: the servers ask for no password
	Password       Password
	TLS            *tls.Config   // zero: plain connections. The server's name is checked against its address unless ServerName is set. Certificates are for servers that want one of their clients
	ConnectTimeout time.Duration // to a connection that can be used; zero: 5 seconds
	Timeout        time.Duration // for one request, which is one page of a read; zero: 30 seconds
	Clock          geored.Clock  // zero: [geored.SystemClock]
	Logger         *slog.Logger  // zero: none

	// Dial opens the TCP connections, for instance through a port-forward. Zero: [net.Dialer].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Resolve gives the addresses that the name of a contact point stands for, at each look anew. Zero: the system's.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Connect opens the sessions. Zero: gocql, protocol version 4.
	Connect func(ctx context.Context, node netip.AddrPort) (Session, error)
}

func (c Config) withDefaults() Config {
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Clock == nil {
		c.Clock = geored.SystemClock()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	if c.Resolve == nil {
		c.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if c.Connect == nil {
		c.Connect = goCQL{c}.connect
	}
	return c
}

// Validate reports every fault of the configuration at once, as [geored.Faults]. It connects to nothing.
func (c Config) Validate() error {
	var faults geored.Faults
	if len(c.Sites) == 0 {
		faults = append(faults, geored.Fault{Field: "sites", Problem: "are missing", Remedy: "name at least one"})
	}
	if c.User == "" && c.Password.Reveal() != "" {
		faults = append(faults, geored.Fault{Field: "user", Problem: "is missing, but there is a password"})
	}
	var names []geored.SiteName
	var centers []string
	owner := map[string]geored.SiteName{}
	for _, s := range c.Sites {
		faults = append(faults, s.faults()...)
		if slices.Contains(names, s.Name) {
			faults = append(faults, geored.Fault{Site: s.Name, Field: "name", Problem: "stands twice"})
		}
		if slices.Contains(centers, s.dataCenter()) && !slices.Contains(names, s.Name) {
			faults = append(faults, geored.Fault{Site: s.Name, Field: "dataCenter", Value: s.dataCenter(), Problem: "belongs to another site too"})
		}
		for _, node := range s.Nodes {
			if other, ok := owner[withPort(node)]; ok && other != s.Name {
				faults = append(faults, geored.Fault{Site: s.Name, Field: "nodes", Value: node, Problem: fmt.Sprintf("is a node of site %s too", other)})
			}
			owner[withPort(node)] = s.Name
		}
		names, centers = append(names, s.Name), append(centers, s.dataCenter())
	}
	return faults.Err()
}

func (s Site) faults() geored.Faults {
	var faults geored.Faults
	if !s.Name.IsValid() {
		faults = append(faults, geored.Fault{Site: s.Name, Field: "name", Value: string(s.Name), Problem: "is no DNS-1123 label", Remedy: "use lower-case letters, digits and hyphens"})
	}
	if len(s.Nodes) == 0 {
		faults = append(faults, geored.Fault{Site: s.Name, Field: "nodes", Problem: "are missing", Remedy: "name at least one address of a node of this site"})
	}
	for _, node := range s.Nodes {
		if _, err := geored.ParseEndpoint(withPort(node)); err != nil {
			faults = append(faults, geored.Fault{Site: s.Name, Field: "nodes", Value: node, Problem: fmt.Sprintf("is no address: %v", err)})
		}
	}
	return faults
}

const defaultPort = "9042"

func withPort(node string) string {
	if addr, err := netip.ParseAddr(node); err == nil {
		return net.JoinHostPort(addr.String(), defaultPort)
	}
	if strings.Contains(node, ":") {
		return node
	}
	return net.JoinHostPort(node, defaultPort)
}
