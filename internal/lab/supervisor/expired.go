package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/georedkit/georedkit/internal/lab/kubeapi"
	"github.com/georedkit/georedkit/internal/lab/pki"
)

// issuer is whom API servers name in the tokens that they make.
const issuer = "https://kubernetes.default.svc.cluster.local"

// copied is a Secret of another site as it was before its token was exchanged.
type copied struct {
	site   *site
	before secret
	after  string // the token that it was given
}

// expireToken exchanges what the other sites hold of the account for a token of the same account whose life is over, as when
// a bound token was copied and nobody renewed it. One with the same claims that lives on is seen to be taken: it is its age
// for which the other is refused.
func (l *Laboratory) expireToken(ctx context.Context, args []string) ([]string, error) {
	return l.withTokens(ctx, args, func(ctx context.Context, t tokenFault) ([]string, error) {
		if l.has(t.note("expire-token")) {
			return nil, errors.New(t.user() + ": its copies are expired already")
		}
		expired, evidence, err := t.twins(ctx)
		if err != nil {
			return nil, err
		}
		var held []copied
		for _, other := range l.sites {
			if other == t.site || other.running() == nil {
				continue
			}
			more, err := t.exchange(ctx, other, expired)
			held = append(held, more...)
			l.remember(t.note("expire-token"), held)
			if err != nil {
				return evidence, fmt.Errorf("its copies in site %s: %w", other.plan.Name, err)
			}
		}
		if len(held) == 0 {
			return nil, errors.New("no other site holds a token of " + t.user())
		}
		for _, c := range held {
			evidence = append(evidence, fmt.Sprintf("site %s: secret %s/%s holds the expired one", c.site.plan.Name, c.before.Metadata.Namespace, c.before.Metadata.Name))
		}
		return evidence, nil
	})
}

// twins are two tokens that differ in their age alone, of which the expired one is given.
func (t tokenFault) twins(ctx context.Context) (expired string, evidence []string, err error) {
	var account struct{ Metadata struct{ UID string } }
	if err := t.api.Get(ctx, "/api/v1/namespaces/"+t.namespace+"/serviceaccounts/"+t.account, &account); err != nil {
		return "", nil, err
	}
	for _, over := range []bool{false, true} {
		end := time.Now().Add(10 * time.Minute)
		if over {
			end = time.Now().Add(-time.Hour)
		}
		expired, err = pki.SignToken(t.serviceTokens, map[string]any{"iss": issuer, "aud": []string{issuer}, "sub": t.user(),
			"iat": end.Add(-2 * time.Hour).Unix(), "nbf": end.Add(-2 * time.Hour).Unix(), "exp": end.Unix(),
			"kubernetes.io": map[string]any{"namespace": t.namespace, "serviceaccount": map[string]any{"name": t.account, "uid": account.Metadata.UID}}})
		if err != nil {
			return "", nil, err
		}
		seen, err := t.judged(ctx, expired, !over)
		if err != nil {
			return "", nil, fmt.Errorf("a token that ends at %s: %w", end.Format(time.RFC3339), err)
		}
		for _, line := range seen {
			evidence = append(evidence, fmt.Sprintf("a token that ends at %s: %s", end.Format(time.RFC3339), line))
		}
	}
	return expired, evidence, nil
}

// tokens are what looks like one in the text of a Secret: it may stand alone, or in a kubeconfig.
var tokens = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`)

// exchange puts another token in the place of the account's in every Secret of a site that holds it.
func (t tokenFault) exchange(ctx context.Context, other *site, token string) (held []copied, err error) {
	api, err := other.api()
	if err != nil {
		return nil, err
	}
	all, err := secrets(ctx, api, "/api/v1/secrets")
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		data := map[string][]byte{}
		for key, text := range s.Data {
			now := tokens.ReplaceAllFunc(text, func(found []byte) []byte {
				if pki.TokenSubject(t.serviceTokens, string(found)) == t.user() {
					return []byte(token)
				}
				return found
			})
			if !bytes.Equal(now, text) {
				data[key] = now
			}
		}
		if len(data) == 0 {
			continue
		}
		held = append(held, copied{other, s, token})
		if err := patchSecret(ctx, api, s, map[string]any{"data": data}); err != nil {
			return held, err
		}
	}
	return held, nil
}

// unexpireToken gives the other sites back what they held. A Secret that got another token meanwhile is left as it is.
func (l *Laboratory) unexpireToken(ctx context.Context, args []string) ([]string, error) {
	return l.withTokens(ctx, args, func(ctx context.Context, t tokenFault) (evidence []string, err error) {
		held := l.remembered(t.note("expire-token"))
		if len(held) == 0 {
			return nil, errors.New(t.user() + ": its copies were not expired")
		}
		for _, c := range held {
			line, err := c.putBack(ctx)
			if err != nil {
				return evidence, fmt.Errorf("its copy in site %s: %w", c.site.plan.Name, err)
			}
			evidence = append(evidence, fmt.Sprintf("site %s: secret %s/%s %s", c.site.plan.Name, c.before.Metadata.Namespace, c.before.Metadata.Name, line))
		}
		l.remember(t.note("expire-token"), nil)
		return evidence, nil
	})
}

func (c copied) putBack(ctx context.Context) (string, error) {
	if c.site.running() == nil {
		return "", errors.New("the site is stopped")
	}
	api, err := c.site.api()
	if err != nil {
		return "", err
	}
	var now secret
	err = api.Get(ctx, c.before.path(), &now)
	switch {
	case kubeapi.HasCode(err, http.StatusNotFound):
		return "is gone", nil
	case err != nil:
		return "", err
	case !now.holds(c.after):
		return "has got another token", nil
	}
	return "has its token again", patchSecret(ctx, api, c.before, map[string]any{"data": c.before.Data})
}

func (s secret) holds(token string) bool {
	for _, text := range s.Data {
		if bytes.Contains(text, []byte(token)) {
			return true
		}
	}
	return false
}

// remember keeps what a fault must put back, and notes that it is applied; nothing ends it.
func (l *Laboratory) remember(fault string, held []copied) {
	l.mutex.Lock()
	if l.copies == nil {
		l.copies = map[string][]copied{}
	}
	l.copies[fault] = held
	l.mutex.Unlock()
	l.note(fault, len(held) > 0)
}

func (l *Laboratory) remembered(fault string) []copied {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.copies[fault]
}
