// Command ice-install joins the data centres of Instant Connect Enterprise, as chapters 3 to 4.4 of its geo-redundancy
// guide do by hand, and proves that they are one.
package main

import (
	"context"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/examples/internal/ice/command"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/cli"
)

func main() {
	cli.Program{Name: "ice-install", Open: open, Lint: ice.Lint, Whole: ice.LaboratoryApplications, Stores: ice.LaboratoryStores(), Next: next, Budget: ice.GateBudget}.Main()
}

// next is what there is to see in a laboratory.
func next(lab string, whole bool) []cli.Next {
	const run = "go run ./examples/"
	of := " -lab " + lab
	steps := []cli.Next{
		{What: "look", Command: run + "ice-install -check" + of + "   (-watch 30s -listen 127.0.0.1:9464: again and again)"},
		{What: "cut", Command: "go run -C internal/lab . fault -name " + lab + " cut dc1 dc2   (mend: the same with mend alone)"},
	}
	if whole {
		steps = append(steps, cli.Next{What: "recover", Command: run + "ice-recover -outage 5m" + of},
			cli.Next{What: "upgrade", Command: run + "ice-upgrade -chart-version " + ice.ProductChart + "=3.5.41630 -confirm before/backup=no-backup-before-3.5.41630" + of})
	}
	return steps
}

func open(text []byte, o cli.Options) (cli.Deployment, error) {
	topology, err := ice.ParseTopology(text)
	if err != nil {
		return nil, err
	}
	d, err := command.Open(topology, o)
	return deployment{d}, err
}

type deployment struct{ command.Deployment }

func (d deployment) Runbook() geored.Runbook { return d.Install() }

// Connect refuses to upgrade the product: that is for ice-upgrade, which asks for a backup and goes back.
func (d deployment) Connect(ctx context.Context) error {
	if err := d.Deployment.Connect(ctx); err != nil || !d.Installs {
		return err
	}
	return d.NotNewer(ctx)
}
