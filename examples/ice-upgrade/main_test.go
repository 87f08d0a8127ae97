package main

import (
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/examples/internal/ice/command/commandtest"
	"github.com/georedkit/georedkit/internal/cli"
)

// What every step may take by default is no patience with an upgrade: it takes longer, and would be rolled back.
func TestPatienceIsTheOperatorsOrTheApplications(t *testing.T) {
	for own, want := range map[bool]time.Duration{false: 0, true: 5 * time.Minute} {
		o := cli.Options{Topology: commandtest.File(t), Timeout: 5 * time.Minute, OwnTimeout: own}
		o.Charts.Versions = map[string]string{ice.ProductChart: "3.5.41630"}
		d, err := open([]byte(commandtest.Sites), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.(deployment); got.Patience != want || !got.of.Installs {
			t.Errorf("%s, want %s; installs: %t", got.Patience, want, got.of.Installs)
		}
	}
	if _, err := open([]byte(strings.Replace(commandtest.Sites, "applications", "# applications", 1)), cli.Options{}); err == nil {
		t.Error("an upgrade of no product is taken")
	}
}
