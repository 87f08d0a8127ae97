package creds

import (
	"encoding/base64"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Keys of a Secret that carries an export, as kubemcsa v0.6.1 writes them.
const (
	KeyConfig    = "config" // a kubeconfig
	KeyCA        = "ca.crt"
	KeyNamespace = "namespace"
	KeyServer    = "server"
	KeyToken     = "token"
)

// Keys are the keys of such a Secret, sorted.
func Keys() []string { return []string{KeyCA, KeyConfig, KeyNamespace, KeyServer, KeyToken} }

// Secret is an export in the shape of a Kubernetes Secret. It prints without its contents.
type Secret struct {
	Name      string
	Namespace string // where it is put. Zero: left to who applies it, as kubemcsa does
	Type      string // zero: Opaque
	Data      map[string]Document
}

// Digest tells the data of two Secrets apart without showing them: the beginning of the SHA-256. It is "" for no data. Use it
// on what cannot be guessed, such as data with a token in it.
func (s Secret) Digest() string {
	var data strings.Builder
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		value := s.Data[key].Reveal()
		fmt.Fprintf(&data, "%q %d\n%s\n", key, len(value), value)
	}
	return seal(data.String()).Digest()
}

// Kubemcsa is the Secret that kubemcsa export writes (ICE guide, 4.3.2 and 4.4.4): an opaque one under the export's name,
// whose kubeconfig has the token in it. It is for consumers that read their credentials once, such as CoreDNS and
// MultiCassKop: they must be restarted when it changes.
func (e Export) Kubemcsa() Secret { return e.secret(e.kubeconfig("token", e.Token.Reveal())) }

// TokenFile is the Secret for consumers that have it mounted at folder and let client-go read the token again, about once
// a minute: its kubeconfig names the file token there.
func (e Export) TokenFile(folder string) Secret {
	return e.secret(e.kubeconfig("tokenFile", path.Join(folder, KeyToken)))
}

func (e Export) secret(kubeconfig string) Secret {
	return Secret{Name: e.Name, Data: map[string]Document{
		KeyServer:    NewDocument(e.Server),
		KeyCA:        NewDocument(string(e.CA)),
		KeyNamespace: NewDocument(e.Account.Namespace),
		KeyToken:     NewDocument(e.Token.Reveal()),
		KeyConfig:    NewDocument(kubeconfig),
	}}
}

// kubeconfig writes what clientcmd writes for one context, byte by byte.
func (e Export) kubeconfig(tokenKey, token string) string {
	name := scalar(e.Name)
	return fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: %s
  name: %s
contexts:
- context:
    cluster: %s
    namespace: %s
    user: %s
  name: %s
current-context: %s
kind: Config
preferences: {}
users:
- name: %s
  user:
    %s: %s
`, base64.StdEncoding.EncodeToString(e.CA), scalar(e.Server), name, name, scalar(e.Account.Namespace), name, name, name, name, tokenKey, scalar(token))
}

// Manifest is the YAML that kubemcsa prints, for kubectl apply -f -.
func (s Secret) Manifest() Document {
	var b strings.Builder
	b.WriteString("apiVersion: v1\ndata:\n")
	for _, key := range s.keys() {
		fmt.Fprintf(&b, "  %s: %s\n", scalar(key), scalar(base64.StdEncoding.EncodeToString([]byte(s.Data[key].Reveal()))))
	}
	b.WriteString("kind: Secret\nmetadata:\n  creationTimestamp: null\n")
	fmt.Fprintf(&b, "  name: %s\n", scalar(s.Name))
	if s.Namespace != "" {
		fmt.Fprintf(&b, "  namespace: %s\n", scalar(s.Namespace))
	}
	if s.Type != "" {
		fmt.Fprintf(&b, "type: %s\n", scalar(s.Type))
	}
	return NewDocument(b.String())
}
