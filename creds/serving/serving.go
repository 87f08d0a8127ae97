// Package serving asks, from inside a site, what certificate a server of another site shows there. What is between the
// two may be a load balancer with a certificate of its own, so that only the consumer's side can tell.
package serving

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/georedkit/georedkit/geored/probe"
)

// Ask is the name of the question, a [Question] answered with an [Answer].
const Ask = "serving"

// Question asks for the certificates of a server.
type Question struct {
	Server  string        `json:"server"`            // https://host:port
	Timeout time.Duration `json:"timeout,omitempty"` // zero: 5 s
}

// Answer is what the server showed. Nothing of it was verified.
type Answer struct {
	Chain [][]byte `json:"chain"` // in DER, the server's own first
}

// Certificates reads the chain.
func (a Answer) Certificates() ([]*x509.Certificate, error) {
	chain := make([]*x509.Certificate, len(a.Chain))
	for i, der := range a.Chain {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i+1, err)
		}
		chain[i] = certificate
	}
	return chain, nil
}

// Dial makes a connection. [net.Dialer.DialContext] is one.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Questions are the handlers for probe.Serve; zero dials as this machine does.
func Questions(dial Dial) map[string]probe.Handler {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return map[string]probe.Handler{Ask: probe.HandlerFunc(func(ctx context.Context, q Question) (Answer, error) { return q.answer(ctx, dial) })}
}

func (q Question) answer(ctx context.Context, dial Dial) (Answer, error) {
	if q.Timeout <= 0 {
		q.Timeout = 5 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, q.Timeout)
	defer cancel()
	u, err := url.Parse(q.Server)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return Answer{}, fmt.Errorf("server: is not https://host:port")
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	client := tls.Client(conn, &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: true}) // it is looked at, and told nothing
	if err := client.HandshakeContext(ctx); err != nil {
		return Answer{}, err
	}
	var a Answer
	for _, certificate := range client.ConnectionState().PeerCertificates {
		a.Chain = append(a.Chain, certificate.Raw)
	}
	return a, nil
}
