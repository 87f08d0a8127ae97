package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// group is the nodes that share one value.
type group struct {
	key   string
	nodes []Node
}

type groups []group

// groupNodes groups the nodes that answered; the largest group comes first, then by value.
func groupNodes(r Ring, key func(Node) string) groups {
	var gs groups
	for _, v := range r.Views {
		k := key(v.Node)
		i := slices.IndexFunc(gs, func(g group) bool { return g.key == k })
		if i < 0 {
			gs, i = append(gs, group{key: k}), len(gs)
		}
		gs[i].nodes = append(gs[i].nodes, v.Node)
	}
	slices.SortFunc(gs, func(a, b group) int {
		return cmp.Or(cmp.Compare(len(b.nodes), len(a.nodes)), cmp.Compare(a.key, b.key))
	})
	return gs
}

func (gs groups) lines() []string {
	lines := make([]string, len(gs))
	for i, g := range gs {
		names := make([]string, len(g.nodes))
		for j, n := range g.nodes {
			names[j] = n.Target().String()
		}
		lines[i] = g.key + ": " + strings.Join(names, ", ")
	}
	return lines
}

// SchemaVersion is one version of the schema and the nodes that have it.
type SchemaVersion struct {
	Version string
	Nodes   []Node
}

// Schema is which nodes have which version of the schema, the most common version first. Each node was asked for its
// own.
func (r Ring) Schema() []SchemaVersion {
	var versions []SchemaVersion
	for _, g := range groupNodes(r, func(n Node) string { return n.Schema }) {
		versions = append(versions, SchemaVersion{g.key, g.nodes})
	}
	return versions
}

func judgeSchema(ctx context.Context, r Ring) []geored.Finding {
	gs := groupNodes(r, func(n Node) string { return n.Schema })
	f := geored.Finding{Verdict: geored.Fail, Evidence: gs.lines()}
	switch len(gs) {
	case 0:
		f.Verdict, f.Message = geored.Unknown, "no node answered"
	case 1:
		f.Verdict, f.Message = geored.Pass, "all nodes have schema "+gs[0].key
	default:
		f.Message = fmt.Sprintf("the nodes have %d versions of the schema", len(gs))
		f.Remedy = "wait two minutes, for nodes ask each other again only after one; then cure the nodes of the smaller groups, one at a time, each back before the next: PlanSchemaCure"
	}
	return []geored.Finding{r.answers(ctx).Conclude(f)}
}

// AwaitSchema waits until every node answers and all have one schema, asking every pause (zero: 1 second). The error
// says what it waited for last. The ring is the last one seen, also with an error.
func (c *Cluster) AwaitSchema(ctx context.Context, pause time.Duration) (Ring, error) {
	if pause <= 0 {
		pause = time.Second
	}
	for {
		r, err := c.Ring(ctx)
		if err == nil && len(r.Silent) == 0 && len(r.Schema()) == 1 {
			return r, nil
		}
		if err := c.Clock.Sleep(ctx, pause); err != nil {
			return r, fmt.Errorf("wait for one schema: %s: %w", r.schemaReason(), err)
		}
	}
}

func (r Ring) schemaReason() string {
	if len(r.Silent) > 0 {
		return fmt.Sprintf("%s does not answer: %s", r.Silent[0].Target, r.Silent[0].Reason)
	}
	return strings.Join(r.schemaLines(), "; ")
}
