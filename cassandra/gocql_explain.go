package cassandra

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// explain says what went wrong and what to do about it.
func (a *attempt) explain(ctx context.Context, err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var notTLS tls.RecordHeaderError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(a.dialErr, &notTLS):
		return fmt.Errorf("connect: the node does not speak TLS: leave TLS out, or correct the port: %w: %w", ErrUnreachable, a.dialErr)
	case errors.As(a.dialErr, &untrusted):
		return fmt.Errorf("connect: the node's certificate is not accepted: give TLS the authority that signed it, and the name or address in it: %w: %w", ErrUnreachable, a.dialErr)
	case refusesCertificate(a.dialErr):
		return fmt.Errorf("connect: %s: %w: %w", a.certificateRemedy(), ErrUnreachable, a.dialErr)
	case a.alert != nil:
		return fmt.Errorf("connect: %s: %w: %w", a.certificateRemedy(), ErrUnreachable, a.alert)
	case a.dialErr != nil:
		return fmt.Errorf("connect: %w: %w", ErrUnreachable, a.dialErr)
	case a.asked && !a.accepted:
		return fmt.Errorf("log in as %q: check user and password, and that system_auth is replicated to this site: %w", a.User, err)
	case strings.Contains(err.Error(), "protocol version"):
		return fmt.Errorf("connect: the node does not speak CQL protocol version %d, as every server from 2.2 on does: correct the port, or upgrade the server: %w: %w", protocolVersion, ErrUnreachable, err)
	case a.TLS != nil:
		return fmt.Errorf("connect: no answer over TLS in CQL protocol version %d; does the node want a client's certificate?: %w: %w", protocolVersion, ErrUnreachable, err)
	case a.speaksTLS(ctx):
		return fmt.Errorf("connect: the node expects TLS: set TLS in the configuration: %w: %w", ErrUnreachable, err)
	}
	return fmt.Errorf("connect: no answer in CQL protocol version %d; does the node expect TLS?: %w: %w", protocolVersion, ErrUnreachable, err)
}

// certificateAlerts are those by which servers say that a client's certificate is missing or not accepted, in the words of
// crypto/tls, which has no other form of them.
var certificateAlerts = []string{"tls: handshake failure", "tls: bad certificate", "tls: unsupported certificate", "tls: revoked certificate",
	"tls: expired certificate", "tls: unknown certificate", "tls: unknown certificate authority", "tls: certificate required",
	"tls: internal error"} // what Java says of a certificate whose issuer it does not know

func refusesCertificate(err error) bool {
	var alert *net.OpError
	return errors.As(err, &alert) && alert.Op == "remote error" && slices.Contains(certificateAlerts, alert.Err.Error())
}

func (a *attempt) certificateRemedy() string {
	if len(a.TLS.Certificates) == 0 && a.TLS.GetClientCertificate == nil {
		return "the node wants a client's certificate: set TLS.Certificates"
	}
	return "the node does not accept the client's certificate: give TLS.Certificates one, with its chain, of an authority that the node trusts"
}

// speaksTLS asks a node that hung up on a plain connection. Whoever it is need not be trusted: it is told nothing.
func (a *attempt) speaksTLS(ctx context.Context) bool {
	conn, err := a.Dial(ctx, "tcp", a.node.String())
	if err != nil {
		return false
	}
	defer conn.Close()
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx)
	var answer *net.OpError
	return err == nil || errors.As(err, &answer) && answer.Op == "remote error" // an alert is TLS too
}
