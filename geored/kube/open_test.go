package kube_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// secret is planted wherever a kubeconfig may hold one.
const secret = "planted-secret-4711"

const kubeconfig = `
apiVersion: v1
kind: Config
current-context: main
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: u, user: {token: planted-secret-4711}}]
contexts: [{name: main, context: {cluster: c, user: u}}, {name: lost, context: {cluster: nowhere, user: u}}]
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dc1.kubeconfig")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenAKubeconfig(t *testing.T) {
	behind := strings.Replace(kubeconfig, "server:", "proxy-url: 'socks5://user:"+secret+"@127.0.0.1:1', server:", 1)
	if _, err := kube.Open("dc1", geored.KubeRef{Kubeconfig: write(t, behind)}); err != nil {
		t.Errorf("behind a proxy: %v", err)
	}
	for _, context := range []string{"", "main"} {
		c, err := kube.Open("dc1", geored.KubeRef{Kubeconfig: write(t, kubeconfig), Context: context})
		if err != nil || c.Site() != "dc1" {
			t.Errorf("context %q: %v", context, err)
		}
	}
}

func TestOpenAFaultyKubeconfig(t *testing.T) {
	// Nothing that the machine happens to have may stand in for it.
	t.Setenv("KUBECONFIG", write(t, kubeconfig))
	t.Setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "1")
	missing := filepath.Join(t.TempDir(), "missing.kubeconfig")
	encoded := base64.StdEncoding.EncodeToString([]byte(secret))
	for name, c := range map[string]struct {
		ref  geored.KubeRef
		want string
	}{
		"no file named":      {geored.KubeRef{}, "no kubeconfig is named"},
		"missing":            {geored.KubeRef{Kubeconfig: missing}, missing},
		"a folder":           {geored.KubeRef{Kubeconfig: t.TempDir()}, "directory"},
		"proxy of no scheme": {geored.KubeRef{Kubeconfig: write(t, strings.Replace(kubeconfig, "server:", "proxy-url: 'user:"+secret+"@proxy:3128', server:", 1))}, `cluster "c": its proxy-url is none`},
		"proxy, odd escapes": {geored.KubeRef{Kubeconfig: write(t, strings.Replace(kubeconfig, "server:", "proxy-url: 'http://user:%"+secret+"@proxy:3128', server:", 1))}, `its proxy-url is none`},
		"proxy of a scheme":  {geored.KubeRef{Kubeconfig: write(t, strings.Replace(kubeconfig, "server:", "proxy-url: 'ftp://user:"+secret+"@proxy:3128', server:", 1))}, `its proxy-url is none`},
		"missing context":    {geored.KubeRef{Kubeconfig: write(t, kubeconfig), Context: "other"}, `context "other" is not in it: it has ["lost" "main"]`},
		"user that is not":   {geored.KubeRef{Kubeconfig: write(t, strings.Replace(kubeconfig, "name: u, user", "name: other, user", 1))}, `user "u" is not in it`},
		"context to nowhere": {geored.KubeRef{Kubeconfig: write(t, kubeconfig), Context: "lost"}, `cluster "nowhere" is not in it`},
		"no current context": {geored.KubeRef{Kubeconfig: write(t, strings.Replace(kubeconfig, "current-context: main", "", 1))}, `no current context: name one of ["lost" "main"]`},
		"empty":              {geored.KubeRef{Kubeconfig: write(t, "")}, "no current context"},
		"garbage":            {geored.KubeRef{Kubeconfig: write(t, secret+": [")}, "dc1.kubeconfig"},
		"text":               {geored.KubeRef{Kubeconfig: write(t, secret)}, "dc1.kubeconfig"},
		"token of no type":   {geored.KubeRef{Kubeconfig: write(t, strings.Replace(kubeconfig, "{token: "+secret+"}", secret, 1))}, "dc1.kubeconfig"},
		"token in a list":    {geored.KubeRef{Kubeconfig: write(t, strings.Replace(kubeconfig, "token: "+secret, "token: ["+secret+"]", 1))}, "dc1.kubeconfig"},
		"key that is none": {geored.KubeRef{Kubeconfig: write(t, strings.Replace(kubeconfig, "token: "+secret,
			"client-certificate-data: "+encoded+", client-key-data: "+encoded, 1))}, "dc1.kubeconfig"},
		"key that is no base64": {geored.KubeRef{Kubeconfig: write(t, strings.Replace(kubeconfig, "token: "+secret, "client-key-data: '"+secret+"!'", 1))}, "dc1.kubeconfig"},
		"key file missing": {geored.KubeRef{Kubeconfig: write(t, strings.Replace(kubeconfig, "token: "+secret,
			"client-certificate: /no/cert, client-key: /no/key, password: "+secret, 1))}, "/no/"},
		"two ways to log in": {geored.KubeRef{Kubeconfig: write(t, strings.Replace(kubeconfig, "token: "+secret,
			"token: "+secret+", username: x, password: "+secret, 1))}, "dc1.kubeconfig"},
		"address of no server": {geored.KubeRef{Kubeconfig: write(t, strings.Replace(kubeconfig, "https://127.0.0.1:1", "https://u:"+secret+"@x:y", 1))}, "dc1.kubeconfig"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := kube.Open("dc1", c.ref)
			if err == nil {
				t.Fatal("opened")
			}
			if !strings.HasPrefix(err.Error(), "site dc1: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want site and %s", err, c.want)
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), encoded) {
				t.Errorf("tells a secret: %v", err)
			}
		})
	}
}
