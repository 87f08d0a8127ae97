package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// invalidSince is the label by which API servers are told to refuse a token whose Secret is there
// (Kubernetes pkg/serviceaccount/legacy.go).
const invalidSince = "kubernetes.io/legacy-token-invalid-since"

// revokeToken takes the account's tokens out of use: every API server refuses them. Who holds copies is not told.
func (l *Laboratory) revokeToken(ctx context.Context, args []string) ([]string, error) {
	return l.setRevoked(ctx, args, true)
}

func (l *Laboratory) unrevokeToken(ctx context.Context, args []string) ([]string, error) {
	return l.setRevoked(ctx, args, false)
}

func (l *Laboratory) setRevoked(ctx context.Context, args []string, revoked bool) ([]string, error) {
	return l.withTokens(ctx, args, func(ctx context.Context, t tokenFault) ([]string, error) {
		all, err := secrets(ctx, t.api, "/api/v1/namespaces/"+t.namespace+"/secrets?fieldSelector=type%3Dkubernetes.io%2Fservice-account-token")
		if err != nil {
			return nil, err
		}
		var since any // nothing takes the label away
		if revoked {
			since = time.Now().UTC().Format(time.DateOnly)
		}
		var evidence []string
		for _, s := range all {
			token := string(s.Data["token"])
			if s.Metadata.Annotations["kubernetes.io/service-account.name"] != t.account || token == "" {
				continue
			}
			l.note(t.note("revoke-token"), revoked)
			if err := patchSecret(ctx, t.api, s, map[string]any{"metadata": map[string]any{"labels": map[string]any{invalidSince: since}}}); err != nil {
				return evidence, err
			}
			seen, err := t.judged(ctx, token, !revoked)
			if err != nil {
				return evidence, fmt.Errorf("secret %s: %w", s.Metadata.Name, err)
			}
			for _, line := range seen {
				evidence = append(evidence, "secret "+s.Metadata.Name+": "+line)
			}
		}
		if len(evidence) == 0 {
			return nil, errors.New(t.user() + " has no token Secret")
		}
		return evidence, nil
	})
}
