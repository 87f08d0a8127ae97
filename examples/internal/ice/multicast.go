package ice

import (
	"context"
	"fmt"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
)

// CheckMulticast is the check of the interface to which the reflectors bind (ICE guide, 4.4.2).
const CheckMulticast geored.CheckID = "preflight/multicast"

// multicast asks every node for the interface that the product's values name.
func (d *Deployment) multicast(ctx context.Context) []geored.Finding {
	name := d.Topology.Applications.MulticastInterface
	answers := geored.Ask(ctx, d.perNode(), func(ctx context.Context, t geored.Target) (probe.LinkAnswer, error) {
		observer, err := d.observer(ctx, t)
		if err != nil {
			return probe.LinkAnswer{}, err
		}
		return probe.Ask(ctx, observer, probe.Link{Name: name})
	})
	return answers.Each(func(t geored.Target, a probe.LinkAnswer) geored.Finding { return judgeLink(t.Name, name, a) })
}

func judgeLink(node, name string, a probe.LinkAnswer) geored.Finding {
	f := geored.Finding{Verdict: geored.Fail, Evidence: a.Others, Remedy: "name the interface as applications.multicastInterface of the topology"}
	switch {
	case !a.Present:
		f.Message = fmt.Sprintf("node %s has no interface %s", node, name)
	case !a.Up:
		f.Message = fmt.Sprintf("interface %s of node %s is down", name, node)
	case !a.Multicast:
		f.Message = fmt.Sprintf("interface %s of node %s takes no multicast", name, node)
	default:
		return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("interface %s of node %s is up and takes multicast", name, node)}
	}
	return f
}
