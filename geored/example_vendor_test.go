package geored_test

import (
	"context"
	"fmt"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// acme is a made-up product: a store in each site. Your own has clients of the sites in place of the World.
type acme struct {
	world   *geotest.World
	address geored.Output[string] // of dc1's store
}

func (a *acme) store(site geored.SiteName) geored.Task {
	return a.world.Task(geored.Step{ID: "store/" + geored.StepID(site), Site: site, Target: "release acme/store", Action: geored.Install,
		Reason: "a store in each site", Manual: []string{"helm install store acme/store"}, ManualUndo: []string{"helm uninstall store"}})
}

// first is dc1's store, whose address is observed with it.
func (a *acme) first() geored.Task {
	task := a.store("dc1")
	look := task.Observe
	return a.address.From(task, func(ctx context.Context) (string, geored.State, error) {
		state, err := look(ctx)
		return "10.0.1.7", state, err
	})
}

// join tells dc2 where dc1's store is. What it may be is reviewed before anybody knows it.
func (a *acme) join() geored.Stage {
	step := geored.Step{ID: "join/dc2", Site: "dc2", Target: "configmap acme/store", Action: geored.Apply, Reason: "dc2 replicates from dc1",
		Given: []geored.Constraint{{Name: "address of dc1", Matches: `10\.0\.1\.\d+`}}, Permanent: "what was replicated stays"}
	return geored.Stage{Name: "join", Outline: []geored.Step{step}, Bind: func(context.Context) ([]geored.Task, error) {
		address, err := a.address.Value("the address of dc1's store")
		task := a.world.Task(step)
		task.Values, task.Undo = map[string]string{"address of dc1": address}, nil
		return []geored.Task{task}, err
	}}
}

func (a *acme) runbook() geored.Runbook {
	book := func(s geored.Stage) geored.Runbook { return geored.Runbook{Stages: []geored.Stage{s}} }
	stores := geored.Parallel("stores", book(geored.StageOf("dc1", a.first())), book(geored.StageOf("dc2", a.store("dc2"))))
	return geored.Sequence("acme", stores, book(a.join()))
}

func Example() {
	vendor, ctx := &acme{world: &geotest.World{}}, context.Background()
	plan, _ := vendor.runbook().Plan(nil, nil)
	config := geored.RunConfig{Plan: plan.Digest, Journal: &geored.MemoryJournal{}}
	done, err := vendor.runbook().Run(ctx, config)
	fmt.Println(len(plan.Steps()), "steps planned,", done.Count(geored.Changed), "changed,", err)
	undone, err := vendor.runbook().Undo(ctx, config)
	fmt.Println(undone.Count(geored.Undone), "taken back,", undone.Outcomes[2].ID, undone.Outcomes[2].Detail, err)
	// Output:
	// 3 steps planned, 3 changed, <nil>
	// 2 taken back, join/dc2 what was replicated stays <nil>
}
