package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/examples/internal/ice/command/commandtest"
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
	file := commandtest.File(t)
	charts := cli.ChartOptions{Repo: "https://127.0.0.1:1", CAFile: filepath.Join(filepath.Dir(file), "none")}
	d, err := open([]byte(commandtest.Sites), cli.Options{Topology: file, Charts: charts}, ice.RecoveryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if pins, err := d.(*deployment).Pins(t.Context()); err != nil || len(pins) > 0 {
		t.Errorf("%v, %v", pins, err)
	}
}
