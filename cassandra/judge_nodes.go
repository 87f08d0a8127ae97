package cassandra

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// judgeNodes gives one finding per node. A node that does not answer fails: that is what this check asks.
func judgeNodes(ctx context.Context, r Ring) []geored.Finding {
	findings := r.answers(ctx).Each(func(_ geored.Target, v View) geored.Finding {
		return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("node %s answers", v.Node.Address)}
	})
	for i, f := range findings {
		if len(f.Unanswered) > 0 {
			findings[i].Verdict = geored.Fail
			findings[i].Remedy = r.remedyOf(f.Unanswered[0].Target)
		}
	}
	return append(findings, sitesWithoutNodes(r)...)
}

// remedyOf tells a node that is silent from a contact point that nobody in the ring knows any more.
func (r Ring) remedyOf(silent geored.Target) string {
	remedy := "see whether its process runs, whether it listens for CQL, and whether the way to it is open"
	v, ok := r.first(silent.Site)
	known := slices.ContainsFunc(r.silent, func(n Node) bool { return n.Target() == silent && n.HostID != "" })
	if ok && !known {
		remedy += fmt.Sprintf("; no node knows of it: if it has moved, correct the contact point (node %s of the site answers)", v.Node.Address)
	}
	return remedy
}

// sitesWithoutNodes fails each configured site none of whose nodes anybody knows.
func sitesWithoutNodes(r Ring) []geored.Finding {
	var findings []geored.Finding
	for _, site := range r.Sites {
		known := slices.ContainsFunc(r.Views, func(v View) bool { return v.Node.Site == site.Name }) ||
			slices.ContainsFunc(r.Silent, func(s geored.Silence) bool { return s.Target.Site == site.Name })
		if !known {
			findings = append(findings, geored.Finding{
				Site: site.Name, Verdict: geored.Fail, Asked: []geored.Target{{Site: site.Name}},
				Message: fmt.Sprintf("no node is in data center %s", site.dataCenter()),
				Remedy:  "correct the site's DataCenter: " + strings.Join(r.dataCenters(), ", ") + " are there",
			})
		}
	}
	return findings
}

func (r Ring) dataCenters() []string {
	var names []string
	for _, n := range r.nodes() {
		names = append(names, n.DataCenter)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// judgeNames holds each node's data center against the site it was looked for in, and all against the sites there are.
func judgeNames(ctx context.Context, r Ring) []geored.Finding {
	return r.answers(ctx).Each(func(_ geored.Target, v View) geored.Finding {
		f := geored.Finding{Verdict: geored.Fail}
		switch n := v.Node; {
		case n.Site == "":
			f.Message = fmt.Sprintf("node %s is in data center %s, which is that of no site", n.Address, n.DataCenter)
			f.Remedy = "correct DataCenter of its site, or the node's cassandra-rackdc.properties"
		case v.Configured != "" && v.Configured != n.Site:
			f.Message = fmt.Sprintf("node %s is named for site %s, but is in data center %s of site %s", n.Address, v.Configured, n.DataCenter, n.Site)
			f.Remedy = "name it under its own site"
		case slices.ContainsFunc(r.Views, func(o View) bool { return o.Cluster != v.Cluster }):
			f.Message = fmt.Sprintf("node %s calls its cluster %q; not all do", n.Address, v.Cluster)
			f.Remedy = "nodes of one ring have one cluster_name: correct the contact points or the nodes' settings"
		default:
			f.Verdict = geored.Pass
			f.Message = fmt.Sprintf("node %s is in data center %s, rack %s", n.Address, n.DataCenter, n.Rack)
		}
		return f
	})
}

// judgeVersions warns when versions are mixed, as during an upgrade.
func judgeVersions(ctx context.Context, r Ring) []geored.Finding {
	groups := groupNodes(r, func(n Node) string { return n.Version })
	f := geored.Finding{Verdict: geored.Pass, Evidence: groups.lines()}
	f.Message = fmt.Sprintf("%d versions are running", len(groups))
	if len(groups) == 1 {
		f.Message = "all nodes run " + groups[0].key
	} else {
		f.Verdict, f.Remedy = geored.Warn, "finish the upgrade: neither repair nor schema changes work between versions"
	}
	return []geored.Finding{r.answers(ctx).Conclude(f)}
}
