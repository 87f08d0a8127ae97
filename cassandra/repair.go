package cassandra

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Nodetool runs nodetool beside one node, for instance by executing it in the node's pod.
type Nodetool interface {
	// Run runs nodetool with these arguments and gives its standard output; with an error, all that it printed.
	Run(ctx context.Context, n Node, args ...string) (output string, err error)
}

// RepairPlan is a repair of one keyspace: in full, each node its primary ranges, every node of every site one after
// another. It is plain data; kept, it lets a run that was interrupted go on without repairing a node twice.
type RepairPlan struct {
	Keyspace string   `json:"keyspace"`
	Nodes    []Node   `json:"nodes"` // in the order of repair
	Known    []string `json:"known"` // repairs that the nodes knew of before, by ID: they are not ours
}

// PlanRepair plans a repair of a keyspace. It refuses, with all reasons at once as [geored.Faults]: nodes that are
// silent (a repair without them is no repair), versions or schemas that differ, a repair that runs already (two at once
// hinder each other), and an outage that asks for something else: zero if there was none.
func (c *Cluster) PlanRepair(ctx context.Context, keyspace string, outage time.Duration) (RepairPlan, error) {
	ring, err := c.Ring(ctx)
	if err != nil {
		return RepairPlan{}, err
	}
	p := RepairPlan{Keyspace: keyspace}
	faults := ring.repairFaults(keyspace)
	for _, v := range ring.Views {
		p.Nodes = append(p.Nodes, v.Node)
		known, running := c.repairsNow(ctx, v.Node)
		p.Known, faults = append(p.Known, known...), append(faults, running...)
	}
	if outage > 0 {
		limits, err := c.Limits(ctx)
		if err != nil {
			return p, err
		}
		if cure, reasons := limits.Cure(outage); cure == Rebuild || cure == CureUnknown {
			faults = append(faults, geored.Fault{Field: "outage", Value: outage.String(),
				Problem: fmt.Sprintf("asks for %s: %s", cure, strings.Join(reasons, "; "))})
		}
	}
	return p, faults.Err()
}

// isRunning ends the problem of a repair that runs.
const isRunning = " is running"

// RepairsRun says whether an error of [Cluster.PlanRepair] or [Cluster.PlanRebuild] is of repairs that run and of nothing else:
// they come to their end.
func RepairsRun(err error) bool {
	faults, ok := geored.AsFaults(err)
	return ok && len(faults) > 0 && !slices.ContainsFunc(faults, func(f geored.Fault) bool { return !strings.HasSuffix(f.Problem, isRunning) })
}

// repairsNow are the IDs of the repairs that a node coordinates or coordinated; those that run are faults, and so is that
// it cannot be told.
func (c *Cluster) repairsNow(ctx context.Context, n Node) (known []string, faults geored.Faults) {
	fault := geored.Fault{Site: n.Site, Field: "node", Value: n.Address.String()}
	records, err := c.Repairs(ctx, n)
	if err != nil {
		fault.Problem, fault.Remedy = err.Error(), "the server must be 4.1 or newer"
		return nil, geored.Faults{fault}
	}
	for _, r := range records {
		known = append(known, r.ID)
		if !r.Completed {
			fault.Problem, fault.Remedy = fmt.Sprintf("repair %s of keyspace %s%s", r.ID, r.Keyspace, isRunning), "wait for its end, or stop what repairs continuously"
			faults = append(faults, fault)
		}
	}
	return known, faults
}

func (r Ring) repairFaults(keyspace string) geored.Faults {
	faults := r.silenceFaults()
	for name, values := range map[string]groups{
		"schema":  groupNodes(r, func(n Node) string { return n.Schema }),
		"version": groupNodes(r, func(n Node) string { return n.Version }),
	} {
		if len(values) > 1 {
			faults = append(faults, geored.Fault{Field: name, Problem: "is not the same everywhere: " + strings.Join(values.lines(), "; ")})
		}
	}
	for _, site := range r.Sites {
		if v, ok := r.first(site.Name); !ok {
			faults = append(faults, geored.Fault{Site: site.Name, Field: "nodes", Problem: r.whyNobody(site)})
		} else if wrong := v.misplaced(keyspace, r.Sites); len(wrong) > 0 {
			faults = append(faults, geored.Fault{Site: site.Name, Field: "keyspace", Value: keyspace, Problem: strings.Join(wrong, "; ")})
		}
	}
	slices.SortFunc(faults, func(a, b geored.Fault) int { return strings.Compare(a.Error(), b.Error()) })
	return faults
}

// Steps are the steps of the plan, each needing the one before.
func (p RepairPlan) Steps() []geored.Step {
	var steps []geored.Step
	for _, n := range p.Nodes {
		step := geored.Step{
			ID:     geored.StepID(fmt.Sprintf("cassandra/repair/%s/%s/%s", p.Keyspace, n.Site, n.HostID)),
			Site:   n.Site,
			Target: fmt.Sprintf("keyspace %s on node %s", p.Keyspace, n.Address),
			Action: geored.Execute,
			Reason: "each node repairs the ranges it owns; all of them together cover the ring",
			Manual: []string{"nodetool " + strings.Join(p.arguments(), " ")},
		}
		if len(steps) > 0 {
			step.Needs = []geored.StepID{steps[len(steps)-1].ID}
		}
		steps = append(steps, step)
	}
	return steps
}

// arguments: in full, because the default is incremental; without -dc or -local, which would never compare the sites;
// without -force, so that it refuses while a replica is down.
func (p RepairPlan) arguments() []string { return []string{"repair", "-full", "-pr", p.Keyspace} }

// RepairStage carries the plan out. A node's repair is done when the node itself says that it completed, not when nodetool
// comes back: when the connection to nodetool breaks, the repair goes on and is watched to its end. Compare the tables
// before and after: that is the proof. timeout is for each step; zero: that of the run, whose default is too short for real data.
func (c *Cluster) RepairStage(p RepairPlan, tool Nodetool, timeout time.Duration) geored.Stage {
	var tasks []geored.Task
	for i, step := range p.Steps() {
		r := repairing{Cluster: c, plan: p, node: p.Nodes[i], tool: tool}
		tasks = append(tasks, geored.Task{Step: step, Observe: r.observe, Apply: r.apply, Timeout: timeout})
	}
	return geored.StageOf("repair "+p.Keyspace, tasks...)
}
