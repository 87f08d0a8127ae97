package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
)

func (l *LeaseLock) cluster(site geored.SiteName) *Cluster {
	return l.Clusters[slices.IndexFunc(l.Clusters, func(c *Cluster) bool { return c.site == site })]
}

// get gives nil when there is no Lease.
func (l *LeaseLock) get(ctx context.Context, c *Cluster) (*coordinationv1.Lease, error) {
	lease, err := c.client.CoordinationV1().Leases(l.Namespace).Get(ctx, l.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return lease, nil
}

func isHeld(lease *coordinationv1.Lease) bool {
	return lease != nil && lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != ""
}

// ttlOf is how long its holder said that it outlives a renewal.
func ttlOf(lease *coordinationv1.Lease) time.Duration {
	if seconds := lease.Spec.LeaseDurationSeconds; seconds != nil && *seconds > 0 {
		return time.Duration(*seconds) * time.Second
	}
	return 15 * time.Second
}

func (l *LeaseLock) heldBy(site geored.SiteName, lease *coordinationv1.Lease) *geored.HeldError {
	e := &geored.HeldError{Where: fmt.Sprintf("site %s: lease %s/%s", site, l.Namespace, l.Name)}
	if err := json.Unmarshal([]byte(lease.Annotations[HolderAnnotation]), &e.Holder); err != nil && isHeld(lease) {
		e.Holder.Owner = *lease.Spec.HolderIdentity // somebody else's tool
	}
	return e
}

// take makes or takes over one Lease, unless somebody was quicker.
func (l *LeaseLock) take(ctx context.Context, c *Cluster, lease *coordinationv1.Lease) error {
	leases := c.client.CoordinationV1().Leases(l.Namespace)
	var err error
	if lease == nil {
		_, err = leases.Create(ctx, l.claimed(&coordinationv1.Lease{}), metav1.CreateOptions{FieldManager: FieldManager})
	} else {
		_, err = leases.Update(ctx, l.claimed(lease.DeepCopy()), metav1.UpdateOptions{FieldManager: FieldManager})
	}
	if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) {
		if other, again := l.get(ctx, c); again == nil && isHeld(other) {
			return l.heldBy(c.site, other)
		}
	}
	if err != nil {
		return fmt.Errorf("site %s: lease %s/%s: %w", c.site, l.Namespace, l.Name, retriable(err))
	}
	return nil
}

// claimed writes this holder into a Lease.
func (l *LeaseLock) claimed(lease *coordinationv1.Lease) *coordinationv1.Lease {
	holder, _ := json.Marshal(l.Holder)                                                          // strings and a time
	now, seconds := metav1.NewMicroTime(l.Clock.Now()), int32((l.TTL+time.Second-1)/time.Second) // nobody else may believe it shorter
	lease.Namespace, lease.Name = l.Namespace, l.Name
	lease.Annotations = map[string]string{HolderAnnotation: string(holder)}
	lease.Spec = coordinationv1.LeaseSpec{HolderIdentity: &l.token, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now}
	return lease
}
