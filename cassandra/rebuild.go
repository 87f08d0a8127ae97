package cassandra

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// Rebuilding is what is given up and taken anew from another site: the cure when an outage was longer than gc_grace,
// after which a repair could bring deleted rows back, and when a disk was lost.
type Rebuilding struct {
	Keyspace string          `json:"keyspace"`
	Site     geored.SiteName `json:"site"`           // whose rows of the keyspace are given up
	From     geored.SiteName `json:"from"`           // where they are taken from
	Node     string          `json:"node,omitempty"` // host ID of the only node to be rebuilt; zero: all of the site
	// Emptied says that the rows are gone already, as after the loss of a disk: nothing is given up then. It must be so
	// for a single node, because Cassandra takes a keyspace from a whole site or from none of it.
	Emptied bool `json:"emptied,omitempty"`
}

// RebuildPlan is a rebuild of one keyspace, node after node. It is plain data; keep it until the rebuild is done, for
// with it a run that was interrupted can go on.
type RebuildPlan struct {
	Rebuilding
	Nodes       []Node            `json:"nodes"`           // in the order of their rebuild
	Replication map[string]string `json:"replication"`     // of the keyspace, as it is and will be again
	Known       []string          `json:"known,omitempty"` // streams that the nodes knew of before, by ID: they are not ours
	Generations map[string]int64  `json:"generations"`     // of these nodes, by host ID; one that restarted has a higher one
	// Taken are the generations once the keyspace was taken from the site: who restarts after that has none of its rows in its
	// commit log. The stage of [Cluster.RebuildStage] tells them. Zero: not yet.
	Taken map[string]int64 `json:"taken,omitempty"`
	// GivenUp says that the site was emptied by this plan, and is not to be emptied again: what it holds is new. The stage of
	// [Cluster.RebuildStage] tells when that is so. Zero: not yet.
	GivenUp bool `json:"givenUp,omitempty"`
}

// Confirmation is the value that carries the plan out. It names what is given up, and another plan has another.
func (p RebuildPlan) Confirmation() string {
	return fmt.Sprintf("%s in %s from %s %s", p.Keyspace, p.Site, p.From, p.digest())
}

// Snapshot is the name under which the nodes keep what is given up (nodetool listsnapshots) until somebody clears it
// (nodetool clearsnapshot -t NAME): the site needs room for its rows twice. A run that was interrupted before they were given up
// takes another one when it goes on, with a number behind the name. Zero: the plan gives nothing up.
func (p RebuildPlan) Snapshot() string {
	if p.Emptied {
		return ""
	}
	return "georedkit-" + p.digest()
}

func (p RebuildPlan) digest() string {
	p.GivenUp, p.Taken = false, nil // it is the same plan
	text, _ := json.Marshal(p)      // it has nothing that cannot be marshalled
	sum := sha256.Sum256(text)
	return fmt.Sprintf("%x", sum[:4])
}

// PlanRebuild plans a rebuild. It refuses, with all reasons at once as [geored.Faults]: sites or keyspaces that are not
// there or are Cassandra's own, nodes that are silent or do not know each other, schemas or versions that differ, a
// repair that runs, and a configuration without a user: who else is connected could not be told.
func (c *Cluster) PlanRebuild(ctx context.Context, what Rebuilding) (RebuildPlan, error) {
	p := RebuildPlan{Rebuilding: what, Generations: map[string]int64{}}
	if faults := c.rebuildingFaults(what); len(faults) > 0 {
		return p, faults
	}
	ring, err := c.Ring(ctx)
	if err != nil {
		return p, err
	}
	faults := append(ring.talkFaults(), ring.repairFaults(what.Keyspace)...)
	for _, v := range ring.Views {
		if n := v.Node; n.Site == what.Site && (what.Node == "" || n.HostID == what.Node) {
			p.Nodes = append(p.Nodes, n)
			p.Generations[n.HostID] = v.heard(n.HostID).Generation
			streams, err := c.streams(ctx, n)
			if err != nil {
				faults = append(faults, geored.Fault{Site: n.Site, Field: "node", Value: n.Address.String(), Problem: err.Error(), Remedy: "the server must be 4.1 or newer"})
			}
			for _, s := range streams {
				p.Known = append(p.Known, s.id)
			}
		}
		_, running := c.repairsNow(ctx, v.Node)
		faults = append(faults, running...)
		if i := slices.IndexFunc(v.Keyspaces, func(k Keyspace) bool { return k.Name == what.Keyspace }); i >= 0 {
			p.Replication = v.Keyspaces[i].Replication
		}
	}
	if len(p.Nodes) == 0 {
		faults = append(faults, geored.Fault{Site: what.Site, Field: "node", Value: what.Node, Problem: "is none of its nodes that answer"})
	}
	return p, uniqueFaults(faults).Err()
}

