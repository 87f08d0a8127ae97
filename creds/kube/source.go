package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/creds/serving"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Source is a service account of one site, whose access other sites are given.
type Source struct {
	Cluster *kube.Cluster // Required
	Account creds.Account // Required
	Role    Role
	Server  string        // URL of the API server as the other sites reach it. Required
	Margin  time.Duration // how long a token must live on when it is exported
	Clock   geored.Clock  // zero: geored.SystemClock
	Dial    serving.Dial  // how single API servers are reached. Zero: as this machine does
}

func (s Source) clock() geored.Clock {
	if s.Clock == nil {
		return geored.SystemClock()
	}
	return s.Clock
}

// CA is the authority of the source's API servers, from the cluster itself: the operator's kubeconfig may name it by file,
// or that of a proxy.
func (s Source) CA(ctx context.Context) ([]byte, error) {
	const name, key = "kube-root-ca.crt", "ca.crt"
	object, err := s.Cluster.Client().CoreV1().ConfigMaps(s.Account.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("configmap %s/%s: %w", s.Account.Namespace, name, err)
	}
	if object.Data[key] == "" {
		return nil, fmt.Errorf("configmap %s/%s: has no %s", s.Account.Namespace, name, key)
	}
	return []byte(object.Data[key]), nil
}

// minimum is the shortest life that the API server grants (Kubernetes pkg/apis/authentication/validation).
const minimum = 10 * time.Minute

// Request mints a bound token, for consumers that read a token file. The server may shorten its life: what it says is in
// the answer. Bound is a Secret of the account's namespace whose deletion ends the token; zero: none.
func (s Source) Request(ctx context.Context, life time.Duration, bound string) (creds.ExecCredential, error) {
	fail := func(err error) (creds.ExecCredential, error) {
		return creds.ExecCredential{}, fmt.Errorf("token of %s: %w", s.Account, err)
	}
	if life < minimum {
		return fail(fmt.Errorf("a life of %s is below the %s that an API server grants", life, minimum))
	}
	seconds := int64(life / time.Second)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	if bound != "" {
		secret, err := s.Cluster.Client().CoreV1().Secrets(s.Account.Namespace).Get(ctx, bound, metav1.GetOptions{})
		if err != nil {
			return fail(err)
		}
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: bound, UID: secret.UID}
	}
	got, err := s.Cluster.Client().CoreV1().ServiceAccounts(s.Account.Namespace).CreateToken(ctx, s.Account.Name, request, metav1.CreateOptions{})
	if err != nil {
		return fail(err)
	}
	token, err := creds.ParseToken(got.Status.Token)
	if err != nil {
		return fail(errors.New("the API server gave none"))
	}
	return creds.ExecCredential{Token: token, Expires: got.Status.ExpirationTimestamp.Time}, nil
}

// Export makes the export of a token under a Secret's name, and holds it against the facts: also against what the server
// shows in the receiver's site. The error is geored.Faults, or says what could not be asked.
func (s Source) Export(ctx context.Context, name string, credential creds.ExecCredential, receiver Receiver) (creds.Export, error) {
	ca, err := s.CA(ctx)
	if err != nil {
		return creds.Export{}, err
	}
	chain, err := receiver.serving(ctx, s.Server)
	if err != nil {
		return creds.Export{}, fmt.Errorf("server %s, seen from site %s: %w", s.Server, receiver.Cluster.Site(), err)
	}
	e := creds.Export{Site: s.Cluster.Site(), Name: name, Server: s.Server, CA: ca, Account: s.Account, Token: credential.Token, Expires: credential.Expires}
	faults := e.Faults(creds.Facts{Now: s.clock().Now(), Margin: s.Margin, Account: s.Account, Serving: chain})
	return e, faults.Err()
}
