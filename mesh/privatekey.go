package mesh

import (
	"crypto/ecdh"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/georedkit/georedkit/geored"
)

const keyBytes = 32

// PrivateKey is a Curve25519 private key, clamped as WireGuard does. It shows itself in no form of printing, logging or
// encoding; [PrivateKey.Reveal] is the only way out. The zero value is no key.
type PrivateKey struct {
	// A function, because fmt shows what is in an unexported field, behind a pointer too, without asking its methods.
	open func() [keyBytes]byte
}

// NewPrivateKey makes a key from 32 bytes of random, which is crypto/rand.Reader outside of tests.
func NewPrivateKey(random io.Reader) (PrivateKey, error) {
	var key [keyBytes]byte
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return PrivateKey{}, fmt.Errorf("private key: read random bytes: %w", err)
	}
	return privateKeyFrom(key)
}

// ParsePrivateKey reads the base64 form of wg genkey. The error does not repeat the text.
func ParsePrivateKey(text string) (PrivateKey, error) {
	key, err := decodeKey(text)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("private key: %w", err)
	}
	return privateKeyFrom(key)
}

func privateKeyFrom(key [keyBytes]byte) (PrivateKey, error) {
	if key == [keyBytes]byte{} {
		return PrivateKey{}, errors.New("private key: is all zeros")
	}
	key[0] &= 248
	key[31] = key[31]&127 | 64
	return PrivateKey{func() [keyBytes]byte { return key }}, nil
}

// Reveal opens the secret: its base64 form, as wg genkey prints it, or "" for the zero key.
func (k PrivateKey) Reveal() string {
	if k.open == nil {
		return ""
	}
	key := k.open()
	return base64.StdEncoding.EncodeToString(key[:])
}

// Public is the public half, or the zero key of the zero key.
func (k PrivateKey) Public() PublicKey {
	if k.open == nil {
		return PublicKey{}
	}
	key := k.open()
	private, err := ecdh.X25519().NewPrivateKey(key[:])
	if err != nil {
		return PublicKey{} // only for a wrong length
	}
	return PublicKey{key: [keyBytes]byte(private.PublicKey().Bytes())}
}

// IsZero says whether there is no key.
func (k PrivateKey) IsZero() bool { return k.open == nil }

// Equal compares in constant time.
func (k PrivateKey) Equal(other PrivateKey) bool {
	if k.open == nil || other.open == nil {
		return k.open == nil && other.open == nil
	}
	a, b := k.open(), other.open()
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String redacts.
func (k PrivateKey) String() string { return geored.Redacted }

// GoString redacts.
func (k PrivateKey) GoString() string { return geored.Redacted }

// Format redacts under every verb.
func (k PrivateKey) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, geored.Redacted) }

// LogValue redacts.
func (k PrivateKey) LogValue() slog.Value { return slog.StringValue(geored.Redacted) }

// MarshalText redacts, and so does JSON: what it writes cannot be read back.
func (k PrivateKey) MarshalText() ([]byte, error) { return []byte(geored.Redacted), nil }

// UnmarshalText reads what [PrivateKey.Reveal] gave; nothing reads as the zero key.
func (k *PrivateKey) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*k = PrivateKey{}
		return nil
	}
	parsed, err := ParsePrivateKey(string(text))
	if err == nil {
		*k = parsed
	}
	return err
}

// decodeKey reads 32 bytes of strict base64. Its error repeats nothing of the text: it may be a secret.
func decodeKey(text string) ([keyBytes]byte, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	switch {
	case err != nil || len(text) != base64.StdEncoding.EncodedLen(len(raw)):
		return [keyBytes]byte{}, errors.New("is not base64")
	case len(raw) != keyBytes:
		return [keyBytes]byte{}, fmt.Errorf("has %d bytes instead of %d", len(raw), keyBytes)
	}
	return [keyBytes]byte(raw), nil
}
