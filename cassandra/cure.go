package cassandra

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Restarter restarts the server of one node, as deleting its pod does. It may come back once that is under way.
type Restarter interface {
	Restart(ctx context.Context, n Node) error
}

// SchemaCure is how the nodes whose schema differs from that of most others are brought to it, one after another. It is
// plain data.
type SchemaCure struct {
	Version     string           `json:"version"`         // of the schema that stays
	Nodes       []Node           `json:"nodes,omitempty"` // to be cured, in this order; none: all agree
	Generations map[string]int64 `json:"generations"`     // of these nodes, by host ID; one that restarted has a higher one
}

// PlanSchemaCure plans the cure of a schema that stays split. Wait first ([Cluster.AwaitSchema]): nodes ask each other
// again a minute after they met. When no version has most nodes, keep names the site whose schema stays; zero otherwise.
//
// It refuses, as [geored.Faults]: nodes that are silent or do not know each other (they cannot agree before they can
// talk), and versions of the server that differ.
func (c *Cluster) PlanSchemaCure(ctx context.Context, keep geored.SiteName) (SchemaCure, error) {
	ring, err := c.Ring(ctx)
	if err != nil {
		return SchemaCure{}, err
	}
	versions := ring.Schema()
	faults := ring.talkFaults()
	if len(versions) == 0 || len(faults) > 0 {
		return SchemaCure{}, faults.Err()
	}
	cure := SchemaCure{Version: versions[0].Version, Generations: map[string]int64{}}
	if keep != "" {
		v, ok := ring.first(keep)
		if !ok {
			return cure, geored.Faults{{Site: keep, Field: "keep", Problem: "no node of it answers"}}
		}
		cure.Version = v.Node.Schema
	} else if len(versions) > 1 && len(versions[0].Nodes) == len(versions[1].Nodes) {
		return cure, geored.Faults{{Field: "keep", Problem: "no version of the schema has most nodes: " + strings.Join(ring.schemaLines(), "; "), Remedy: "name the site whose schema stays"}}
	}
	for _, v := range ring.Views {
		if v.Node.Schema != cure.Version {
			cure.Nodes = append(cure.Nodes, v.Node)
			cure.Generations[v.Node.HostID] = v.heard(v.Node.HostID).Generation
		}
	}
	return cure, nil
}

// talkFaults are silent nodes, nodes that do not know each other, and mixed versions of the server.
func (r Ring) talkFaults() geored.Faults {
	faults := r.silenceFaults()
	for _, v := range r.Views {
		for _, wrong := range v.strangers(r.nodes()) {
			faults = append(faults, geored.Fault{Site: v.Node.Site, Field: "ring", Problem: wrong, Remedy: "restore the network, then run nodetool reloadseeds"})
		}
	}
	if versions := groupNodes(r, func(n Node) string { return n.Version }); len(versions) > 1 {
		faults = append(faults, geored.Fault{Field: "version", Problem: "is not the same everywhere: " + strings.Join(versions.lines(), "; "), Remedy: "finish the upgrade"})
	}
	return faults
}

func (r Ring) silenceFaults() geored.Faults {
	var faults geored.Faults
	for _, s := range r.Silent {
		faults = append(faults, geored.Fault{Site: s.Target.Site, Field: "node", Value: s.Target.Name, Problem: "does not answer: " + s.Reason, Remedy: "bring it back first"})
	}
	return faults
}

func (r Ring) schemaLines() []string {
	return groupNodes(r, func(n Node) string { return n.Schema }).lines()
}

// Steps are two for each node, each needing the one before: the schema read again from its disk, and, if that was not
// enough, the server drained and restarted. There is no nodetool resetlocalschema among them: on a split ring of 4.1 it
// failed and healed nothing.
func (p SchemaCure) Steps() []geored.Step {
	var steps []geored.Step
	add := func(n Node, what string, action geored.Action, reason string, manual ...string) {
		step := geored.Step{
			ID:   geored.StepID(fmt.Sprintf("cassandra/schema/%s/%s/%s", n.Site, n.HostID, what)),
			Site: n.Site, Target: "node " + n.Address.String(), Action: action, Reason: reason, Manual: manual,
		}
		if len(steps) > 0 {
			step.Needs = []geored.StepID{steps[len(steps)-1].ID}
		}
		steps = append(steps, step)
	}
	for _, n := range p.Nodes {
		add(n, "reload", geored.Execute, "the milder cure first: it reads its schema again", "nodetool reloadlocalschema")
		add(n, "restart", geored.Restart, "a node that starts asks the others for their schema; with one replica a site, requests to its site fail meanwhile",
			"nodetool drain", "restart the server, and wait until every other node sees it up")
	}
	return steps
}

// CureStage carries the cure out: one node at a time, each seen back by every other before the next is touched. A node
// that comes to agree is not restarted, and none twice for one plan: plan anew when it did not help. timeout is for each step;
// zero: that of the run.
func (c *Cluster) CureStage(p SchemaCure, tool Nodetool, restarter Restarter, timeout time.Duration) geored.Stage {
	var tasks []geored.Task
	steps := p.Steps()
	for i, n := range p.Nodes {
		cure := &curing{restarting: restarting{c, n, p.Generations[n.HostID], tool, restarter}, plan: p}
		tasks = append(tasks,
			geored.Task{Step: steps[2*i], Observe: cure.observeReload, Apply: cure.reload, Timeout: timeout},
			geored.Task{Step: steps[2*i+1], Observe: cure.observe, Apply: cure.restart, Timeout: timeout})
	}
	return geored.StageOf("cure the schema", tasks...)
}
