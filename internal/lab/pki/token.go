package pki

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
)

const tokenHeader = `{"alg":"ES256","typ":"JWT"}`

// SignToken makes a token of a service account: claims, signed with the PEM key of a site's service accounts (RFC 7519).
func SignToken(key []byte, claims any) (string, error) {
	signer, err := serviceAccountsKey(key)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(tokenHeader)) + "." + b64(text)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, signer, digest[:])
	if err != nil {
		return "", err
	}
	return signed + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)), nil
}

// TokenSubject is whose token it is, "" when it was not signed with this key.
func TokenSubject(key []byte, token string) string {
	signer, err := serviceAccountsKey(key)
	if err != nil {
		return ""
	}
	at := strings.LastIndexByte(token, '.')
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	digest := sha256.Sum256([]byte(token[:at]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(signature) != 64 ||
		!ecdsa.Verify(&signer.PublicKey, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return ""
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err != nil || json.Unmarshal(text, &claims) != nil {
		return ""
	}
	return claims.Subject
}

func serviceAccountsKey(text []byte) (*ecdsa.PrivateKey, error) {
	key, err := decodeKey(text)
	if err != nil {
		return nil, err
	}
	return key.(*ecdsa.PrivateKey), nil
}
