package cassandra

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// Replacer has an empty server take the place of one that is gone for good.
type Replacer interface {
	// Lost gives what shows that the node cannot come back: its disk is gone, or its machine is fenced off for good. That
	// nobody reaches it shows nothing. Without such evidence it is an error, which says what is there.
	Lost(ctx context.Context, n Node) (evidence string, err error)
	// Progress says how far the replacement of the node is, by whichever run.
	Progress(ctx context.Context, n Node) (ReplaceProgress, error)
	// Begin starts an empty server in the node's place, with that option for Java, and does not wait for it. The server's
	// own address must not be among its seeds, and auto_bootstrap not be off: it would start without rows.
	Begin(ctx context.Context, n Node, option string) error
	// End takes away what Begin set for the first start alone, above all the option, and is called again until Progress is
	// ReplaceEnded. The server may start once more for it.
	End(ctx context.Context, n Node) error
}

// ReplaceProgress is how far a [Replacer] is with a node.
type ReplaceProgress int

const (
	ReplaceNotBegun ReplaceProgress = iota // no server was started in its place
	ReplaceBegun                           // one was; what its first start alone needs is still set
	ReplaceEnded                           // nothing of that is left, or there never was anything
)

// Replacing names a node that is gone for good, with its disk.
type Replacing struct {
	Site geored.SiteName `json:"site"`
	Node string          `json:"node"` // host ID
}

// ReplacePlan is the replacement of one node. It is plain data; keep it until the replacement is done, for with it a run
// that was interrupted can go on.
type ReplacePlan struct {
	Replacing
	Lost       Node     `json:"lost"`       // as the other nodes know it
	Generation int64    `json:"generation"` // the latest that any of them has heard of it
	Evidence   string   `json:"evidence"`   // that it cannot come back
	Keyspaces  []string `json:"keyspaces"`  // that have replicas on it, without Cassandra's own: what is compared in the end
}

// Confirmation is the value that carries the plan out. It names the node that is given up, and another plan has another.
func (p ReplacePlan) Confirmation() string {
	text, _ := json.Marshal(p) // it has nothing that cannot be marshalled
	sum := sha256.Sum256(text)
	return fmt.Sprintf("%s in %s for ever %x", p.Lost.Internode, p.Site, sum[:4])
}

// PlanReplace plans the replacement of a node. It refuses, with all reasons at once as [geored.Faults]: a node that
// answers, or that any other still hears; one that nobody knows; one for whose loss the replacer has no evidence; other
// nodes that are silent or do not know each other, schemas or versions that differ; and keyspaces of which no other node has
// the rows. So of several dead nodes none can be replaced while the others are still known: have those removed first, or a
// site that is lost as a whole built anew. It takes the time of two looks, [GossipPause] apart.
func (c *Cluster) PlanReplace(ctx context.Context, what Replacing, replacer Replacer) (ReplacePlan, error) {
	p := ReplacePlan{Replacing: what}
	ring, err := c.Ring(ctx)
	if err != nil {
		return p, err
	}
	lost, faults := ring.lost(what)
	if len(faults) > 0 {
		return p, faults
	}
	p.Lost = lost
	ring = ring.without(lost)
	faults = append(ring.talkFaults(), ring.schemaFaults()...)
	for _, v := range ring.Views {
		p.Generation = max(p.Generation, v.heard(lost.HostID).Generation)
	}
	heard, err := c.heardOf(ctx, lost, ring)
	if err != nil {
		return p, err
	}
	faults = append(faults, heard...)
	if p.Evidence, err = replacer.Lost(ctx, lost); err != nil || p.Evidence == "" {
		faults = append(faults, what.fault(fmt.Sprintf("is silent, and nothing shows that it is gone for good: %v", err), "bring it back; or make sure that it never comes back, and show it"))
	}
	var alone geored.Faults
	p.Keyspaces, alone = ring.keyspacesOn(lost)
	return p, uniqueFaults(append(faults, alone...)).Err()
}

func (r Replacing) fault(problem, remedy string) geored.Fault {
	return geored.Fault{Site: r.Site, Field: "node", Value: r.Node, Problem: problem, Remedy: remedy}
}

