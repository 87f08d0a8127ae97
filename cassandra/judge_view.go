package cassandra

import (
	"context"
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// judgeView gives one finding per ordered pair of sites: do all nodes there know all nodes here, at their present
// addresses? A node that is silent cannot say whom it knows, but those that answer must know it.
func judgeView(ctx context.Context, r Ring) []geored.Finding {
	var findings []geored.Finding
	for _, from := range r.Sites {
		for _, to := range r.Sites {
			findings = append(findings, r.judgeWay(ctx, from.Name, to.Name, View.strangers, geored.Finding{
				Message: fmt.Sprintf("every node of %s knows every node of %s", from.Name, to.Name),
				Remedy:  "restore the network between them, then run nodetool reloadseeds on one node of one site; the ring does not heal by itself when both sides know old addresses only",
			}))
		}
	}
	return findings
}

// judgeWay makes one finding of what the views of one site say about the nodes of another.
func (r Ring) judgeWay(ctx context.Context, from, to geored.SiteName, wrong func(View, []Node) []string, f geored.Finding) geored.Finding {
	answers := r.of(from).answers(ctx)
	f.Site, f.Verdict = from, geored.Pass
	if from != to {
		f.To = to
	}
	others := r.of(to).nodes()
	for _, v := range answers.All() {
		f.Evidence = append(f.Evidence, wrong(v, others)...)
	}
	switch {
	case len(f.Evidence) > 0:
		f.Verdict, f.Message = geored.Fail, f.Evidence[0]
	case len(others) == 0:
		f.Verdict, f.Message = geored.Unknown, fmt.Sprintf("no node of %s is known", to)
	}
	if f.Verdict == geored.Pass {
		f.Remedy = ""
	}
	return answers.Conclude(f)
}

// of is the part of the ring that is in one site.
func (r Ring) of(site geored.SiteName) Ring {
	part := Ring{Sites: r.Sites}
	for _, v := range r.Views {
		if v.Node.Site == site {
			part.Views = append(part.Views, v)
		}
	}
	for _, s := range r.Silent {
		if s.Target.Site == site {
			part.Silent = append(part.Silent, s)
		}
	}
	for _, n := range r.silent {
		if n.Site == site {
			part.silent = append(part.silent, n)
		}
	}
	return part
}

// strangers says in words whom a view lacks, or has at an old address.
func (v View) strangers(others []Node) []string {
	var wrong []string
	for _, other := range others {
		if other.HostID == v.Node.HostID {
			continue
		}
		i := slices.IndexFunc(v.Peers, func(p Node) bool { return p.HostID == other.HostID })
		switch {
		case i < 0:
			wrong = append(wrong, fmt.Sprintf("node %s does not know node %s (%s)", v.Node.Address, other.Address, other.HostID))
		case v.Peers[i].Internode != other.Internode:
			wrong = append(wrong, fmt.Sprintf("node %s knows node %s at its old address %s", v.Node.Address, other.HostID, v.Peers[i].Internode))
		}
	}
	return wrong
}
