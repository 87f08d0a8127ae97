package creds_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/creds"
)

func TestExecCredential(t *testing.T) {
	const good = `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"planted-token","expirationTimestamp":"2026-03-01T13:00:00Z"}}`
	got, err := creds.ParseExecCredential(creds.NewDocument(good))
	if err != nil || got.Token.Reveal() != "planted-token" || !got.Expires.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v %v", got, err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"not JSON":    {"{", "planted", "is not the JSON of one"},
		"version":     {"/v1", "/v1alpha1", "is not of client.authentication.k8s.io/v1"},
		"kind":        {"ExecCredential", "Secret", "is not of client.authentication"},
		"a question":  {`"status"`, `"spec"`, "is a question"},
		"certificate": {`"token"`, `"clientKeyData"`, "holds a client certificate"},
		"two lines":   {"planted-token", `planted\ntoken`, "status.token is empty or no token"},
		"no time":     {"2026-03-01T13:00:00Z", "planted", "is not a time"},
	} {
		_, err := creds.ParseExecCredential(creds.NewDocument(strings.Replace(good, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClusterProfile(t *testing.T) {
	e, facts := good(t)
	ca, err := json.Marshal(e.CA)
	if err != nil {
		t.Fatal(err)
	}
	profile := `{"apiVersion":"multicluster.x-k8s.io/v1alpha1","kind":"ClusterProfile","metadata":{"name":"dc2"},"status":{"accessProviders":[
		{"name":"kubeconfig-secretreader","cluster":{"server":"` + e.Server + `","certificate-authority-data":` + string(ca) + `,"extensions":[]}}]}}`
	for _, text := range []string{profile, strings.Replace(profile, "accessProviders", "credentialProviders", 1)} {
		ways, err := creds.ParseClusterProfile([]byte(text))
		if err != nil || len(ways) != 1 {
			t.Fatalf("%+v %v", ways, err)
		}
		if faults := ways[0].Export("dc2", coredns, creds.ExecCredential{Token: e.Token}).Faults(facts); len(faults) > 0 {
			t.Error(faults)
		}
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"not JSON":  {"{", "", "is not JSON"},
		"kind":      {"ClusterProfile", "Secret", "kind Secret: is not ClusterProfile"},
		"none":      {"accessProviders", "others", "status.accessProviders: names none"},
		"no server": {`"server"`, `"host"`, "status.accessProviders[0].cluster.server: is missing"},
		"no name":   {`"name":"kube`, `"title":"kube`, "status.accessProviders[0].name: is missing"},
		"insecure":  {`"extensions":[]`, `"insecure-skip-tls-verify":true`, "takes any server for the source"},
	} {
		if ways, err := creds.ParseClusterProfile([]byte(strings.Replace(profile, c.old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.want) || len(ways) > 0 {
			t.Errorf("%s: %v %v", name, ways, err)
		}
	}
}

func FuzzParseSecret(f *testing.F) {
	e := creds.Export{Name: "dc2", Server: "https://192.0.2.1:6443", CA: []byte("ca"), Account: coredns}
	f.Add(e.Kubemcsa().Manifest().Reveal())
	f.Add("apiVersion: v1\nkind: Secret\nstringData: {config: 'kind: Config'}\n")
	f.Add("a: &x [*x]\n")
	f.Fuzz(func(t *testing.T, text string) {
		secret, err := creds.ParseSecret(creds.NewDocument(text))
		if err != nil {
			return
		}
		again, err := creds.ParseSecret(secret.Manifest())
		if err != nil || again.Name != secret.Name || len(again.Data) != len(secret.Data) {
			t.Fatalf("what was read is written as something else: %v", err)
		}
		for key, value := range secret.Data {
			if !again.Data[key].Equal(value) {
				t.Fatalf("key %q changed", key)
			}
		}
		_, _ = secret.Export() // must not panic
	})
}

func FuzzClaims(f *testing.F) {
	f.Add("a.e30.b")
	f.Add("a." + "eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YTpiIiwiZXhwIjoxZTMwMH0" + ".b")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := creds.ParseToken(text)
		if err != nil {
			return
		}
		if claims, err := token.Claims(); err == nil && claims.Account.User() != "system:serviceaccount:"+claims.Account.Namespace+":"+claims.Account.Name {
			t.Fatal("the account is not that of the subject")
		}
	})
}
