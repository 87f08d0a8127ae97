package credstest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/creds"
)

// API is a cluster as [Conformance] sees it: over HTTP, whoever serves it.
type API struct {
	URL   string
	Admin *http.Client // asks as administrator
	Bare  *http.Client // trusts the cluster's certificate and says nothing of who it is
}

// Conformance holds a cluster to how Kubernetes, 1.29 or later, makes and ends tokens of service accounts. It works in a
// namespace of its own, and removes it.
func Conformance(t *testing.T, api API) {
	s := &suite{t, api}
	s.do(http.MethodPost, "/api/v1/namespaces", object{"metadata": object{"name": account.Namespace}}, http.StatusCreated)
	defer s.do(http.MethodDelete, "/api/v1/namespaces/"+account.Namespace, nil, http.StatusOK)
	s.do(http.MethodPost, s.in("serviceaccounts"), object{"metadata": object{"name": account.Name}}, http.StatusCreated)
	for _, part := range []struct {
		name string
		run  func(*suite)
	}{
		{"garbage is refused", (*suite).garbage}, {"another cluster's token is refused", (*suite).foreign}, {"token secrets are filled", (*suite).filled},
		{"a mark takes a token out of use and back", (*suite).marked}, {"a token dies with its secret", (*suite).deleted},
		{"requested tokens", (*suite).requested}, {"bound tokens die with what they are bound to", (*suite).bound},
		{"what replaces an object leaves nothing of it", (*suite).replaced}, {"a namespace ends with all that is in it", (*suite).emptied},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(&suite{t, api}) })
	}
}

var account = creds.Account{Namespace: "credstest-conformance", Name: "reader"}

type suite struct {
	*testing.T
	api API
}

func (s *suite) in(path string) string {
	return "/api/v1/namespaces/" + account.Namespace + "/" + path
}

// do asks as administrator and wants a status.
func (s *suite) do(method, path string, body object, want int) object {
	s.Helper()
	status, got := s.send(s.api.Admin, method, path, body, creds.Token{})
	if status != want {
		s.Fatalf("%s %s: status %d, want %d: %s", method, path, status, want, got.text("message"))
	}
	return got
}

func (s *suite) send(client *http.Client, method, path string, body object, token creds.Token) (int, object) {
	s.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.Fatal(err)
	}
	request, err := http.NewRequest(method, s.api.URL+path, bytes.NewReader(text))
	if err != nil {
		s.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	if !token.IsZero() {
		request.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	response, err := client.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	var got object
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil && err != io.EOF {
		s.Fatal(err)
	}
	return response.StatusCode, got
}

// bearer is who the cluster takes the bearer of a token for; "" when it refuses him.
func (s *suite) bearer(token creds.Token) string {
	s.Helper()
	status, got := s.send(s.api.Bare, http.MethodPost, "/apis/authentication.k8s.io/v1/selfsubjectreviews",
		object{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}, token)
	if status != http.StatusCreated && status != http.StatusUnauthorized {
		s.Fatalf("status %d: %s", status, got.text("message"))
	}
	return got.text("status", "userInfo", "username")
}

// await polls until the cluster takes, or refuses, a token: it forgets what it knows after 10 s.
func (s *suite) await(token creds.Token, want string) {
	s.Helper()
	got := "nobody was asked"
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got = s.bearer(token); got == want {
			return
		}
	}
	s.Fatalf("the bearer is taken for %q, want %q", got, want)
}

// mint makes a token Secret and waits until it is filled.
func (s *suite) mint(name string) (creds.Token, object) {
	s.Helper()
	s.do(http.MethodPost, s.in("secrets"), object{"type": "kubernetes.io/service-account-token",
		"metadata": object{"name": name, "annotations": object{"kubernetes.io/service-account.name": account.Name}}}, http.StatusCreated)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if secret := s.do(http.MethodGet, s.in("secrets/"+name), nil, http.StatusOK); secret.text("data", "token") != "" {
			return s.decode(secret, "token"), secret
		}
	}
	s.Fatal("the secret was not filled")
	return creds.Token{}, nil
}

func (s *suite) decode(secret object, key string) creds.Token {
	s.Helper()
	var raw []byte
	if err := json.Unmarshal([]byte(`"`+secret.text("data", key)+`"`), &raw); err != nil {
		s.Fatal(key, " is not base64")
	}
	return seal(s, string(raw))
}

func (s *suite) garbage() {
	if got := s.bearer(seal(s, "no.such.token")); got != "" {
		s.Errorf("taken for %s", got)
	}
}

func (s *suite) foreign() {
	other := Issuer{Name: "kubernetes/serviceaccount", Key: "of another"}
	if got := s.bearer(other.Long(s, account, "reader-token")); got != "" {
		s.Errorf("taken for %s", got)
	}
}

