// Command ice-upgrade upgrades Instant Connect Enterprise, one site after the other, as chapter 6 of its geo-redundancy
// guide does by hand: with gates before, between and behind, and back to the old version when one of them does not pass.
package main

import (
	"context"
	"os"
	"time"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/examples/internal/ice/command"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/report"
	"github.com/georedkit/georedkit/internal/cli"
)

func main() {
	cli.Program{Name: "ice-upgrade", Open: open, Whole: ice.LaboratoryApplications, Stores: ice.LaboratoryStores(), Backups: true, Budget: ice.GateBudget}.Main()
}

func open(text []byte, o cli.Options) (cli.Deployment, error) {
	topology, err := ice.ParseTopology(text)
	if err != nil {
		return nil, err
	}
	var backups []ice.Backup
	if o.Backup != "" {
		file, err := os.ReadFile(o.Backup)
		if err != nil {
			return nil, geored.Faults{{Field: "-backup", Value: o.Backup, Problem: "cannot be read: " + err.Error(), Remedy: "name the file that tells of the backups, or confirm that there is none"}}
		}
		if backups, err = ice.ParseBackup(file, time.Now()); err != nil {
			return nil, err
		}
	}
	if topology.Applications == nil {
		return nil, geored.Faults{{Field: "applications", Problem: "are missing in the topology", Remedy: "describe the product as for ice-install; in the laboratory give -whole"}}
	}
	if o.Charts.Versions[ice.ProductChart] == "" && !o.Check {
		return nil, geored.Faults{{Field: "-chart-version", Problem: "is missing", Remedy: "name the version to upgrade to, as " + ice.ProductChart + "=VERSION"}}
	}
	d, err := command.Open(topology, o)
	upgrading := ice.Upgrading{Deployment: d.Deployment, Backups: backups}
	if o.OwnTimeout {
		upgrading.Patience = o.Timeout
	}
	return deployment{upgrading, d}, err
}

type deployment struct {
	ice.Upgrading
	of command.Deployment
}

func (d deployment) Connect(ctx context.Context) error { return d.of.Connect(ctx) }
func (d deployment) Sites() []geored.SiteName          { return d.of.Sites() }
func (d deployment) Departures() []report.Departure    { return ice.UpgradeDepartures() }
