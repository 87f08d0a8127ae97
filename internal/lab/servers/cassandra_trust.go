package servers

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/georedkit/georedkit/internal/lab/pki"
)

// cassandraTrust is who signs the certificates of a ring's servers.
type cassandraTrust struct {
	*pki.Authority
	caFile     string
	clientFile string // key and certificate of a client; zero: the servers want none
}

// newCassandraTrust makes an authority, in files below dir.
func newCassandraTrust(dir string, mutual bool) (*cassandraTrust, error) {
	authority, err := pki.Open(filepath.Join(dir, "pki"))
	if err != nil {
		return nil, err
	}
	t := &cassandraTrust{Authority: authority, caFile: filepath.Join(dir, "ca.pem")}
	if err := os.WriteFile(t.caFile, authority.Certificate, 0o644); err != nil || !mutual {
		return t, err
	}
	pair, err := authority.Issue(pki.Subject{Name: "client"})
	if err != nil {
		return nil, err
	}
	t.clientFile = filepath.Join(dir, "client.pem")
	return t, os.WriteFile(t.clientFile, append(pair.Key, pair.Certificate...), 0o600)
}

// issue writes key and certificate of the server at an address, as one file of those that Cassandra reads as PEM.
func (t *cassandraTrust) issue(home, host string) (file string, err error) {
	address, err := netip.ParseAddr(host)
	if err != nil {
		return "", err
	}
	pair, err := t.Issue(pki.Subject{Name: filepath.Base(home), Addresses: []netip.Addr{address}})
	if err != nil {
		return "", err
	}
	key, err := asPKCS8(pair.Key)
	if err != nil {
		return "", err
	}
	file = filepath.Join(home, "server.pem")
	return file, os.WriteFile(file, append(key, pair.Certificate...), 0o600)
}

// client is what a client of the ring is configured with; nil when it speaks no TLS.
func (t *cassandraTrust) client() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(t.Certificate) {
		return nil, errors.New("the authority's own certificate is not PEM")
	}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if t.clientFile == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(t.clientFile, t.clientFile)
	config.Certificates = []tls.Certificate{pair}
	return config, err
}
