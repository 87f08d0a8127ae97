package cassandra

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/georedkit/georedkit/geored"
)

// placed is a range of tokens and the nodes that hold it: those of each site, in the order of the sites.
type placed struct {
	Range
	replicas [][]Node
}

// owner is a token and the node it belongs to.
type owner struct {
	token int64
	node  Node
}

// place says which nodes hold which tokens of a keyspace, in ranges as wide as the placement allows.
func place(k Keyspace, sites []Site, nodes []Node) []placed {
	owners := owners(nodes)
	if len(owners) == 0 {
		return nil
	}
	var ranges []placed
	start := int64(math.MinInt64)
	for i := 0; i <= len(owners); i++ {
		end := int64(math.MaxInt64) // beyond the last token the first node owns again
		if i < len(owners) {
			end = owners[i].token
		}
		if end == start {
			continue
		}
		next := placed{Range: Range{start, end}}
		for _, s := range sites {
			next.replicas = append(next.replicas, replicas(owners, i%len(owners), s.dataCenter(), k.factor(s.dataCenter())))
		}
		if last := len(ranges) - 1; last >= 0 && sameReplicas(ranges[last], next) {
			ranges[last].End = end
		} else {
			ranges = append(ranges, next)
		}
		start = end
	}
	return ranges
}

func owners(nodes []Node) []owner {
	var all []owner
	for _, n := range nodes {
		for _, t := range n.Tokens {
			if token, err := strconv.ParseInt(t, 10, 64); err == nil {
				all = append(all, owner{token, n})
			}
		}
	}
	slices.SortFunc(all, func(a, b owner) int {
		return cmp.Or(cmp.Compare(a.token, b.token), cmp.Compare(a.node.HostID, b.node.HostID))
	})
	return all
}

// replicas walks the ring as NetworkTopologyStrategy does: from the token on, nodes of the data center, another rack
// before the same rack again, as far as there are racks.
// See calculateNaturalReplicas in Cassandra's locator/NetworkTopologyStrategy.java.
func replicas(owners []owner, from int, dataCenter string, factor int) []Node {
	members, racks := map[string]bool{}, map[string]bool{}
	for _, o := range owners {
		if o.node.DataCenter == dataCenter {
			members[o.node.HostID], racks[o.node.Rack] = true, true
		}
	}
	factor = min(factor, len(members))
	repeats := factor - len(racks) // how often a rack may come again
	var found []Node
	taken, used := map[string]bool{}, map[string]bool{}
	for i := 0; i < len(owners) && len(found) < factor; i++ {
		n := owners[(from+i)%len(owners)].node
		if n.DataCenter != dataCenter || taken[n.HostID] {
			continue
		}
		if used[n.Rack] {
			if repeats <= 0 {
				continue
			}
			repeats--
		}
		found, taken[n.HostID], used[n.Rack] = append(found, n), true, true
	}
	// Which of them owns the token does not matter here, and ranges with the same replicas can be read as one.
	slices.SortFunc(found, func(a, b Node) int { return cmp.Compare(a.HostID, b.HostID) })
	return found
}

func sameReplicas(a, b placed) bool {
	return slices.EqualFunc(a.replicas, b.replicas, func(x, y []Node) bool {
		return slices.EqualFunc(x, y, func(m, n Node) bool { return m.HostID == n.HostID })
	})
}

// Source is one node's part in a reading.
type Source struct {
	Site geored.SiteName `json:"site"`
	Node string          `json:"node"` // its address; zero: no node of the site could be asked
}

// where names the source in words.
func (s Source) where() string {
	if s.Node == "" {
		return fmt.Sprintf("site %s", s.Site)
	}
	return fmt.Sprintf("site %s: node %s", s.Site, s.Node)
}

func sourceOf(n Node) Source { return Source{n.Site, n.Address.String()} }