// lost finds a silent node by its host ID.
func (r Ring) lost(what Replacing) (Node, geored.Faults) {
	for _, v := range r.Views {
		if v.Node.HostID == what.Node {
			return Node{}, geored.Faults{what.fault(fmt.Sprintf("answers at %s: it is not dead", v.Node.Address), "rebuild it, if its rows are lost: PlanRebuild")}
		}
	}
	i := slices.IndexFunc(r.silent, func(n Node) bool { return n.HostID == what.Node && n.Site == what.Site && n.HostID != "" })
	if i < 0 {
		return Node{}, geored.Faults{what.fault("is no node that any other knows there", "take the host ID from nodetool status of another node")}
	}
	return r.silent[i], nil
}

// without is the ring but for one silent node, as if nobody knew it. Names of its site that lead nowhere may be its own.
func (r Ring) without(lost Node) Ring {
	isLost := func(n Node) bool { return n.HostID == lost.HostID }
	r.silent = slices.DeleteFunc(slices.Clone(r.silent), isLost)
	r.Silent = slices.DeleteFunc(slices.Clone(r.Silent), func(s geored.Silence) bool {
		return s.Target == lost.Target() || s.Target.Site == lost.Site && slices.Contains(r.nameless, s.Target)
	})
	return r
}

func (r Ring) schemaFaults() geored.Faults {
	if len(r.Schema()) < 2 {
		return nil
	}
	return geored.Faults{{Field: "schema", Problem: "is not the same everywhere", Remedy: "cure it first: PlanSchemaCure"}}
}

// heardOf looks again, a while after the ring was seen, and says who still hears the node, or cannot say.
func (c *Cluster) heardOf(ctx context.Context, lost Node, before Ring) (geored.Faults, error) {
	if err := c.Clock.Sleep(ctx, GossipPause); err != nil {
		return nil, err
	}
	after, err := c.Ring(ctx)
	if err != nil {
		return nil, err
	}
	var faults geored.Faults
	for _, v := range after.Views {
		f := geored.Fault{Site: v.Node.Site, Field: "node", Value: v.Node.Address.String()}
		i := slices.IndexFunc(before.Views, func(b View) bool { return b.Node.HostID == v.Node.HostID })
		_, unread := v.unread(gossipTable)
		switch {
		case v.Node.HostID == lost.HostID:
			f.Problem, f.Remedy = "is the lost node, and answers", "it is not dead"
		case unread || i < 0:
			f.Problem, f.Remedy = "cannot say whether it hears the lost node", "the user needs SELECT on "+gossipTable+", and the server must be 4.1 or newer"
		case v.heard(lost.HostID).since(before.Views[i].heard(lost.HostID)):
			f.Problem, f.Remedy = fmt.Sprintf("hears node %s: its server runs", lost.Internode), "it is not dead: see why it does not answer clients"
		default:
			continue
		}
		faults = append(faults, f)
	}
	return faults, nil
}

// since says whether anything was heard after the other.
func (g Gossip) since(earlier Gossip) bool {
	return g.Generation > earlier.Generation || g.Generation == earlier.Generation && g.Heartbeat > earlier.Heartbeat
}

// keyspacesOn are the keyspaces with replicas on a node, and faults for those of which nobody else has all of its rows.
func (r Ring) keyspacesOn(lost Node) (names []string, faults geored.Faults) {
	if len(r.Views) == 0 {
		return nil, nil // the silence of all is a fault already
	}
	for _, v := range r.Views {
		if reason, unread := v.unread(keyspaceTable); unread { // without them nobody knows what the node alone has
			faults = append(faults, geored.Fault{Site: v.Node.Site, Field: "node", Value: v.Node.Address.String(), Problem: fmt.Sprintf("does not tell its keyspaces: read %s: %s", keyspaceTable, reason), Remedy: "plan it again"})
		}
	}
	nodes := append(r.nodes(), lost)
	for _, k := range r.Views[0].Keyspaces {
		if k.Class != networkTopology {
			if k.Replication["replication_factor"] == "1" {
				faults = append(faults, geored.Fault{Field: "keyspace", Value: k.Name, Problem: "has one replica of each row, and knows no sites", Remedy: "restore it from a backup, or drop it"})
			}
			continue
		}
		holds, alone := false, false
		for _, p := range place(k, r.Sites, nodes) {
			if lost.holds(p) {
				holds = true
				alone = alone || len(slices.Concat(p.replicas...)) == 1
			}
		}
		if alone {
			faults = append(faults, geored.Fault{Field: "keyspace", Value: k.Name, Problem: "has rows on no other node", Remedy: "restore it from a backup, or drop it"})
		}
		if holds && !slices.Contains(ownKeyspaces, k.Name) && k.Name != "system_auth" {
			names = append(names, k.Name)
		}
	}
	return names, faults
}
