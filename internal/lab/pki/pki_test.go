package pki_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/internal/lab/pki"
)

func TestIssueCarriesNamesAndAddresses(t *testing.T) {
	authority, err := pki.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(pki.Subject{
		Name: "server", Groups: []string{"group"}, DNSNames: []string{"localhost"}, Addresses: []netip.Addr{netip.MustParseAddr("10.99.1.1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(pair.Certificate)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.Certificate)
	for _, name := range []string{"localhost", "10.99.1.1"} {
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: "10.99.1.2"}); err == nil {
		t.Error("an address it does not carry is accepted")
	}
	if got := certificate.Subject.String(); got != "CN=server,O=group" {
		t.Errorf("subject %s", got)
	}
}

// Kubeconfigs and tokens of an earlier life must stay valid.
func TestAuthorityAndKeysAreKept(t *testing.T) {
	dir := t.TempDir()
	var certificates, keys [2][]byte
	for i := range 2 {
		authority, err := pki.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		certificates[i] = authority.Certificate
		if keys[i], err = pki.KeepKey(dir, "service-accounts"); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(certificates[0], certificates[1]) || !bytes.Equal(keys[0], keys[1]) {
		t.Error("made anew")
	}
}

func TestKubeconfigNamesTheSite(t *testing.T) {
	text := string(pki.Kubeconfig("https://127.0.0.1:1", "dc1", []byte("a"), pki.Pair{}))
	for _, want := range []string{"server: https://127.0.0.1:1\n", "current-context: dc1\n", "certificate-authority-data: YQ==\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// A token is known by the key that signed it, and by no other.
func TestTokensAreKnownByTheirKey(t *testing.T) {
	_, key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	token, err := pki.SignToken(key, map[string]any{"sub": "system:serviceaccount:a:b"})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	for name, c := range map[string]struct {
		key         []byte
		token, want string
	}{
		"its own":         {key, token, "system:serviceaccount:a:b"},
		"another key":     {other, token, ""},
		"changed":         {key, parts[0] + "." + parts[1] + "A." + parts[2], ""},
		"no signature":    {key, parts[0] + "." + parts[1] + ".", ""},
		"not three parts": {key, "eyJ", ""},
		"no key":          {[]byte("x"), token, ""},
	} {
		if got := pki.TokenSubject(c.key, c.token); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