func (s *suite) filled() {
	token, secret := s.mint("filled")
	s.await(token, account.User())
	claims, err := token.Claims()
	if err != nil || claims.Account != account || claims.Secret != "filled" || !claims.Expires.IsZero() {
		s.Errorf("%+v %v", claims, err)
	}
	if got := secret.text("data", "namespace"); got != "Y3JlZHN0ZXN0LWNvbmZvcm1hbmNl" {
		s.Errorf("namespace %q", got)
	}
	var published, filled []byte
	root := s.do(http.MethodGet, s.in("configmaps/kube-root-ca.crt"), nil, http.StatusOK)
	published = []byte(root.text("data", "ca.crt"))
	if err := json.Unmarshal([]byte(`"`+secret.text("data", "ca.crt")+`"`), &filled); err != nil || !bytes.Equal(published, filled) || len(filled) == 0 {
		s.Errorf("the CA of the secret is not that of kube-root-ca.crt: %v", err)
	}
	if listed := s.do(http.MethodGet, s.in("serviceaccounts/"+account.Name), nil, http.StatusOK)["secrets"]; listed != nil {
		s.Errorf("the service account lists secrets: %v", listed)
	}
}

func (s *suite) marked() {
	token, _ := s.mint("marked")
	s.await(token, account.User())
	mark := func(value any) {
		s.do(http.MethodPatch, s.in("secrets/marked"), object{"metadata": object{"labels": object{invalidSince: value}}}, http.StatusOK)
	}
	mark("2026-03-01")
	s.await(token, "")
	mark(nil)
	s.await(token, account.User())
}

func (s *suite) deleted() {
	token, _ := s.mint("deleted")
	s.await(token, account.User())
	s.do(http.MethodDelete, s.in("secrets/deleted"), nil, http.StatusOK)
	s.await(token, "")
}

func (s *suite) request(spec object, want int) object {
	s.Helper()
	return s.do(http.MethodPost, s.in("serviceaccounts/"+account.Name+"/token"), object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}, want)
}

func (s *suite) requested() {
	if got := s.request(object{"expirationSeconds": 599}, http.StatusUnprocessableEntity).text("message"); !strings.Contains(got, "10 minutes") {
		s.Error(got)
	}
	got := s.request(object{"expirationSeconds": 700}, http.StatusCreated)
	token := seal(s, got.text("status", "token"))
	s.await(token, account.User())
	claims, err := token.Claims()
	stated, err2 := time.Parse(time.RFC3339, got.text("status", "expirationTimestamp"))
	if life := claims.Expires.Sub(claims.Issued); err != nil || err2 != nil || life != 700*time.Second || stated.Sub(claims.Expires).Abs() > 2*time.Second {
		s.Errorf("lives for %s until %s, as stated %s: %v %v", life, claims.Expires, stated, err, err2)
	}
}

func (s *suite) bound() {
	secret := s.do(http.MethodPost, s.in("secrets"), object{"type": "Opaque", "metadata": object{"name": "leash"}}, http.StatusCreated)
	got := s.request(object{"expirationSeconds": 700, "boundObjectRef": object{"apiVersion": "v1", "kind": "Secret", "name": "leash", "uid": secret.text("metadata", "uid")}}, http.StatusCreated)
	token := seal(s, got.text("status", "token"))
	s.await(token, account.User())
	if claims, err := token.Claims(); err != nil || claims.Secret != "leash" {
		s.Errorf("bound to %q: %v", claims.Secret, err)
	}
	s.do(http.MethodDelete, s.in("secrets/leash"), nil, http.StatusOK)
	s.await(token, "")
}

func (s *suite) replaced() {
	old := s.do(http.MethodPost, s.in("secrets"), object{"type": "Opaque", "data": object{"old": "b2xk"},
		"metadata": object{"name": "replaced", "labels": object{"old": "1"}, "annotations": object{"old": "1"}}}, http.StatusCreated)
	with := func(version string) object {
		return object{"type": "Opaque", "data": object{"new": "bmV3"}, "metadata": object{"name": "replaced", "labels": object{"new": "1"}, "resourceVersion": version}}
	}
	s.do(http.MethodPut, s.in("secrets/replaced"), with(old.text("metadata", "resourceVersion")), http.StatusOK)
	s.do(http.MethodPut, s.in("secrets/replaced"), with(old.text("metadata", "resourceVersion")), http.StatusConflict)
	got := s.do(http.MethodGet, s.in("secrets/replaced"), nil, http.StatusOK)
	for _, of := range [][]string{{"data"}, {"metadata", "labels"}, {"metadata", "annotations"}} {
		if text := got.text(append(of, "old")...); text != "" {
			s.Errorf("%s still has %q", strings.Join(of, "."), text)
		}
	}
	if got.text("data", "new") != "bmV3" || got.text("metadata", "labels", "new") != "1" {
		s.Errorf("the replacement is not there: %v", got)
	}
}

func (s *suite) emptied() {
	const space = "/api/v1/namespaces/credstest-emptied"
	s.do(http.MethodPost, "/api/v1/namespaces", object{"metadata": object{"name": "credstest-emptied"}}, http.StatusCreated)
	s.do(http.MethodPost, space+"/secrets", object{"type": "Opaque", "metadata": object{"name": "inside"}}, http.StatusCreated)
	s.do(http.MethodDelete, space, nil, http.StatusOK)
	status := 0
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if status, _ = s.send(s.api.Admin, http.MethodGet, space+"/secrets/inside", nil, creds.Token{}); status == http.StatusNotFound {
			return
		}
	}
	s.Fatalf("status %d: the namespace was deleted, and what was in it is there", status)
}
