package cassandra

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Steps are the steps of the plan, each needing the one before.
func (p ReplacePlan) Steps() []geored.Step {
	step := func(id string, action geored.Action, reason string, needs []geored.Step, manual ...string) geored.Step {
		s := geored.Step{ID: geored.StepID(fmt.Sprintf("cassandra/replace/%s/%s/%s", p.Site, p.Node, id)), Site: p.Site,
			Target: fmt.Sprintf("node %s", p.Lost.Internode), Action: action, Reason: reason, Manual: manual}
		for _, n := range needs {
			s.Needs = append(s.Needs, n.ID)
		}
		return s
	}
	gone := step("gone", geored.Await, "a node that is only out of reach must not be replaced: both would own its rows; "+p.Evidence, nil)
	replace := step("replace", geored.Apply, "an empty server takes its tokens and has its rows streamed from the other replicas", []geored.Step{gone},
		"start an empty server that is no seed of its own, with auto_bootstrap on and "+p.option())
	settle := step("settle", geored.Apply, "later starts must not replace anybody, and no node may list who is gone", []geored.Step{replace},
		"take the option away again", "on each node that still lists "+p.Lost.Internode.String()+": "+strings.Join(p.forget(), "; "))
	compare := step("compare", geored.Await, "that it streamed proves nothing: all sites must hold the same rows", []geored.Step{settle})
	return []geored.Step{gone, replace, settle, compare}
}

// option has no effect on a server that has started with it once.
func (p ReplacePlan) option() string {
	return "-Dcassandra.replace_address_first_boot=" + p.Lost.Internode.String()
}

// ReplaceStage carries the plan out, when confirm is its [ReplacePlan.Confirmation]. Right before the new server is started
// it makes sure once more that the old one is gone. It is done when the new one has the old one's tokens, serves clients,
// and every node knows it and nobody else in its place. Then what was set for its first start is taken away, and rows of the old
// one that nodes still have among their peers: gossip that comes late writes them again, for ever, and drivers and checks look
// for that node. Then all tables but counters are compared, every replica: where
// they differ, writes came while it was away that no replica had which it took its rows from; repair then. timeout is for each
// step; zero: that of the run, whose default is too short for real data.
func (c *Cluster) ReplaceStage(p ReplacePlan, replacer Replacer, confirm string, timeout time.Duration) (geored.Stage, error) {
	if confirm != p.Confirmation() {
		return geored.Stage{}, geored.Faults{{Site: p.Site, Field: "confirm", Value: confirm, Problem: "is not the value of this plan", Remedy: fmt.Sprintf("it is %q", p.Confirmation())}}
	}
	x, steps := &replacing{Cluster: c, plan: p, replacer: replacer}, p.Steps()
	return geored.StageOf(fmt.Sprintf("replace %s in %s", p.Lost.Internode, p.Site),
		geored.Task{Step: steps[0], Observe: x.observeGone, Timeout: timeout},
		geored.Task{Step: steps[1], Observe: x.observe, Apply: x.replace, Timeout: timeout},
		geored.Task{Step: steps[2], Observe: x.observeSettled, Apply: x.settle, Timeout: timeout},
		geored.Task{Step: steps[3], Observe: x.observeEqual, Timeout: timeout},
	), nil
}

// replacing is the state of one replacement.
type replacing struct {
	*Cluster
	plan     ReplacePlan
	replacer Replacer
}

func (x *replacing) observeGone(ctx context.Context) (geored.State, error) {
	// Once a server was started in its place there is nothing to be sure of any more.
	if progress, err := x.replacer.Progress(ctx, x.plan.Lost); err != nil || progress != ReplaceNotBegun {
		return geored.State{Done: err == nil, Detail: "the replacement has begun"}, err
	}
	return stateOf(x.gone(ctx), "it is gone for good"), nil
}

