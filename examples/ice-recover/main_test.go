package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/internal/cli"
)

// The flags of this program stand beside those of every program.
func TestFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-h":                 "-away SITE",
		"-since yesterday":   "write it like 2026-11-21T10:00:00Z",
		"-away dc_1":         "is no name of a site",
		"-schema -":          "is no name of a site",
		"-outage three-days": "parse error",
	} {
		var out bytes.Buffer
		code := program().Run(t.Context(), strings.Fields(args), strings.NewReader(""), &out, &out)
		if (args == "-h") != (code == cli.ExitPass) || !strings.Contains(out.String(), want) {
			t.Errorf("%s: exit code %d\n%s", args, code, out.String())
		}
	}
}

// It installs nothing: a chart repository that is away, or a file for it that is not there, keeps nobody from recovering.
func TestItNeedsNoCharts(t *testing.T) {
	dir := t.TempDir()
	file := "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: c, context: {cluster: c}}]\n"
	for _, name := range []string{"dc1.kubeconfig", "dc2.kubeconfig"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := open([]byte(`sites:
  - {name: dc1, kubeconfig: dc1.kubeconfig, wireguardCIDR: 10.13.0.0/16, podCIDR: 10.14.0.0/16, serviceCIDR: 10.15.0.0/16}
  - {name: dc2, kubeconfig: dc2.kubeconfig, wireguardCIDR: 10.16.0.0/16, podCIDR: 10.17.0.0/16, serviceCIDR: 10.18.0.0/16}
`), cli.Options{Topology: filepath.Join(dir, "sites.yaml"), Charts: cli.ChartOptions{Repo: "https://127.0.0.1:1", CAFile: filepath.Join(dir, "none")}}, ice.RecoveryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if pins, err := d.(*deployment).Pins(t.Context()); err != nil || len(pins) > 0 {
		t.Errorf("%v, %v", pins, err)
	}
}
