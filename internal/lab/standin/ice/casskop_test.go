package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/internal/lab/standin/rest"
)

// site is an API server with one StatefulSet.
type fakeSite struct {
	size
	down bool
}

func (f *fakeSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.down || r.Header.Get("Authorization") != "Bearer secret" {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodPatch {
		if err := json.NewDecoder(r.Body).Decode(&f.size); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f.Metadata.Generation++
	}
	_ = json.NewEncoder(w).Encode(f.size) // the client tells
}

// ready makes the nodes that are wanted ready.
func (f *fakeSite) ready() {
	f.Status.Ready, f.Status.Observed = f.Spec.Replicas, f.Metadata.Generation
}

func part(t *testing.T, name string, site *fakeSite) ringPart {
	t.Helper()
	server := httptest.NewTLSServer(site)
	t.Cleanup(server.Close)
	authority := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	path := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`{current-context: b, contexts: [{name: a, context: {cluster: x, user: x}}, {name: b, context: {cluster: b, user: b, namespace: n}}],
clusters: [{name: b, cluster: {server: %q, certificate-authority-data: %s}}], users: [{name: b, user: {token: secret}}]}`, server.URL, authority)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	api, err := rest.FromKubeconfig(path)
	if err != nil {
		t.Fatal(err)
	}
	return newPart(name, api)
}

func TestSitesComeUpOneAfterTheOther(t *testing.T) {
	var a, b fakeSite
	parts := []ringPart{part(t, "a", &a), part(t, "b", &b)}
	waits := func(what string) {
		t.Helper()
		if err := reconcile(parts, 1); err == nil || !strings.Contains(err.Error(), what) {
			t.Fatalf("%v, want one about %q", err, what)
		}
	}
	waits("site a: starts")
	waits("site a: 0 of 1 nodes are ready")
	if b.Spec.Replicas != 0 {
		t.Fatal("b began before a was ready")
	}
	a.ready()
	waits("site b: starts")
	b.ready()
	if err := reconcile(parts, 1); err != nil {
		t.Fatal(err)
	}
	// One that cannot be reached keeps those after it waiting.
	a.down, b.Spec.Replicas = true, 0
	waits("site a: GET")
	if b.Spec.Replicas != 0 {
		t.Error("b was looked after while a could not be reached")
	}
	a.down = false
	waits("site b: starts")
}

func TestKubeconfigsThatAreNotWholeAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"no context": `{current-context: a}`,
		"no token":   `{current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], clusters: [{name: a, cluster: {server: "https://x"}}]}`,
		"no authority": `{current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], clusters: [{name: a, cluster: {server: "https://x"}}],
			users: [{name: a, user: {token: t}}]}`,
		"no YAML": "{",
	} {
		path := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := rest.FromKubeconfig(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
