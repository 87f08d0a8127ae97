// Package command is what the programs about Instant Connect Enterprise do alike with their flags.
package command

import (
	"context"
	"path/filepath"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/cli"
)

// Deployment is the sites of a topology as a program's flags have them.
type Deployment struct {
	*ice.Deployment
	Installs bool // the run brings the product's charts, in the versions of the flags
}

// Open opens the sites. What the flags name and cannot be read is geored.Faults.
func Open(topology ice.Topology, o cli.Options) (Deployment, error) {
	charts, err := chartsOf(o.Charts)
	if err != nil {
		return Deployment{}, err
	}
	d, err := ice.Open(topology.In(filepath.Dir(o.Topology)), ice.Options{
		ReadOnly: o.Check, Images: ice.Images{Probe: o.ProbeImage, PullSecret: o.PullSecret}, Charts: charts,
	})
	return Deployment{d, o.Installs()}, err
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

// Connect refuses what would take the product of a site back: somebody may have upgraded it since. The files with secrets are
// read before that.
func (d Deployment) Connect(ctx context.Context) error {
	if err := d.Complete(ctx); err != nil || !d.Installs {
		return err
	}
	if err := d.Secrets(); err != nil {
		return err
	}
	return d.NotOlder(ctx)
}

// Sites are the names of the sites, as the topology has them.
func (d Deployment) Sites() []geored.SiteName { return d.Topology.Names() }
