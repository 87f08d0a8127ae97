// Package secrets holds what programs wrote against all that the Secrets of their clusters hold, for tests.
package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored/kube"
)

// Secrets are values that stand nowhere but where secrets belong.
type Secrets []string

// Of are the secrets in all Secrets of clusters.
func Of(t testing.TB, clusters ...*kube.Cluster) (found Secrets) {
	t.Helper()
	for _, c := range clusters {
		list, err := c.Client().CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatalf("site %s: %v", c.Site(), err)
		}
		for _, secret := range list.Items {
			found = append(found, valuesOf(secret)...)
		}
	}
	if len(found) < 6 {
		t.Fatalf("there are only %d secrets", len(found))
	}
	return found
}

// public are keys of values that are no secrets.
var public = []string{"ca.crt", "tls.crt", "namespace", "user", "server"}

func valuesOf(secret corev1.Secret) (values []string) {
	if secret.Type == "helm.sh/release.v1" {
		return nil
	}
	for key, value := range secret.Data {
		if !slices.Contains(public, key) && len(value) >= 12 { // a shorter one may be a word
			values = append(values, string(value))
		}
	}
	return values
}

// NotIn wants a text to hold none of them: as they are, in base64, as a string of JSON or HTML, and no line of a private key.
func (s Secrets) NotIn(t testing.TB, where string, text []byte) {
	t.Helper()
	for i, secret := range s {
		if slices.ContainsFunc(formsOf(secret), func(form string) bool { return bytes.Contains(text, []byte(form)) }) {
			t.Errorf("%s holds secret %d", where, i)
		}
	}
}

func formsOf(secret string) []string {
	forms := []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), html.EscapeString(secret), quoted(secret, true), quoted(secret, false)}
	if !strings.Contains(secret, "PRIVATE KEY-----") {
		return forms
	}
	for line := range strings.Lines(secret) {
		if line = strings.TrimSpace(line); len(line) >= 24 && !strings.HasPrefix(line, "-----") {
			forms = append(forms, line)
		}
	}
	return forms
}

// quoted is the inside of a string of JSON.
func quoted(text string, forHTML bool) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(forHTML)
	_ = encoder.Encode(text) // of a string it cannot fail
	return strings.Trim(strings.TrimSpace(out.String()), `"`)
}

// NotBelow wants no file below some folders to hold any, but one, where they belong. It says how many it searched.
func (s Secrets) NotBelow(t testing.TB, but string, roots ...string) (searched int) {
	t.Helper()
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() || path == but || filepath.Base(path) == "key" || isStore(path) {
				return nil // where they belong, and what comes and goes in a running laboratory
			}
			if text, err := os.ReadFile(path); err == nil {
				searched++
				s.NotIn(t, path, text)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	return searched
}

// isStore says whether a file is the API server's own store, or a mount of what a pod was given.
func isStore(path string) bool {
	return strings.Contains(path, "/etcd/") || strings.Contains(path, "/kubelet/") || strings.Contains(path, "/pods/")
}

// NotInConfigMaps wants no ConfigMap of the clusters to hold any.
func (s Secrets) NotInConfigMaps(t testing.TB, clusters ...*kube.Cluster) {
	t.Helper()
	for _, c := range clusters {
		list, err := c.Client().CoreV1().ConfigMaps("").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatalf("site %s: %v", c.Site(), err)
		}
		for _, m := range list.Items {
			text, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			s.NotIn(t, string(c.Site())+" configmap "+m.Name, text)
		}
	}
}
