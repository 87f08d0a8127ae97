package mesh

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// PublicKey is a Curve25519 public key. It is comparable; the zero value is no key.
type PublicKey struct{ key [keyBytes]byte }

// ParsePublicKey reads the base64 form of wg pubkey.
func ParsePublicKey(text string) (PublicKey, error) {
	key, err := decodeKey(text)
	if err == nil && key == [keyBytes]byte{} {
		err = errors.New("is all zeros")
	}
	if err != nil {
		return PublicKey{}, fmt.Errorf("public key %q: %w", text, err)
	}
	return PublicKey{key}, nil
}

// PublicKeyFrom takes the bytes of a key as a device gives them.
func PublicKeyFrom(key [keyBytes]byte) PublicKey { return PublicKey{key} }

// Bytes is the key as a device takes it.
func (k PublicKey) Bytes() [keyBytes]byte { return k.key }

// IsZero says whether there is no key.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// Compare orders keys by their bytes.
func (k PublicKey) Compare(other PublicKey) int { return bytes.Compare(k.key[:], other.key[:]) }

// String is the base64 form, or "" for the zero key.
func (k PublicKey) String() string {
	if k.IsZero() {
		return ""
	}
	return base64.StdEncoding.EncodeToString(k.key[:])
}

// MarshalText writes the key as [PublicKey.String] does.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what [PublicKey.MarshalText] wrote.
func (k *PublicKey) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*k = PublicKey{}
		return nil
	}
	parsed, err := ParsePublicKey(string(text))
	if err == nil {
		*k = parsed
	}
	return err
}
