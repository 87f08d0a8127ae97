package creds_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/creds/credstest"
	"github.com/georedkit/georedkit/geored"
)

var (
	now     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	coredns = creds.Account{Namespace: "kube-system", Name: "coredns"}
	issuer  = credstest.Issuer{Name: "https://kubernetes.default.svc.dc2", Key: "planted-signing-key"}
)

// good is an export without faults, and the facts that it agrees with.
func good(t *testing.T) (creds.Export, creds.Facts) {
	t.Helper()
	authority := credstest.NewAuthority(t, "kubernetes of dc2", now)
	life := creds.Life{Issued: now.Add(-time.Hour), Expires: now.Add(23 * time.Hour)}
	return creds.Export{Site: "dc2", Name: "dc2", Server: "https://192.0.2.1:6443", CA: authority.PEM(), Account: coredns, Token: issuer.Bound(t, coredns, life)},
		creds.Facts{Now: now, Margin: 5 * time.Hour, Issuer: issuer.Name, Account: coredns,
			Serving: []*x509.Certificate{authority.Serving(t, "192.0.2.1", "api.dc2.example").Leaf}}
}

func TestExportWithoutFaults(t *testing.T) {
	e, facts := good(t)
	if faults := e.Faults(facts); len(faults) > 0 {
		t.Error(faults)
	}
	e.Token = issuer.Long(t, coredns, "coredns-token-1")
	facts.Issuer = "kubernetes/serviceaccount"
	if faults := e.Faults(facts); len(faults) > 0 || !e.Deadline().IsZero() {
		t.Errorf("%v, dies at %s", faults, e.Deadline())
	}
}

