package cassandra

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// Reading is how a table is read, and how much the servers may be loaded. Only Table is required.
type Reading struct {
	Table
	Ranges        int // into how many ranges the tokens are divided, at least; zero: 64
	Concurrency   int // ranges read at once from each node; zero: 2
	RowsPerSecond int // read from each node; zero: no limit. It does not slow down [Cluster.Count], which reads inside the server
	PageSize      int // rows; zero: 5000
}

func (r Reading) withDefaults() Reading {
	if r.Ranges <= 0 {
		r.Ranges = 64
	}
	if r.Concurrency <= 0 {
		r.Concurrency = 2
	}
	if r.PageSize <= 0 {
		r.PageSize = defaultPageSize
	}
	return r
}

// plan is what will be read, range by range, from whom.
type plan struct {
	Reading
	sites    []Site
	schema   tableSchema
	keyspace Keyspace
	ranges   []placed
	answered map[string]bool // host IDs
	hash     hasher
}

// plan finds every mistake before a row is read. It needs a ring in which at least one node of each site answers.
func (c *Cluster) plan(ctx context.Context, ring Ring, r Reading, counters bool) (plan, error) {
	p := plan{Reading: r.withDefaults(), sites: c.Sites, answered: map[string]bool{}, hash: newHasher()}
	if err := r.Table.faults(); err != nil {
		return p, err
	}
	if err := c.readable(ring); err != nil {
		return p, err
	}
	for _, v := range ring.Views {
		p.answered[v.Node.HostID] = true
	}
	if err := p.readSchema(ctx, c, ring, counters); err != nil {
		return p, err
	}
	for _, site := range c.Sites {
		v, _ := ring.first(site.Name)
		i := slices.IndexFunc(v.Keyspaces, func(k Keyspace) bool { return k.Name == r.Keyspace })
		if wrong := v.misplaced(r.Keyspace, c.Sites); i < 0 || len(wrong) > 0 {
			return p, geored.Faults{{Site: site.Name, Field: "keyspace", Value: r.Keyspace, Problem: strings.Join(wrong, "; "),
				Remedy: "replicate it by NetworkTopologyStrategy to every site"}}
		}
		p.keyspace = v.Keyspaces[i]
	}
	if err := ring.sameReplication(p.keyspace); err != nil {
		return p, err
	}
	for _, placed := range place(p.keyspace, c.Sites, ring.nodes()) {
		share := float64(placed.width()) / float64(everything.width())
		for _, part := range placed.cut(max(1, int(share*float64(p.Ranges)+0.5))) {
			p.ranges = append(p.ranges, placedRange(part, placed))
		}
	}
	return p, nil
}

// sameReplication refuses a keyspace of which nodes disagree where its replicas are: those of one of them would be left out.
func (r Ring) sameReplication(k Keyspace) error {
	var faults geored.Faults
	for _, v := range r.Views {
		i := slices.IndexFunc(v.Keyspaces, func(other Keyspace) bool { return other.Name == k.Name })
		if i >= 0 && (v.Keyspaces[i].Class != k.Class || !maps.Equal(v.Keyspaces[i].Replication, k.Replication)) {
			faults = append(faults, geored.Fault{Site: v.Node.Site, Field: "keyspace", Value: k.Name, Problem: fmt.Sprintf("is replicated as %v at node %s, and as %v elsewhere", v.Keyspaces[i].Replication, v.Node.Address, k.Replication),
				Remedy: "bring the nodes to one schema first"})
		}
	}
	return faults.Err()
}

func placedRange(part Range, whole placed) placed { return placed{part, whole.replicas} }

func (t Table) faults() error {
	var faults geored.Faults
	if t.Keyspace == "" {
		faults = append(faults, geored.Fault{Field: "keyspace", Problem: "is missing"})
	}
	if t.Name == "" {
		faults = append(faults, geored.Fault{Field: "table", Problem: "is missing"})
	}
	return faults.Err()
}

// readable reports sites in which no node answers, and partitioners whose tokens are not numbers.
func (c *Cluster) readable(ring Ring) error {
	var faults geored.Faults
	for _, site := range c.Sites {
		v, ok := ring.first(site.Name)
		switch {
		case !ok:
			faults = append(faults, geored.Fault{Site: site.Name, Field: "nodes", Problem: ring.whyNobody(site)})
		case !strings.HasSuffix(v.Partitioner, "Murmur3Partitioner"):
			faults = append(faults, geored.Fault{Site: site.Name, Field: "partitioner", Value: v.Partitioner, Problem: "is not supported", Remedy: "only Murmur3Partitioner is"})
		}
	}
	return faults.Err()
}

func (r Ring) whyNobody(site Site) string {
	reasons := []string{"no node answers that is in data center " + site.dataCenter()}
	for _, s := range r.of(site.Name).Silent {
		reasons = append(reasons, fmt.Sprintf("%s: %s", s.Target.Name, s.Reason))
	}
	for _, v := range r.Views {
		if v.Configured == site.Name {
			reasons = append(reasons, fmt.Sprintf("node %s is in data center %s", v.Node.Address, v.Node.DataCenter))
		}
	}
	return strings.Join(reasons, "; ")
}

// first is the view of the first node of a site that answered.
func (r Ring) first(site geored.SiteName) (View, bool) {
	i := slices.IndexFunc(r.Views, func(v View) bool { return v.Node.Site == site })
	if i < 0 {
		return View{}, false
	}
	return r.Views[i], true
}

// readSchema asks each site for the table and wants the same answer from all.
func (p *plan) readSchema(ctx context.Context, c *Cluster, ring Ring, counters bool) error {
	var faults geored.Faults
	for i, site := range c.Sites {
		v, _ := ring.first(site.Name)
		s, ok, err := c.tableSchema(ctx, v.Node, p.Table)
		if err != nil {
			faults = append(faults, geored.Fault{Site: site.Name, Field: "table", Value: p.Table.String(), Problem: fmt.Sprintf("its schema cannot be read from node %s: %v", v.Node.Address, err)})
			continue
		}
		if f := s.fault(site.Name, ok, counters); f != nil {
			faults = append(faults, *f)
			continue
		}
		if i > 0 && p.schema.id != "" {
			faults = append(faults, p.schema.conflicts(site.Name, s)...)
			continue
		}
		p.schema = s
	}
	return faults.Err()
}

// conflicts says in what a site's schema of the table differs.
func (s tableSchema) conflicts(site geored.SiteName, other tableSchema) geored.Faults {
	f := geored.Fault{Site: site, Field: "table", Value: s.String()}
	switch {
	case s.id != other.id:
		f.Problem = fmt.Sprintf("has id %s there, and %s elsewhere: two tables of one name were created", other.id, s.id)
		f.Remedy = "copy one of them away, drop both and create the table once"
	case !slices.Equal(s.keys, other.keys), !slices.Equal(s.others, other.others):
		f.Problem = "has other columns there than elsewhere"
		f.Remedy = "wait until the sites agree on the schema"
	default:
		return nil
	}
	return geored.Faults{f}
}
