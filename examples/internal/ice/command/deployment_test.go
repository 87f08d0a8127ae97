package command_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/examples/internal/ice/command"
	"github.com/georedkit/georedkit/examples/internal/ice/command/commandtest"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/cli"
)

func TestOpen(t *testing.T) {
	file := commandtest.File(t)
	dir := filepath.Dir(file)
	topology, err := ice.ParseTopology([]byte(commandtest.Sites))
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range []bool{false, true} {
		d, err := command.Open(topology, cli.Options{Topology: file, Check: check})
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
		_, err := command.Open(topology, cli.Options{Topology: file, Charts: o})
		if faults, ok := geored.AsFaults(err); !ok || faults[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
