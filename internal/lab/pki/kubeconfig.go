package pki

import (
	"encoding/base64"
	"fmt"
)

// Kubeconfig is a client configuration for the API server at server ("https://…").
func Kubeconfig(server, cluster string, authority []byte, client Pair) []byte {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: %[2]s
  cluster:
    server: %[1]s
    certificate-authority-data: %[3]s
users:
- name: %[2]s
  user:
    client-certificate-data: %[4]s
    client-key-data: %[5]s
contexts:
- name: %[2]s
  context: {cluster: %[2]s, user: %[2]s}
current-context: %[2]s
`, server, cluster, b64(authority), b64(client.Certificate), b64(client.Key))
}
