package creds

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"

	"github.com/georedkit/georedkit/geored"
)

// secret shows itself in no form of printing, logging or encoding. The zero value is no secret.
type secret struct {
	// A function, because fmt shows what is in an unexported field, behind a pointer too, without asking its methods.
	open func() string
}

func seal(text string) secret {
	if text == "" {
		return secret{}
	}
	return secret{func() string { return text }}
}

// Reveal opens the secret; "" when there is none.
func (s secret) Reveal() string {
	if s.open == nil {
		return ""
	}
	return s.open()
}

// IsZero says whether there is no secret.
func (s secret) IsZero() bool { return s.open == nil }

// Digest tells two secrets apart without showing them: the beginning of the SHA-256. It is "" for no secret. Use it on
// what cannot be guessed, such as a signed token.
func (s secret) Digest() string {
	if s.open == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(s.open()))
	return hex.EncodeToString(sum[:6])
}

// String redacts.
func (s secret) String() string { return geored.Redacted }

// GoString redacts.
func (s secret) GoString() string { return geored.Redacted }

// Format redacts under every verb.
func (s secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, geored.Redacted) }

// LogValue redacts.
func (s secret) LogValue() slog.Value { return slog.StringValue(geored.Redacted) }

// MarshalText redacts, and so does JSON: what it writes cannot be read back.
func (s secret) MarshalText() ([]byte, error) { return []byte(geored.Redacted), nil }

func (s secret) equal(other secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Document is text that holds a secret somewhere: a kubeconfig, the manifest of a Secret. It redacts as a whole.
type Document struct{ secret }

// NewDocument seals text. Nothing is the zero document.
func NewDocument(text string) Document { return Document{seal(text)} }

// Equal compares in constant time.
func (d Document) Equal(other Document) bool { return d.equal(other.secret) }
