package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
)

// Reception is what one API server made of a token.
type Reception struct {
	Accepted bool
	User     string // who it takes the bearer for; zero: refused, or a server before Kubernetes 1.28, which does not say
}

// instances are the addresses of all API servers of the source, sorted: what stands behind a load balancer, each with a
// token cache of its own. One that stands still for longer than its lease of 15 s is listed no more: what it remembered,
// for 10 s, is over by then.
func (s Source) instances(ctx context.Context) ([]string, error) {
	list, err := s.Cluster.Client().DiscoveryV1().EndpointSlices(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=kubernetes"})
	if err != nil {
		return nil, fmt.Errorf("API servers of the site: %w", err)
	}
	var found []string
	for _, slice := range list.Items {
		for _, port := range slice.Ports {
			for _, endpoint := range slice.Endpoints {
				for _, address := range endpoint.Addresses {
					if port.Port != nil {
						found = append(found, net.JoinHostPort(address, strconv.Itoa(int(*port.Port))))
					}
				}
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("API servers of the site: the service default/kubernetes lists none")
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// Receive shows a token to every API server of the source. The answers know which of them were silent; the error says that
// it is not known which there are.
func (s Source) Receive(ctx context.Context, token creds.Token) (geored.Answers[Reception], error) {
	ca, err := s.CA(ctx)
	if err != nil {
		return geored.Answers[Reception]{}, err
	}
	instances, err := s.instances(ctx)
	if err != nil {
		return geored.Answers[Reception]{}, err
	}
	client, err := s.client(ca)
	if err != nil {
		return geored.Answers[Reception]{}, err
	}
	targets := make([]geored.Target, len(instances))
	for i, instance := range instances {
		targets[i] = geored.Target{Site: s.Cluster.Site(), Name: "apiserver " + instance}
	}
	return geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (Reception, error) {
		return show(ctx, client, strings.TrimPrefix(t.Name, "apiserver "), token)
	}), nil
}

// client speaks to single API servers: whatever their address, their certificates name the Service.
func (s Source) client(ca []byte) (*http.Client, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("the site's CA holds no certificate")
	}
	return &http.Client{Transport: &http.Transport{DialContext: s.Dial, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "kubernetes.default.svc"}}}, nil
}

// show asks one API server who the bearer of a token is. 401 alone is a refusal: an API server that answers anything else
// has taken the token, or is in no state to judge it.
func show(ctx context.Context, client *http.Client, instance string, token creds.Token) (Reception, error) {
	const review = `{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+instance+"/apis/authentication.k8s.io/v1/selfsubjectreviews", strings.NewReader(review))
	if err != nil {
		return Reception{}, err
	}
	request.Header.Set("Authorization", "Bearer "+token.Reveal())
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return Reception{}, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusUnauthorized:
		return Reception{}, nil
	case response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusForbidden:
		return Reception{Accepted: true}, nil
	case response.StatusCode != http.StatusCreated:
		return Reception{}, fmt.Errorf("status %d", response.StatusCode)
	}
	var answer struct {
		Status struct {
			UserInfo struct {
				Username string `json:"username"`
			} `json:"userInfo"`
		} `json:"status"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&answer); err != nil {
		return Reception{}, fmt.Errorf("its answer cannot be read: %w", err)
	}
	return Reception{true, answer.Status.UserInfo.Username}, nil
}

// accepted says why not every API server takes the token for the account; nothing when every one does.
func (s Source) accepted(ctx context.Context, token creds.Token) (string, error) {
	answers, err := s.Receive(ctx, token)
	if err != nil {
		return "", err
	}
	for t, r := range answers.All() {
		switch {
		case !r.Accepted:
			return fmt.Sprintf("%s refuses the token", t.Name), nil
		case r.User != "" && r.User != s.Account.User():
			return fmt.Sprintf("%s takes the bearer for %s", t.Name, r.User), nil
		}
	}
	return "", silence(answers.Unanswered())
}

// refused says which API server still takes the token; nothing when every one refuses it. An API server that was silent is
// an error: it may be the one that takes it.
func (s Source) refused(ctx context.Context, token creds.Token) (string, error) {
	answers, err := s.Receive(ctx, token)
	if err != nil {
		return "", err
	}
	for t, r := range answers.All() {
		if r.Accepted {
			return t.Name + " still takes it", nil
		}
	}
	return "", silence(answers.Unanswered())
}

func silence(silent []geored.Silence) error {
	errs := make([]error, len(silent))
	for i, s := range silent {
		errs[i] = s
	}
	return errors.Join(errs...)
}
