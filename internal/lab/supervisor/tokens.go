package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/georedkit/georedkit/internal/lab/config"
	"github.com/georedkit/georedkit/internal/lab/kubeapi"
)

// Faults of the tokens by which other sites read a site.

// tokenFault is one that is done to the tokens of an account of a site.
type tokenFault struct {
	site          *site
	api           *kubeapi.Client
	namespace     string
	account       string
	serviceTokens []byte // the key that signs them
}

// withTokens calls f for SITE [NAMESPACE/ACCOUNT]; the account is CoreDNS's when none is named. No other fault meddles.
func (l *Laboratory) withTokens(ctx context.Context, args []string, f func(context.Context, tokenFault) ([]string, error)) ([]string, error) {
	s, err := l.site(args[0])
	if err != nil {
		return nil, err
	}
	t := tokenFault{site: s, namespace: "kube-system", account: "coredns"}
	if len(args) == 2 {
		var both bool
		if t.namespace, t.account, both = strings.Cut(args[1], "/"); !both {
			return nil, fmt.Errorf("%q: want NAMESPACE/ACCOUNT", args[1])
		}
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.running() == nil {
		return nil, fmt.Errorf("site %s: is stopped", args[0])
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	if t.api, err = s.api(); err != nil {
		return nil, err
	}
	if t.serviceTokens, err = os.ReadFile(l.folder.serviceAccounts(s.plan.Name)); err != nil {
		return nil, err
	}
	evidence, err := f(ctx, t)
	if err != nil {
		err = fmt.Errorf("site %s: %w", args[0], err)
	}
	return evidence, err
}

func (t tokenFault) note(kind string) string {
	return fmt.Sprintf("%s %s %s/%s", kind, t.site.plan.Name, t.namespace, t.account)
}

func (t tokenFault) user() string { return "system:serviceaccount:" + t.namespace + ":" + t.account }

// judged waits until every API server of the site takes a token, or refuses it: each remembers for a while what it took.
func (t tokenFault) judged(ctx context.Context, token string, taken bool) ([]string, error) {
	var evidence []string
	for _, address := range t.site.plan.APIServers() {
		server := config.ServerAt(address)
		bearer, err := kubeapi.Bearing(server, t.site.authority.Certificate, token, t.site.running()[0].namespace.Dial)
		if err != nil {
			return nil, err
		}
		err = t.site.await(ctx, 0, config.APIServer, func() error {
			err := bearer.Get(ctx, "/version", nil)
			switch {
			case taken:
				return err
			case err == nil:
				return errors.New("it still takes the token")
			case kubeapi.HasCode(err, http.StatusUnauthorized):
				return nil
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("API server %s: %w", server, err)
		}
		evidence = append(evidence, fmt.Sprintf("API server %s takes it: %t", server, taken))
	}
	return evidence, nil
}

// secret is one as the API has it.
type secret struct {
	Metadata struct {
		Name, Namespace string
		Annotations     map[string]string
	}
	Data map[string][]byte
}

func (s secret) path() string {
	return "/api/v1/namespaces/" + s.Metadata.Namespace + "/secrets/" + s.Metadata.Name
}

func secrets(ctx context.Context, api *kubeapi.Client, path string) ([]secret, error) {
	var list struct{ Items []secret }
	err := api.Get(ctx, path, &list)
	return list.Items, err
}

func patchSecret(ctx context.Context, api *kubeapi.Client, s secret, patch any) error {
	text, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	return api.Patch(ctx, s.path(), "application/merge-patch+json", text)
}