func (c *Cluster) rebuildingFaults(what Rebuilding) geored.Faults {
	var faults geored.Faults
	for field, site := range map[string]geored.SiteName{"site": what.Site, "from": what.From} {
		if !slices.ContainsFunc(c.Sites, func(s Site) bool { return s.Name == site }) {
			faults = append(faults, geored.Fault{Field: field, Value: string(site), Problem: "is no site of the configuration"})
		}
	}
	if what.Site == what.From {
		faults = append(faults, geored.Fault{Field: "from", Value: string(what.From), Problem: "is the site that is to be rebuilt"})
	}
	if slices.Contains(ownKeyspaces, what.Keyspace) || what.Keyspace == "system_auth" || what.Keyspace == "" {
		faults = append(faults, geored.Fault{Field: "keyspace", Value: what.Keyspace, Problem: "is Cassandra's own, or missing", Remedy: "repair system_auth instead"})
	}
	if what.Node != "" && !what.Emptied {
		faults = append(faults, geored.Fault{Field: "node", Value: what.Node, Problem: "cannot be emptied by itself", Remedy: "drain and stop it, remove the keyspace's folder from its data, start it, and say Emptied"})
	}
	if c.User == "" {
		faults = append(faults, geored.Fault{Field: "user", Problem: "is missing: without one of its own it cannot be told who else is connected"})
	}
	return uniqueFaults(faults)
}

// uniqueFaults sorts faults and drops those that say the same.
func uniqueFaults(faults geored.Faults) geored.Faults {
	slices.SortStableFunc(faults, func(a, b geored.Fault) int { return strings.Compare(a.Error(), b.Error()) })
	return slices.Compact(faults)
}

// Steps are the steps of the plan, each needing the one before.
func (p RebuildPlan) Steps() []geored.Step {
	var steps []geored.Step
	add := func(id, target string, action geored.Action, reason string, manual ...string) {
		step := geored.Step{ID: geored.StepID(fmt.Sprintf("cassandra/rebuild/%s/%s/%s", p.Keyspace, p.Site, id)), Site: p.Site,
			Target: target, Action: action, Reason: reason, Manual: manual}
		if len(steps) > 0 {
			step.Needs = []geored.StepID{steps[len(steps)-1].ID}
		}
		steps = append(steps, step)
	}
	add("fence", "clients of "+string(p.Site), geored.Await, "who reads there before it is rebuilt finds rows missing")
	if !p.Emptied {
		add("empty", "keyspace "+p.Keyspace, geored.Delete, "what the site forgot to delete must not come back: its rows are given up, and kept aside in a snapshot; each node is restarted first, for its commit log has them too and a crash would bring them back",
			"on each node: nodetool snapshot -t "+p.Snapshot()+" "+p.Keyspace, p.alter(p.without()), "on each node: nodetool drain; restart the server; nodetool flush "+p.Keyspace+"; nodetool cleanup "+p.Keyspace, p.GiveBack())
	}
	for _, n := range p.Nodes {
		add(n.HostID, fmt.Sprintf("keyspace %s on node %s", p.Keyspace, n.Address), geored.Copy,
			"its rows are streamed from "+string(p.From)+"; a node that remembers an earlier rebuild would stream nothing and call that success",
			forgetRanges, "nodetool "+strings.Join(p.arguments("the data center of "+string(p.From)), " "))
	}
	add("compare", "keyspace "+p.Keyspace, geored.Await, "that it streamed proves nothing: all sites must hold the same rows")
	return steps
}

// forgetRanges empties the nodes' notes of what they received by bootstrap or rebuild; they skip what stands there.
const forgetRanges = "TRUNCATE system.available_ranges_v2"

func (p RebuildPlan) arguments(dataCenter string) []string {
	return []string{"rebuild", "-ks", p.Keyspace, "--", dataCenter}
}

// without is the replication without the site, whose data center is the one that its nodes are in.
func (p RebuildPlan) without() map[string]string {
	left := maps.Clone(p.Replication)
	for _, n := range p.Nodes {
		delete(left, n.DataCenter)
	}
	return left
}

// GiveBack is the statement (CQL) that gives the site its replicas of the keyspace back. [Cluster.RebuildStage] takes them from it for
// as long as it is emptied: by hand it is of use when a run that was interrupted in between is not to go on. Rows that were given up
// do not come back with it.
func (p RebuildPlan) GiveBack() string { return p.alter(p.Replication) }

func (p RebuildPlan) alter(replication map[string]string) string {
	parts := []string{"'class': '" + networkTopology + "'"}
	for _, dataCenter := range slices.Sorted(maps.Keys(replication)) {
		parts = append(parts, fmt.Sprintf("'%s': '%s'", strings.ReplaceAll(dataCenter, "'", "''"), replication[dataCenter]))
	}
	return fmt.Sprintf("ALTER KEYSPACE %s WITH replication = {%s}", quote(p.Keyspace), strings.Join(parts, ", "))
}