func TestExportFaults(t *testing.T) {
	other := credstest.NewAuthority(t, "kubernetes of dc1", now)
	life := creds.Life{Issued: now.Add(-time.Hour), Expires: now.Add(23 * time.Hour)}
	cases := map[string]struct {
		spoil func(*creds.Export, *creds.Facts)
		want  string
	}{
		"no name":         {func(e *creds.Export, _ *creds.Facts) { e.Name = "DC_2" }, "site dc2: name DC_2: is no name of a Secret"},
		"CA by file":      {func(e *creds.Export, _ *creds.Facts) { e.CA = nil }, "ca.crt: is empty: kubemcsa leaves it so"},
		"CA no PEM":       {func(e *creds.Export, _ *creds.Facts) { e.CA = []byte("planted-key") }, "ca.crt: holds no certificate in PEM"},
		"CA is a leaf":    {func(e *creds.Export, f *creds.Facts) { e.CA, f.Serving = pemOf(f.Serving[0]), nil }, "holds no certificate of an authority"},
		"CA of another":   {func(e *creds.Export, _ *creds.Facts) { e.CA = other.PEM() }, "ca.crt: did not sign what the server shows"},
		"CA expired":      {func(e *creds.Export, f *creds.Facts) { f.Now = now.AddDate(11, 0, 0) }, "ca.crt kubernetes of dc2: expired at 2036-03-01T12:00:00Z"},
		"loopback":        {func(e *creds.Export, _ *creds.Facts) { e.Server = "https://127.0.0.1:6443" }, "server https://127.0.0.1:6443: is the loopback address"},
		"loopback v6":     {func(e *creds.Export, _ *creds.Facts) { e.Server = "https://[::1]:6443" }, "is the loopback address"},
		"mapped loopback": {func(e *creds.Export, _ *creds.Facts) { e.Server = "https://[::ffff:127.0.0.1]:6443" }, "is the loopback address"},
		"localhost":       {func(e *creds.Export, _ *creds.Facts) { e.Server = "https://LOCALHOST:6443" }, "is the machine that asks"},
		"Kubespray":       {func(e *creds.Export, _ *creds.Facts) { e.Server = "https://lb-apiserver.kubernetes.local:6443" }, "is a name that Kubespray writes"},
		"own name":        {func(e *creds.Export, _ *creds.Facts) { e.Server = "https://kubernetes.default.svc" }, "is every cluster's name for itself"},
		"in clear":        {func(e *creds.Export, _ *creds.Facts) { e.Server = "http://192.0.2.1:8080" }, "is not https"},
		"no URL":          {func(e *creds.Export, _ *creds.Facts) { e.Server = "192.0.2.1:6443" }, "server: is not a URL"},
		"password in URL": {func(e *creds.Export, _ *creds.Facts) { e.Server = "https://u:planted-key@192.0.2.1" }, "carries a user or password"},
		"not covered":     {func(e *creds.Export, _ *creds.Facts) { e.Server = "https://192.0.2.9:6443" }, "server 192.0.2.9: is not covered by the server's certificate, which names api.dc2.example, 192.0.2.1"},
		"no token":        {func(e *creds.Export, _ *creds.Facts) { e.Token = creds.Token{} }, "token: is empty; wait until"},
		"no JWT":          {func(e *creds.Export, _ *creds.Facts) { e.Token, _ = creds.ParseToken("planted-token") }, "token: is not a JSON web token"},
		"token of a namespace": {func(e *creds.Export, _ *creds.Facts) {
			e.Token = issuer.Bound(t, creds.Account{Namespace: "ice-cassandra", Name: "coredns"}, life)
		}, "token: belongs to namespace ice-cassandra, not to kube-system"},
		"token of an account": {func(e *creds.Export, _ *creds.Facts) {
			e.Token = issuer.Bound(t, creds.Account{Namespace: "kube-system", Name: "default"}, life)
		}, "token: belongs to kube-system/default, not to kube-system/coredns"},
		"wrong account":     {func(_ *creds.Export, f *creds.Facts) { f.Account.Name = "cassandra-operator" }, "account kube-system/coredns: is not kube-system/cassandra-operator"},
		"wrong issuer":      {func(_ *creds.Export, f *creds.Facts) { f.Issuer = "https://dc1" }, `was issued by "https://kubernetes.default.svc.dc2", not by "https://dc1"`},
		"expired":           {func(_ *creds.Export, f *creds.Facts) { f.Now = now.Add(23 * time.Hour) }, "token: expired at 2026-03-02T11:00:00Z"},
		"near expiry":       {func(_ *creds.Export, f *creds.Facts) { f.Margin = 23*time.Hour + 1 }, "token: dies at 2026-03-02T11:00:00Z, less than"},
		"expiry overstated": {func(e *creds.Export, _ *creds.Facts) { e.Expires = now.AddDate(1, 0, 0) }, "before the expiry 2027-03-01T12:00:00Z that the export names"},
		"from the future":   {func(_ *creds.Export, f *creds.Facts) { f.Now = now.Add(-2 * time.Hour) }, "which is still to come; compare the clocks"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e, facts := good(t)
			c.spoil(&e, &facts)
			text := e.Faults(facts).Error()
			if !strings.Contains(text, c.want) {
				t.Errorf("faults:\n%s\nwant one with:\n%s", text, c.want)
			}
			if strings.Contains(text, "planted") {
				t.Errorf("repeats a secret: %s", text)
			}
		})
	}
	if faults := (creds.Export{}).Faults(creds.Facts{}); len(faults) != 5 {
		t.Errorf("an empty export has %d faults, want one for each field:\n%v", len(faults), faults)
	}
}

func pemOf(certificate *x509.Certificate) []byte {
	return []byte("-----BEGIN CERTIFICATE-----\n" + base64Std(certificate.Raw) + "\n-----END CERTIFICATE-----\n")
}

// The golden files are in the shape of kubemcsa v0.6.1 (cmd/kubemcsa/main.go, pkg/bootstrap/export.go).
func TestShapes(t *testing.T) {
	token, err := creds.ParseToken("eyJhbGciOiJub25lIn0.e30.signature\n")
	if err != nil {
		t.Fatal(err)
	}
	e := creds.Export{Name: "dc2", Server: "https://192.0.2.1:6443", CA: []byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"), Account: coredns, Token: token}
	for file, got := range map[string]string{
		"kubemcsa.yaml":         e.Kubemcsa().Manifest().Reveal(),
		"kubemcsa.kubeconfig":   e.Kubemcsa().Data[creds.KeyConfig].Reveal(),
		"token-file.kubeconfig": e.TokenFile("/etc/creds/dc2").Data[creds.KeyConfig].Reveal(),
	} {
		want, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n%s\nwant\n%s", file, got, want)
		}
	}
}

