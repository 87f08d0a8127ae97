package credstest

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/georedkit/georedkit/creds"
)

// cacheTTL is how long an API server goes on taking a token without looking (TokenSuccessCacheTTL of Kubernetes
// pkg/kubeapiserver/options/authentication.go).
const cacheTTL = 10 * time.Second

// invalidSince is the label that takes a token Secret out of use (Kubernetes pkg/serviceaccount/legacy.go).
const invalidSince = "kubernetes.io/legacy-token-invalid-since"

// user is who asks; "" when the API server refuses him.
func (c *Cluster) user(i *instance, r *http.Request) string {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	if text == c.Admin.Reveal() {
		return "admin"
	}
	token, err := creds.ParseToken(text)
	if err != nil {
		return ""
	}
	claims, err := token.Claims()
	if err != nil || c.faults[Refused()] {
		return ""
	}
	taken, cached := i.taken[text]
	fresh := cached && (c.faults[StaleCache(i.number)] || c.clock.Now().Sub(taken) < cacheTTL)
	if fresh {
		return claims.Account.User()
	}
	if !c.valid(text, claims) {
		delete(i.taken, text)
		return ""
	}
	i.taken[text] = c.clock.Now()
	return claims.Account.User()
}

// valid looks at what the token lives and dies with.
func (c *Cluster) valid(text string, claims creds.Claims) bool {
	if !c.Issuer.signed(text) || !claims.Expires.IsZero() && !c.clock.Now().Before(claims.Expires) {
		return false
	}
	if c.objects[ref{"serviceaccounts", claims.Account.Namespace, claims.Account.Name}] == nil {
		return false
	}
	if claims.Secret == "" {
		return true
	}
	secret := c.objects[ref{"secrets", claims.Account.Namespace, claims.Secret}]
	if secret == nil || secret.text("metadata", "labels", invalidSince) != "" {
		return false
	}
	if !claims.Expires.IsZero() {
		return true // bound to a Secret that holds something else
	}
	own, err := base64.StdEncoding.DecodeString(secret.text("data", "token"))
	return err == nil && string(own) == text
}
