package main

import (
	"bytes"
	"strings"
	"testing"

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
