package ice

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
)

// look gathers what only the sites themselves show of an outage.
func (d *Deployment) look(ctx context.Context) []Evidence {
	return append(d.ofNodes(ctx, "handshakes", d.handshakes), d.ofNodes(ctx, "lease", d.lease)...)
}

// ofNodes is what every node shows, or why it is not known.
func (d *Deployment) ofNodes(ctx context.Context, what string, shown func(context.Context, geored.Target) (Evidence, error)) []Evidence {
	answers := geored.Ask(ctx, d.perNode(), shown)
	var all []Evidence
	for _, e := range answers.All() {
		all = append(all, e)
	}
	for _, s := range answers.Unanswered() {
		all = append(all, Evidence{Source: what + " of " + s.Target.String(), Says: "not known: " + s.Reason})
	}
	return all
}

// lease tells of a node whose kubelet is not heard. It is a word for the operator and no bound: a node whose kubelet stands
// may serve, and one that came back has renewed its lease and tells nothing any more.
func (d *Deployment) lease(ctx context.Context, t geored.Target) (Evidence, error) {
	cluster := d.Clusters[t.Site]
	now, err := cluster.ServerTime(ctx)
	if err != nil {
		return Evidence{}, err
	}
	lease, err := cluster.Client().CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, t.Name, metav1.GetOptions{})
	if err != nil {
		return Evidence{}, err
	}
	if lease.Spec.RenewTime == nil {
		return Evidence{}, errors.New("nobody renewed it")
	}
	return leaseEvidence(t, lease.Spec.RenewTime.Time, now), nil
}

func leaseEvidence(t geored.Target, renewed, now time.Time) Evidence {
	e := Evidence{Source: "lease of " + t.String(), Says: "it is renewed: the node is there, and nothing tells since when"}
	if age := now.Sub(renewed); age > leaseAge {
		e.Says = fmt.Sprintf("its kubelet was last heard at %s, %s ago: the node may have been away since", clockText(renewed), geored.RoundDuration(age))
	}
	return e
}

// leaseAge is the age at which Kubernetes gives a node up by default (node-monitor-grace-period, 40 s until 1.31, then 50 s).
const leaseAge = 50 * time.Second
