package creds

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
)

// Claims are what a token of a service account says of itself. They were read without a look at the signature: use them
// to find mistakes, never to trust a token.
type Claims struct {
	Issuer    string
	Audiences []string
	Account   Account
	Secret    string    // the Secret that the token lives and dies with; zero: none
	Issued    time.Time // zero: not said
	Expires   time.Time // zero: never
}

// jwtClaims are the claims of both kinds of tokens: bound ones nest what long-lived ones spell out (Kubernetes
// pkg/serviceaccount/claims.go and legacy.go).
type jwtClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	Issued    float64  `json:"iat"`
	Expires   float64  `json:"exp"`
	OldSecret string   `json:"kubernetes.io/serviceaccount/secret.name"`
	Bound     struct {
		Secret struct {
			Name string `json:"name"`
		} `json:"secret"`
	} `json:"kubernetes.io"`
}

// audience is one or many: RFC 7519 section 4.1.3.
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// Claims reads what the token says of itself. The error does not repeat any of it.
func (t Token) Claims() (Claims, error) {
	parts := strings.Split(t.Reveal(), ".")
	if len(parts) != 3 {
		return Claims{}, errors.New("token: is not a JSON web token of three parts")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return Claims{}, errors.New("token: its second part is not base64")
	}
	var raw jwtClaims
	if err := json.Unmarshal(payload, &raw); err != nil {
		return Claims{}, errors.New("token: its claims are not those of a JSON web token")
	}
	account, ok := parseSubject(raw.Subject)
	if !ok {
		return Claims{}, errors.New("token: its subject is not a service account")
	}
	claims := Claims{Issuer: raw.Issuer, Audiences: raw.Audience, Account: account, Secret: raw.OldSecret,
		Issued: unixTime(raw.Issued), Expires: unixTime(raw.Expires)}
	if claims.Secret == "" {
		claims.Secret = raw.Bound.Secret.Name
	}
	return claims, nil
}

// unixTime reads a numeric date; what lies beyond the year 9999 is as good as never.
func unixTime(seconds float64) time.Time {
	const year9999 = 253402300799
	if seconds <= 0 || seconds > year9999 || math.IsNaN(seconds) {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// Account is a service account of one site. The zero value is none.
type Account struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// String is namespace/name.
func (a Account) String() string { return a.Namespace + "/" + a.Name }

// User is the name that the API server gives who holds a token of the account.
func (a Account) User() string { return userPrefix + a.Namespace + ":" + a.Name }

const userPrefix = "system:serviceaccount:"

func parseSubject(subject string) (Account, bool) {
	rest, ok := strings.CutPrefix(subject, userPrefix)
	namespace, name, cut := strings.Cut(rest, ":")
	if !ok || !cut || !isSubdomain(namespace) || !isSubdomain(name) {
		return Account{}, false
	}
	return Account{namespace, name}, true
}
