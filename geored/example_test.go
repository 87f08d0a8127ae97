package geored_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// A task that needs another one, over two sites that a test kit pretends.
func ExampleRunbook_Run() {
	var world geotest.World
	install := world.Task(geored.Step{ID: "app/dc1", Site: "dc1", Target: "release app", Action: geored.Install})
	seed := world.Task(geored.Step{ID: "seed/dc2", Site: "dc2", Target: "secret app/seed", Action: geored.Copy, Needs: []geored.StepID{"app/dc1"}})
	runbook := geored.Runbook{Name: "app", Stages: []geored.Stage{geored.StageOf("install", install, seed)}}

	world.Break("dc2", geotest.Denied)
	result, err := runbook.Run(context.Background(), geored.RunConfig{})
	fmt.Println(err)

	world.Mend("dc2")
	result, err = runbook.Run(context.Background(), geored.RunConfig{}) // goes on where it stopped
	for _, outcome := range result.Outcomes {
		fmt.Println(outcome.ID, outcome.Status)
	}
	fmt.Println(err)
	// Output:
	// site dc2: copy secret app/seed: permission denied
	// app/dc1 unchanged
	// seed/dc2 changed
	// <nil>
}

// One site does not answer, so the verdict is unknown, whatever the others say.
func ExampleAsk() {
	sites := []geored.Target{{Site: "dc1"}, {Site: "dc2"}}
	version := func(_ context.Context, t geored.Target) (string, error) {
		if t.Site == "dc2" {
			return "", errors.New("connection refused")
		}
		return "4.1.10", nil
	}
	check := geored.Check{ID: "store/version", Title: "all sites run the same version", Run: func(ctx context.Context) []geored.Finding {
		answers := geored.Ask(ctx, sites, version)
		seen := map[string]bool{}
		for _, v := range answers.All() {
			seen[v] = true
		}
		finding := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%d version", len(seen))}
		if len(seen) > 1 {
			finding.Verdict = geored.Fail
		}
		return []geored.Finding{answers.Conclude(finding)}
	}}
	report, _ := geored.Prove(context.Background(), geored.CheckConfig{}, check)
	fmt.Println(report.Verdict(), report.Findings[0].Unanswered[0])
	// Output: unknown dc2 did not answer: connection refused
}

// Every fault of a topology is told at once, before any connection is made.
func ExampleParseTopology() {
	_, err := geored.ParseTopology([]byte(`
sites:
  - {name: dc1, podCIDR: 10.90.0.7/16, serviceCIDR: 10.100.0.0/16}
  - {name: dc2, podCIDR: 10.120.0.0/16, serviceCIDR: 10.100.64.0/18}
`))
	fmt.Fprintln(os.Stdout, err)
	// Output:
	// site dc1: podCIDR 10.90.0.7/16: has host bits set; write 10.90.0.0/16
	// site dc1: serviceCIDR 10.100.0.0/16: contains serviceCIDR 10.100.64.0/18 of site dc2; give each its own addresses
}
