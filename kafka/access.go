package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Access says how a site's brokers are reached: what both clients, *broker.Cluster and *stream.Reader, are made from.
type Access struct {
	Site      geored.SiteName // for errors
	Bootstrap []string        // host:port of some brokers. Required
	TLS       *tls.Config     // zero: plain
	SASL      *SASL           // zero: no authentication
	// Timeout is for one answer of one broker. Zero: 5 seconds.
	Timeout time.Duration
	// Dial opens the TCP connections to whatever name the brokers advertise, for instance through a port-forward. Zero:
	// the machine's own way.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// SASL is how a client says who it is.
type SASL struct {
	Mechanism Mechanism
	User      string
	Password  Secret
}

// Mechanism is a SASL mechanism.
type Mechanism string

// The mechanisms.
const (
	Plain       Mechanism = "PLAIN"
	ScramSHA256 Mechanism = "SCRAM-SHA-256"
	ScramSHA512 Mechanism = "SCRAM-SHA-512"
)

// Validate reports every fault at once, as [geored.Faults].
func (a Access) Validate() error {
	var faults geored.Faults
	if len(a.Bootstrap) == 0 {
		faults = append(faults, geored.Fault{Site: a.Site, Field: "Bootstrap", Problem: "names no broker", Remedy: "give host:port of one or more"})
	}
	for _, b := range a.Bootstrap {
		if _, err := geored.ParseEndpoint(b); err != nil {
			faults = append(faults, geored.Fault{Site: a.Site, Field: "Bootstrap", Value: b, Problem: "is not host:port"})
		}
	}
	if a.SASL == nil {
		return faults.Err()
	}
	switch a.SASL.Mechanism {
	case Plain, ScramSHA256, ScramSHA512:
	default:
		faults = append(faults, geored.Fault{Site: a.Site, Field: "SASL.Mechanism", Value: string(a.SASL.Mechanism),
			Problem: "is not known", Remedy: fmt.Sprintf("use %s, %s or %s", Plain, ScramSHA256, ScramSHA512)})
	}
	if a.SASL.User == "" || a.SASL.Password.Reveal() == "" {
		faults = append(faults, geored.Fault{Site: a.Site, Field: "SASL", Problem: "has no user or no password"})
	}
	return faults.Err()
}

// Secret is a password. Every form of printing gives [geored.Redacted]; [Secret.Reveal] alone gives the value.
type Secret struct {
	// A function, because fmt shows what is in an unexported field without asking its methods.
	open func() string
}

// NewSecret wraps a password.
func NewSecret(value string) Secret { return Secret{func() string { return value }} }

// Reveal gives the password; "" when there is none.
func (s Secret) Reveal() string {
	if s.open == nil {
		return ""
	}
	return s.open()
}

// Format redacts under every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(geored.Redacted)) }

// LogValue redacts in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(geored.Redacted) }

// MarshalText redacts in JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(geored.Redacted), nil }
