package creds

import (
	"crypto/x509"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Export is what a consumer needs of another site's service account. It prints without its token.
type Export struct {
	Site    geored.SiteName // whose service account it is. Zero: not known, as in what was read back
	Name    string          // of the Secret, and of the context, cluster and user in its kubeconfig. Required
	Server  string          // URL of the source's API server, as the consumer reaches it. Required
	CA      []byte          // certificates, in PEM, that the server's is signed by. Required
	Account Account         // Required
	Token   Token           // Required
	Expires time.Time       // when the token dies, as its issuer said. Zero: what the token says of itself
}

// Deadline is when the token dies. Zero: never, or not known because it cannot be read.
func (e Export) Deadline() time.Time {
	if !e.Expires.IsZero() {
		return e.Expires
	}
	claims, err := e.Token.Claims()
	if err != nil {
		return time.Time{}
	}
	return claims.Expires
}

// Facts are what is known beside an export. What is left at zero is not compared.
type Facts struct {
	Now     time.Time     // for expiry of the token and of certificates
	Margin  time.Duration // how long the token must live on from Now
	Issuer  string        // of the source's tokens
	Account Account       // the account that was meant
	// Serving is what the server showed to a client in the consumer's site: its own certificate first.
	Serving []*x509.Certificate
}