// gone says why the node may still come back.
func (x *replacing) gone(ctx context.Context) error {
	ring, err := x.Ring(ctx)
	if err != nil {
		return err
	}
	if _, faults := ring.lost(x.plan.Replacing); len(faults) > 0 {
		return faults
	}
	ring = ring.without(x.plan.Lost)
	if faults := ring.talkFaults(); len(faults) > 0 {
		return faults
	}
	heard, err := x.heardOf(ctx, x.plan.Lost, ring)
	if err == nil {
		err = heard.Err()
	}
	if err != nil {
		return err
	}
	evidence, err := x.replacer.Lost(ctx, x.plan.Lost)
	if err == nil && evidence == "" {
		err = fmt.Errorf("node %s: nothing shows that it is gone for good", x.plan.Lost.Internode)
	}
	return err
}

// replace starts the new server, unless that was done, and waits until it has taken the place.
func (x *replacing) replace(ctx context.Context) error {
	progress, err := x.replacer.Progress(ctx, x.plan.Lost)
	if err != nil {
		return geored.Retriable(err)
	}
	if progress == ReplaceNotBegun {
		if err := x.gone(ctx); err != nil {
			return err
		}
		if err := x.replacer.Begin(ctx, x.plan.Lost, x.plan.option()); err != nil {
			return err
		}
	}
	return x.await(ctx, "the new server", func() error {
		ring, err := x.Ring(ctx)
		if err != nil {
			return err
		}
		return x.placeTaken(ring)
	})
}

// await looks again and again until nothing is missing.
func (x *replacing) await(ctx context.Context, what string, missing func() error) error {
	for {
		err := missing()
		if err == nil {
			return nil
		}
		if ended := x.Clock.Sleep(ctx, repairPoll); ended != nil {
			return fmt.Errorf("wait for %s: %w: %w", what, err, ended)
		}
	}
}

// placeTaken says what is missing until the new server has the old one's place.
func (x *replacing) placeTaken(ring Ring) error {
	lost := x.plan.Lost
	i := slices.IndexFunc(ring.Views, func(v View) bool { return v.Node.Site == lost.Site && slices.Equal(v.Node.Tokens, lost.Tokens) })
	if i < 0 {
		return fmt.Errorf("no server with the tokens of node %s answers; while it streams it does not", lost.Internode)
	}
	now := ring.Views[i].Node
	if now.HostID != lost.HostID {
		ring = ring.without(lost) // nodes may list it for a while
	}
	if faults := ring.talkFaults(); len(faults) > 0 {
		return faults
	}
	for _, v := range ring.Views {
		g := v.heard(now.HostID)
		// One that comes back at the address of the old one has its host ID too.
		if now.HostID == lost.HostID && g.Generation <= x.plan.Generation || !strings.HasPrefix(g.Status, "NORMAL") {
			return fmt.Errorf("node %s does not see the new server in its place: it has heard %q", v.Node.Address, g.Status)
		}
	}
	return nil
}

func (x *replacing) observe(ctx context.Context) (geored.State, error) {
	ring, err := x.Ring(ctx)
	if err != nil {
		return geored.State{}, err
	}
	return stateOf(x.placeTaken(ring), "a new server has its place"), nil
}

// observeEqual compares all tables of all keyspaces that had replicas on the node.
func (x *replacing) observeEqual(ctx context.Context) (geored.State, error) {
	var tables []Table
	for _, k := range x.plan.Keyspaces {
		found, err := x.Tables(ctx, k)
		if faults, ok := geored.AsFaults(err); ok && faults[0].Field == "keyspace" {
			continue // it is empty
		} else if err != nil {
			return geored.State{}, err
		}
		tables = append(tables, found...)
	}
	if len(tables) == 0 {
		return geored.State{Done: true, Detail: "there is no table to compare"}, nil
	}
	return x.equal(ctx, tables)
}

// equal says whether all tables are the same everywhere.
func (c *Cluster) equal(ctx context.Context, tables []Table) (geored.State, error) {
	all, err := c.CompareAll(ctx, tables, Comparing{EveryReplica: true})
	if err != nil {
		return geored.State{}, err
	}
	all = slices.DeleteFunc(all, func(c Comparison) bool { return c.Equality == Equal })
	if len(all) > 0 {
		return geored.State{Detail: all.String()}, nil
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("%d tables are equal", len(tables))}, nil
}
