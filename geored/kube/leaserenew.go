package kube

import (
	"context"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
)

// renewing renews the lock until its context ends.
func (l *LeaseLock) renewing(ctx context.Context, stopped chan<- struct{}) {
	defer close(stopped)
	for l.Clock.Sleep(ctx, l.TTL/3) == nil {
		l.each(ctx, func(ctx context.Context, h *hold) {
			sent := l.Clock.Now()
			if err := l.renew(ctx, h); err == nil {
				l.mu.Lock()
				h.renewed = sent
				l.mu.Unlock()
			}
		})
	}
}

// each calls f for every held site at once, and gives it no more time than lies between two renewals.
func (l *LeaseLock) each(ctx context.Context, f func(context.Context, *hold)) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.TTL/3, geored.ErrBudget)
	defer cancel()
	l.mu.Lock()
	holds := make([]*hold, 0, len(l.held))
	for _, h := range l.held {
		holds = append(holds, h)
	}
	l.mu.Unlock()
	var asked sync.WaitGroup
	for _, h := range holds {
		asked.Add(1)
		go func() {
			defer asked.Done()
			f(ctx, h)
		}()
	}
	asked.Wait()
}

// renew writes a new time into the Lease if it is still this holder's. A conflict means that it is not.
func (l *LeaseLock) renew(ctx context.Context, h *hold) error {
	lease, err := l.mine(ctx, h)
	if err != nil {
		return err
	}
	now := metav1.NewMicroTime(l.Clock.Now())
	lease.Spec.RenewTime = &now
	_, err = h.cluster.client.CoordinationV1().Leases(l.Namespace).Update(ctx, lease, metav1.UpdateOptions{FieldManager: FieldManager})
	return err
}

// mine reads the Lease; one that is somebody else's is noted: it does not come back.
func (l *LeaseLock) mine(ctx context.Context, h *hold) (*coordinationv1.Lease, error) {
	lease, err := l.get(ctx, h.cluster)
	if err != nil || lease != nil && isHeld(lease) && *lease.Spec.HolderIdentity == l.token {
		return lease, err
	}
	stolen := fmt.Errorf("site %s: lease %s/%s was taken away: %w", h.cluster.site, l.Namespace, l.Name, geored.ErrLockLost)
	if isHeld(lease) {
		stolen = fmt.Errorf("%w: %w", l.heldBy(h.cluster.site, lease), geored.ErrLockLost)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	h.stolen = stolen
	return nil, stolen
}

// Check reads the Lease of every site where the lock is held. One that is somebody else's is geored.ErrLockLost. Where
// nobody answers the lock is good as long as its last renewal lets it live: nobody can have taken it before; after that
// it is geored.ErrLockLost too, but geored.Retriable, because the site may come back with the lock untouched.
func (l *LeaseLock) Check(ctx context.Context) error {
	l.mu.Lock()
	held := l.stop != nil
	l.mu.Unlock()
	if !held {
		return fmt.Errorf("lease %s/%s: it was not taken: %w", l.Namespace, l.Name, geored.ErrLockLost)
	}
	var mu sync.Mutex
	away := map[geored.SiteName]error{}
	l.each(ctx, func(ctx context.Context, h *hold) {
		if _, err := l.mine(ctx, h); err != nil {
			mu.Lock()
			defer mu.Unlock()
			away[h.cluster.site] = err
		}
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, cluster := range l.Clusters { // in one order
		h := l.held[cluster.site]
		if h == nil {
			continue
		}
		if h.stolen != nil {
			return h.stolen
		}
		if since := l.Clock.Now().Sub(h.renewed); away[cluster.site] != nil && since >= l.TTL {
			return geored.Retriable(fmt.Errorf("site %s: lease %s/%s could not be renewed for %s, another may hold it: %w: %w", cluster.site, l.Namespace, l.Name,
				since.Round(time.Second), away[cluster.site], geored.ErrLockLost))
		}
	}
	return nil
}

// Release ends the renewing and takes the Leases away that are still this holder's. At a site that does not answer the
// Lease runs out by itself.
func (l *LeaseLock) Release(ctx context.Context) error {
	l.mu.Lock()
	stop, stopped := l.stop, l.stopped
	l.stop = nil
	l.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	<-stopped
	l.mu.Lock()
	defer l.mu.Unlock()
	l.giveBack(ctx)
	return nil
}

// giveBack needs the lock of l.
func (l *LeaseLock) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.TTL/3, geored.ErrBudget)
	defer cancel()
	var asked sync.WaitGroup
	for _, h := range l.held {
		asked.Add(1)
		go func() {
			defer asked.Done()
			lease, err := l.get(ctx, h.cluster)
			if err != nil || !isHeld(lease) || *lease.Spec.HolderIdentity != l.token {
				return
			}
			only := metav1.Preconditions{UID: &lease.UID, ResourceVersion: &lease.ResourceVersion}
			_ = h.cluster.client.CoordinationV1().Leases(l.Namespace).Delete(ctx, l.Name, metav1.DeleteOptions{Preconditions: &only}) // else it runs out
		}()
	}
	asked.Wait()
	l.held = nil
}
