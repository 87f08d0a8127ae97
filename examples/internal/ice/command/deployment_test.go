package command_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/examples/internal/ice/command"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/cli"
)

const sites = `sites:
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

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"dc1.kubeconfig", "dc2.kubeconfig"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(kubeconfig), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	topology, err := ice.ParseTopology([]byte(sites))
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range []bool{false, true} {
		d, err := command.Open(topology, cli.Options{Topology: filepath.Join(dir, "sites.yaml"), Check: check})
		if err != nil || !slices.Equal(d.Sites(), []geored.SiteName{"dc1", "dc2"}) || d.Installs == check {
			t.Errorf("check %t: %v, installs %t, %v", check, d.Sites(), d.Installs, err)
		}
		// Sites that are silent: what is installed there cannot be told, and a check says so itself.
		if err := d.Connect(t.Context()); (err == nil) != check {
			t.Errorf("check %t: connect: %v", check, err)
		}
	}
	for field, o := range map[string]cli.ChartOptions{
		"-chart-ca": {CAFile: filepath.Join(dir, "ca.crt")},
		"-values":   {Values: []string{filepath.Join(dir, "values.yaml")}},
	} {
		_, err := command.Open(topology, cli.Options{Topology: filepath.Join(dir, "sites.yaml"), Charts: o})
		if faults, ok := geored.AsFaults(err); !ok || faults[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
