// Command ice-install joins the data centres of Instant Connect Enterprise, as chapters 3 to 4.4 of its geo-redundancy
// guide do by hand, and proves that they are one.
package main

import (
	"context"
	"path/filepath"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/cli"
)

func main() {
	cli.Program{Name: "ice-install", Open: open, Lint: ice.Lint, Whole: ice.LaboratoryApplications, Stores: ice.LaboratoryStores(), Next: next}.Main()
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
	charts, err := chartsOf(o.Charts)
	if err != nil {
		return nil, err
	}
	d, err := ice.Open(topology.In(filepath.Dir(o.Topology)), ice.Options{
		ReadOnly: o.Check, Images: ice.Images{Probe: o.ProbeImage, PullSecret: o.PullSecret}, Charts: charts,
	})
	return deployment{d, o.Installs()}, err
}

func chartsOf(o cli.ChartOptions) (ice.Charts, error) {
	repository, err := o.Repository()
	if err != nil {
		return ice.Charts{}, err
	}
	files, err := o.ValuesFiles()
	if err != nil {
		return ice.Charts{}, err
	}
	overlay, err := ice.ParseOverlay(files, o.Values)
	return ice.Charts{Repository: repository, Versions: o.Versions, Overlay: overlay}, err
}

type deployment struct {
	*ice.Deployment
	installs bool
}

// Connect refuses what would take the product of a site back: ice-upgrade may have been there since.
func (d deployment) Connect(ctx context.Context) error {
	if err := d.Complete(ctx); err != nil || !d.installs {
		return err
	}
	return d.NotOlder(ctx)
}

func (d deployment) Runbook() geored.Runbook { return d.Install() }

func (d deployment) Sites() []geored.SiteName {
	var names []geored.SiteName
	for _, site := range d.Topology.Sites {
		names = append(names, site.Name)
	}
	return names
}
