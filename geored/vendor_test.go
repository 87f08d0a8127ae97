package geored_test

import (
	"errors"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// This is how a vendor tests the runbook of the package's example: killed anywhere, it ends as it does undisturbed.
func TestAcmeKilledAnywhere(t *testing.T) {
	geotest.KillAnywhere(t, func(testing.TB) geotest.Rehearsal {
		var world geotest.World
		return geotest.Rehearsal{Runbook: func() geored.Runbook { return (&acme{world: &world}).runbook() }, Effects: world.Effects, State: world.State}
	})
}

// And a site that is away: what needs it waits, and says why.
func TestAcmeWithoutASite(t *testing.T) {
	vendor := &acme{world: &geotest.World{}}
	vendor.world.Break("dc2", geotest.Unreachable)
	result, err := vendor.runbook().Run(t.Context(), config(t))
	if got := statuses(result); got != "store/dc1=changed store/dc2=failed join/dc2=pending" || !errors.Is(err, geored.ErrBudget) {
		t.Errorf("%s, %v", got, err)
	}
}

// The plan is a file that outlives the program.
func TestAcmePlan(t *testing.T) {
	vendor := &acme{world: &geotest.World{}}
	plan := planned(t, vendor.runbook())
	read, err := geored.ParsePlan(written(t, plan))
	if err != nil || len(read.Moves(plan, nil)) > 0 {
		t.Errorf("%+v, %v", read, err)
	}
}
