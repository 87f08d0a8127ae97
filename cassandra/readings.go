package cassandra

import (
	"slices"
)

// prepare lays out every reading there will be.
func (x *comparing) prepare() {
	for i, placed := range x.plan.ranges {
		r := RangeResult{Range: placed.Range, Equality: Unproven}
		var sources []Node
		for s, site := range x.plan.sites {
			for _, n := range x.choose(placed.replicas[s], i) {
				read := Read{Source: sourceOf(n), Shown: len(placed.replicas[s]) == 1}
				if !x.plan.answered[n.HostID] {
					read.Err = "it does not answer"
				}
				r.Reads = append(r.Reads, read)
				sources = append(sources, n)
			}
			if len(placed.replicas[s]) == 0 {
				r.Reads = append(r.Reads, Read{Source: Source{Site: site.Name}, Err: "no node of the site holds the range"})
				sources = append(sources, Node{Site: site.Name})
			}
		}
		x.result.Ranges = append(x.result.Ranges, r)
		x.sources = append(x.sources, sources)
	}
	x.pending = make([]int, len(x.result.Ranges))
}

// choose picks the replicas of one site to be read: all, or one that answers, another for each range.
func (x *comparing) choose(replicas []Node, i int) []Node {
	if x.EveryReplica || len(replicas) == 0 {
		return replicas
	}
	if n, ok := x.plan.answering(replicas, i); ok {
		return []Node{n}
	}
	return replicas[:1]
}

// resume takes over the ranges that an earlier comparison of the same table found equal, read from the same nodes.
func (x *comparing) resume() {
	for _, earlier := range x.Resume {
		if earlier.TableID != x.result.TableID {
			continue
		}
		for i, r := range x.result.Ranges {
			for _, old := range earlier.Ranges {
				if old.Range == r.Range && old.Equality == Equal && x.sameReads(old, r) {
					old.Reason = "read by an earlier comparison"
					x.result.Ranges[i] = old
				}
			}
		}
	}
}

func (x *comparing) sameReads(old, now RangeResult) bool {
	shown := !x.EveryReplica || !slices.ContainsFunc(old.Reads, func(r Read) bool { return !r.Shown })
	return shown && slices.EqualFunc(old.Reads, now.Reads, func(a, b Read) bool { return a.Source == b.Source })
}
