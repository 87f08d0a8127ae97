package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/internal/cli"
)

const sites = `sites:
  - {name: dc1, kubeconfig: dc1.kubeconfig, wireguardCIDR: 10.13.0.0/16, podCIDR: 10.14.0.0/16, serviceCIDR: 10.15.0.0/16}
  - {name: dc2, kubeconfig: dc2.kubeconfig, wireguardCIDR: 10.16.0.0/16, podCIDR: 10.17.0.0/16, serviceCIDR: 10.18.0.0/16}
applications: {timeout: 3h}
`

// What every step may take by default is no patience with an upgrade: it takes longer, and would be rolled back.
func TestPatienceIsTheOperatorsOrTheApplications(t *testing.T) {
	dir := t.TempDir()
	file := "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: c, context: {cluster: c}}]\n"
	for _, name := range []string{"dc1.kubeconfig", "dc2.kubeconfig"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for own, want := range map[bool]time.Duration{false: 0, true: 5 * time.Minute} {
		o := cli.Options{Topology: filepath.Join(dir, "sites.yaml"), Timeout: 5 * time.Minute, OwnTimeout: own}
		o.Charts.Versions = map[string]string{ice.ProductChart: "3.5.41630"}
		d, err := open([]byte(sites), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.(deployment); got.Patience != want || !got.of.Installs {
			t.Errorf("%s, want %s; installs: %t", got.Patience, want, got.of.Installs)
		}
	}
	if _, err := open([]byte(strings.Replace(sites, "applications", "# applications", 1)), cli.Options{}); err == nil {
		t.Error("an upgrade of no product is taken")
	}
}
