package kube

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// Resolve is for [cassandra.Config].Resolve: contact points are then names inside the clusters, as "ring.space.svc", and
// lead to the pods' present addresses. It gives those of the first cluster that knows pods behind the name; the error is
// that of all of them.
func (p Pods) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if len(p.Clusters) == 0 {
		return nil, fmt.Errorf("%s: no cluster is named", host)
	}
	var all []error
	for _, c := range p.Clusters {
		found, err := c.Resolve(ctx, host)
		if err == nil {
			return found, nil
		}
		all = append(all, err)
	}
	return nil, errors.Join(all...)
}
