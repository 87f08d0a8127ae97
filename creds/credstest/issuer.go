package credstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/creds"
)

// Issuer signs tokens of service accounts. Two issuers with different keys do not take each other's.
type Issuer struct {
	Name string // stands in the tokens
	Key  string
}

// Long is a token as the controller writes it into the Secret of that name: it has no end.
func (i Issuer) Long(t testing.TB, account creds.Account, secret string) creds.Token {
	t.Helper()
	return seal(t, i.sign(longClaims(account, secret)))
}

// Bound is a token as a TokenRequest gives it.
func (i Issuer) Bound(t testing.TB, account creds.Account, life creds.Life) creds.Token {
	t.Helper()
	return seal(t, i.sign(i.boundClaims(account, life, "")))
}

func seal(t testing.TB, text string) creds.Token {
	t.Helper()
	token, err := creds.ParseToken(text)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

type claims map[string]any

func longClaims(account creds.Account, secret string) claims {
	const prefix = "kubernetes.io/serviceaccount/"
	return claims{"iss": "kubernetes/serviceaccount", "sub": account.User(), prefix + "namespace": account.Namespace,
		prefix + "secret.name": secret, prefix + "service-account.name": account.Name}
}

func (i Issuer) boundClaims(account creds.Account, life creds.Life, secret string) claims {
	kubernetes := map[string]any{"namespace": account.Namespace, "serviceaccount": map[string]any{"name": account.Name}}
	if secret != "" {
		kubernetes["secret"] = map[string]any{"name": secret}
	}
	return claims{"iss": i.Name, "sub": account.User(), "aud": []string{i.Name}, "iat": life.Issued.Unix(), "exp": life.Expires.Unix(), "kubernetes.io": kubernetes}
}

func (i Issuer) sign(c claims) string {
	encode := base64.RawURLEncoding.EncodeToString
	payload, _ := json.Marshal(c) // plain maps and texts
	signed := encode([]byte(`{"alg":"HS256"}`)) + "." + encode(payload)
	return signed + "." + encode(i.mac(signed))
}

func (i Issuer) mac(signed string) []byte {
	h := hmac.New(sha256.New, []byte(i.Key))
	h.Write([]byte(signed))
	return h.Sum(nil)
}

// signed says whether the token is this issuer's.
func (i Issuer) signed(token string) bool {
	at := strings.LastIndexByte(token, '.')
	if at < 0 {
		return false
	}
	mac, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	return err == nil && hmac.Equal(mac, i.mac(token[:at]))
}
