// Package commandtest has what the programs' tests start them with: two sites of which none answers.
package commandtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Sites is their topology, with the product.
const Sites = `sites:
  - {name: dc1, kubeconfig: dc1.kubeconfig, wireguardCIDR: 10.13.0.0/16, podCIDR: 10.14.0.0/16, serviceCIDR: 10.15.0.0/16}
  - {name: dc2, kubeconfig: dc2.kubeconfig, wireguardCIDR: 10.16.0.0/16, podCIDR: 10.17.0.0/16, serviceCIDR: 10.18.0.0/16}
applications: {timeout: 3h}
`

const kubeconfig = `apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
contexts: [{name: c, context: {cluster: c}}]
`

// File writes the topology and the kubeconfigs beside it, and gives its path.
func File(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"sites.yaml": Sites, "dc1.kubeconfig": kubeconfig, "dc2.kubeconfig": kubeconfig} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "sites.yaml")
}
