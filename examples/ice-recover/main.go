// Command ice-recover brings the data centres of Instant Connect Enterprise together again after an outage of any length,
// as chapter 5 of its geo-redundancy guide does by hand, and proves that they hold the same data.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"time"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/examples/internal/ice/command"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/report"
	"github.com/georedkit/georedkit/internal/cli"
)

func main() {
	program().Main()
}

func program() cli.Program {
	o := &ice.RecoveryOptions{}
	return cli.Program{Name: "ice-recover", Whole: ice.LaboratoryApplications, Stores: ice.LaboratoryStores(), Patient: true, Budget: ice.RecoveryBudget,
		Flags: func(f *flag.FlagSet) { flags(f, o) },
		Open:  func(text []byte, common cli.Options) (cli.Deployment, error) { return open(text, common, *o) }}
}

func flags(f *flag.FlagSet, o *ice.RecoveryOptions) {
	f.DurationVar(&o.Said.Length, "outage", 0, "`TIME` that the sites were apart, as 3h40m, counted back from now: what passed since the link came back counts too; without it and -since: found from evidence, or refused")
	f.Func("since", "`TIME` at which the sites were last together, as 2026-11-21T10:00:00Z", func(text string) (err error) {
		if o.Said.Since, err = time.Parse(time.RFC3339, text); err != nil {
			return errors.New("write it like 2026-11-21T10:00:00Z")
		}
		return nil
	})
	f.Func("schema", "`SITE` whose schema stays, when each site has its own and no version has most nodes", func(text string) error {
		if o.Keep = geored.SiteName(text); !o.Keep.IsValid() {
			return errors.New("is no name of a site")
		}
		return nil
	})
	f.Func("away", "`SITE` that was away: its rows are given up when the outage was longer than gc_grace", func(text string) error {
		if o.Away = geored.SiteName(text); !o.Away.IsValid() {
			return errors.New("is no name of a site")
		}
		return nil
	})
}

func open(text []byte, common cli.Options, o ice.RecoveryOptions) (cli.Deployment, error) {
	topology, err := ice.ParseTopology(text)
	if err != nil {
		return nil, err
	}
	o.ProveOnly = common.Check
	common.Charts = cli.ChartOptions{} // it installs nothing: a repository that is away is no obstacle
	d, err := command.Open(topology, common)
	return &deployment{Deployment: d, options: o}, err
}

// deployment is the sites with what a recovery decided about them.
type deployment struct {
	command.Deployment
	options  ice.RecoveryOptions
	recovery *ice.Recovery
	book     geored.Runbook
}

// Connect reads everything, and decides.
func (d *deployment) Connect(ctx context.Context) (err error) {
	if err := cmp.Or(d.Complete(ctx), d.Silent()); err != nil { // stores are compared: a check has nothing to say of one site alone either
		return err
	}
	if d.recovery, err = d.Recovery(ctx, d.options); err != nil {
		return err
	}
	if err := d.recovery.Assess(ctx); err != nil {
		return err
	}
	d.book, err = d.recovery.Runbook()
	return err
}

func (d *deployment) Runbook() geored.Runbook        { return d.book }
func (d *deployment) Departures() []report.Departure { return ice.RecoveryDepartures() }

func (d *deployment) Checks() []geored.Check {
	return append(d.recovery.Checks(), d.RecoveryDocumented()...)
}

func (d *deployment) Attend(ctx context.Context, j geored.Journal) (context.Context, func()) {
	return d.recovery.Attend(ctx, j)
}
