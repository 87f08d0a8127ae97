package kube_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// behindPlugin is a site whose kubeconfig gets its token from a program, named relative to the file as clouds write it. The
// API server knows the tokens "one-…" and "two-…" in turn, and counts who asks.
func behindPlugin(t *testing.T, script string) (c *kube.Cluster, asked *atomic.Int64, runs func() int) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the plugin is a shell script")
	}
	dir := t.TempDir()
	asked = &atomic.Int64{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") != "Bearer "+secret {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","message":"Unauthorized","code":401}`)
			return
		}
		fmt.Fprint(w, `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system","uid":"it"}}`)
	}))
	t.Cleanup(server.Close)
	count := filepath.Join(dir, "runs")
	text := "#!/bin/sh\necho run >> " + count + "\n" + script
	if err := os.WriteFile(filepath.Join(dir, "plugin"), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`
apiVersion: v1
kind: Config
current-context: main
clusters: [{name: c, cluster: {server: '%s', certificate-authority: ca.crt}}]
users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, args: [get-token], interactiveMode: Never, env: [{name: SITE, value: dc1}]}}}]
contexts: [{name: main, context: {cluster: c, user: u}}]
`, server.URL)
	path := filepath.Join(dir, "dc1.kubeconfig")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), authority, 0o600); err != nil {
		t.Fatal(err)
	}
	cluster, err := kube.Open("dc1", geored.KubeRef{Kubeconfig: path})
	if err != nil {
		t.Fatal(err)
	}
	return cluster, asked, func() int {
		lines, err := os.ReadFile(count)
		if err != nil {
			return 0
		}
		return strings.Count(string(lines), "run")
	}
}

const credential = `printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"%s}}' `

func TestAPluginIsAskedForTheCredential(t *testing.T) {
	c, asked, runs := behindPlugin(t, `[ "$1" = get-token ] && [ "$SITE" = dc1 ] || exit 3
`+credential+secret+` ''`)
	if runs() != 0 {
		t.Error("the plugin was started before anybody asked the cluster")
	}
	for range 3 {
		if uid, err := c.UID(t.Context()); err != nil || uid != "it" {
			t.Fatal(uid, err)
		}
	}
	if runs() != 1 || asked.Load() != 3 {
		t.Errorf("the plugin ran %d times for %d requests", runs(), asked.Load())
	}
}

// A credential whose life is over is fetched anew, and one that the API server refuses too.
func TestAPluginIsAskedAgainWhenItsCredentialIsOver(t *testing.T) {
	c, _, runs := behindPlugin(t, credential+secret+` ',"expirationTimestamp":"2020-01-01T00:00:00Z"'`)
	for range 2 {
		if _, err := c.UID(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if runs() != 2 {
		t.Errorf("the plugin ran %d times", runs())
	}
	refused, asked, again := behindPlugin(t, credential+`other ''`)
	if _, err := refused.UID(t.Context()); err == nil || !strings.Contains(err.Error(), "Unauthorized") || asked.Load() == 0 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
	if _, err := refused.UID(t.Context()); err == nil || again() < 2 {
		t.Errorf("%v, and the plugin ran %d times", err, again())
	}
}

func TestAPluginThatFailsIsTold(t *testing.T) {
	for name, script := range map[string]string{
		"it fails":                    "echo " + secret + "; exit 7",
		"it prints nothing":           "true",
		"it prints something else":    "echo " + secret,
		"it prints another version":   strings.Replace(credential, "/v1", "/v1beta1", 1) + secret + ` ''`,
		"it has no token after all":   credential + `'' ''`,
		"it cannot be started at all": "exec /nowhere/plugin",
	} {
		t.Run(name, func(t *testing.T) {
			c, asked, runs := behindPlugin(t, script)
			_, err := c.UID(t.Context())
			if err == nil || runs() == 0 || asked.Load() > 0 {
				t.Errorf("%v after %d runs and %d requests", err, runs(), asked.Load())
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows what the plugin printed: %v", err)
			}
		})
	}
}

// Client-go has no other place for it: when it has one, the documentation of Open is to be changed.
func TestWhatAPluginComplainsOfGoesToStandardError(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	before := os.Stderr
	os.Stderr = write
	c, _, _ := behindPlugin(t, "echo log in first >&2; exit 7")
	_, err = c.UID(t.Context())
	os.Stderr = before
	write.Close()
	told, readErr := io.ReadAll(read)
	if err == nil || strings.Contains(err.Error(), "log in first") || readErr != nil || string(told) != "log in first\n" {
		t.Errorf("%v; standard error: %q, %v", err, told, readErr)
	}
}