func TestSecretsReadBack(t *testing.T) {
	e, facts := good(t)
	e.Site = ""
	for name, shape := range map[string]creds.Secret{"kubemcsa": e.Kubemcsa(), "token file": e.TokenFile("/x")} {
		secret, err := creds.ParseSecret(shape.Manifest())
		if err != nil {
			t.Fatal(name, err)
		}
		back, err := secret.Export()
		if err != nil || back.Name != "dc2" || back.Server != e.Server || !bytes.Equal(back.CA, e.CA) || back.Account != e.Account || !back.Token.Equal(e.Token) {
			t.Errorf("%s: %+v %v", name, back, err)
		}
		if faults := back.Faults(facts); len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
	}
	odd := e
	odd.Name = "1e3"
	if secret, err := creds.ParseSecret(odd.Kubemcsa().Manifest()); err != nil || secret.Name != "1e3" {
		t.Errorf("a name like a number: %q %v", secret.Name, err)
	}
}

func TestSecretsThatDoNotAgreeWithThemselves(t *testing.T) {
	e, _ := good(t)
	cases := map[string]struct {
		change func(map[string]creds.Document)
		want   string
	}{
		"no config":       {func(d map[string]creds.Document) { delete(d, creds.KeyConfig) }, "config: is missing"},
		"no token":        {func(d map[string]creds.Document) { delete(d, creds.KeyToken) }, "token: is missing"},
		"another token":   {func(d map[string]creds.Document) { d[creds.KeyToken] = creds.NewDocument("planted-token") }, "config.token: is not that of the Secret"},
		"another server":  {func(d map[string]creds.Document) { d[creds.KeyServer] = creds.NewDocument("https://192.0.2.2") }, "config.server: is not that of the Secret"},
		"another CA":      {func(d map[string]creds.Document) { d[creds.KeyCA] = creds.NewDocument("x") }, "config.certificate-authority-data: is not"},
		"exec plugin":     {replaceIn("    token: ", "    exec: planted-token\n    token: "), "config: cannot be read at line"},
		"broken":          {replaceIn("users:", "users: {planted-token"), "config: cannot be read"},
		"two contexts":    {replaceIn("contexts:", "contexts:\n- {name: x}"), "has not exactly one cluster"},
		"names that vary": {replaceIn("current-context: dc2", "current-context: dc1"), "config.current-context: is not"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := e.Kubemcsa()
			c.change(s.Data)
			_, err := s.Export()
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "planted") {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
	for name, text := range map[string]string{
		"not base64":   "apiVersion: v1\nkind: Secret\ndata: {token: planted-token}\n",
		"not a Secret": "apiVersion: v1\nkind: ConfigMap\ndata: {}\n",
		"not YAML":     "planted-token: [\n",
		"alias":        "apiVersion: v1\nkind: Secret\ndata: *planted-token\n",
		"wrong kind":   "apiVersion: v1\nkind: Secret\ndata: planted-token\n",
		"unknown key":  "apiVersion: v1\nkind: Secret\nplanted-token: x\n",
	} {
		_, err := creds.ParseSecret(creds.NewDocument(text))
		if _, isFaults := geored.AsFaults(err); !isFaults || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func replaceIn(old, new string) func(map[string]creds.Document) {
	return func(d map[string]creds.Document) {
		d[creds.KeyConfig] = creds.NewDocument(strings.Replace(d[creds.KeyConfig].Reveal(), old, new, 1))
	}
}

// Whatever is done with what holds a secret, the secret does not come out.
func TestNothingShowsASecret(t *testing.T) {
	token, err := creds.ParseToken("planted-token")
	if err != nil {
		t.Fatal(err)
	}
	e, _ := good(t)
	e.Token = token
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	plain := slog.New(slog.NewTextHandler(&out, nil))
	for _, value := range []any{token, &token, e, &e, e.Kubemcsa(), e.Kubemcsa().Manifest(), []creds.Token{token}, map[string]any{"x": token},
		struct{ hidden *creds.Export }{&e}, creds.ExecCredential{Token: token}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		logger.Info("x", "value", value)
		plain.Info("x", "value", value)
		text, err := json.Marshal(value)
		if err != nil {
			t.Error(err)
		}
		out.Write(text)
	}
	for _, planted := range []string{"planted", "706c616e746564", base64Std([]byte("planted-token"))} {
		if strings.Contains(out.String(), planted) {
			t.Errorf("%q came out:\n%s", planted, out.String())
		}
	}
	if !strings.Contains(out.String(), geored.Redacted) || token.Reveal() != "planted-token" {
		t.Error("nothing was printed, or nothing can be opened")
	}
}
