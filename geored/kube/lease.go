package kube

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
)

// LeaseLock is a geored.Lock that is held as a Lease in every cluster, so that it keeps runners on all machines away.
// It is renewed in the background from Acquire to Release; a holder that dies loses it after its time to live.
//
// Whether a holder is alive is told by its renewals alone, not by anybody's clock: who finds the lock held waits for
// one renewal, and refuses when it comes; when none comes for the holder's time to live, it takes the lock over.
type LeaseLock struct {
	LeaseConfig
	token string

	mu      sync.Mutex
	held    map[geored.SiteName]*hold
	silent  []geored.Silence
	stop    context.CancelFunc // nil: not held
	stopped chan struct{}
}

// LeaseConfig is where and how a lock is held.
type LeaseConfig struct {
	Clusters  []*Cluster    // of all sites
	Namespace string        // where the Leases are; it must be there. Zero: kube-system
	Name      string        // of the Leases
	Holder    geored.Holder // who takes it
	TTL       time.Duration // how long it outlives its last renewal; it is renewed three times as often. Zero: 15 seconds
	// Least is how many sites it must be held on; the others may be silent when it is taken, see [LeaseLock.Silent].
	// With less than more than half, two runners that see different sites can both hold it. Zero: all of them.
	Least int
	Clock geored.Clock // zero: geored.SystemClock
}

// hold is the lock at one site.
type hold struct {
	cluster *Cluster
	renewed time.Time // when the last renewal that worked was sent
	stolen  error     // who took it, once that was seen
}

// HolderAnnotation says on a Lease, as JSON, who holds it.
const HolderAnnotation = "georedkit/holder"

// NewLeaseLock is a claim to a lock. It makes no connection.
func NewLeaseLock(c LeaseConfig) *LeaseLock {
	c.Namespace = cmp.Or(c.Namespace, metav1.NamespaceSystem)
	c.TTL = cmp.Or(c.TTL, 15*time.Second)
	if c.Least <= 0 || c.Least > len(c.Clusters) {
		c.Least = len(c.Clusters)
	}
	if c.Clock == nil {
		c.Clock = geored.SystemClock()
	}
	c.Clusters = slices.Clone(c.Clusters)
	slices.SortFunc(c.Clusters, func(a, b *Cluster) int { return cmp.Compare(a.site, b.site) }) // all take it in one order
	token := make([]byte, 8)
	rand.Read(token) // it never fails
	return &LeaseLock{LeaseConfig: c, token: c.Holder.Owner + " " + hex.EncodeToString(token)}
}

// Acquire takes the lock everywhere or nowhere. It waits for at most the time to live of who holds it. The error is a
// geored.HeldError, or names every site that did not answer. Who is waited for, and until when, is told by
// geored.AwaitLock.
func (l *LeaseLock) Acquire(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil {
		return &geored.HeldError{Where: "lease " + l.Namespace + "/" + l.Name, Holder: l.Holder}
	}
	if len(l.Clusters) == 0 {
		return fmt.Errorf("lease %s/%s: no cluster is named: nobody would hold it", l.Namespace, l.Name)
	}
	found, silent, err := l.free(ctx)
	if err != nil {
		return err
	}
	if answered := len(l.Clusters) - len(silent); answered < l.Least {
		return fmt.Errorf("lease %s/%s: %d of %d sites answer, and it must be held on %d: %w", l.Namespace, l.Name, answered, len(l.Clusters), l.Least, silences(silent))
	}
	l.held, l.silent = map[geored.SiteName]*hold{}, silent
	for _, cluster := range l.Clusters {
		lease, answered := found[cluster.site]
		if !answered {
			continue
		}
		sent := l.Clock.Now()
		if err := l.take(ctx, cluster, lease); err != nil {
			l.giveBack(context.WithoutCancel(ctx))
			return err
		}
		l.held[cluster.site] = &hold{cluster: cluster, renewed: sent}
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop, l.stopped = stop, make(chan struct{})
	go l.renewing(background, l.stopped)
	return nil
}

// Silent are the sites where it is not held, because they did not answer when it was taken.
func (l *LeaseLock) Silent() []geored.Silence {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.silent)
}

func silences(silent []geored.Silence) error {
	errs := make([]error, len(silent))
	for i, s := range silent {
		errs[i] = s
	}
	return errors.Join(errs...)
}

// free waits until the lock is free at every site that answers: nil for a Lease that is not there yet. A holder that
// renews is an error.
func (l *LeaseLock) free(ctx context.Context) (map[geored.SiteName]*coordinationv1.Lease, []geored.Silence, error) {
	targets := make([]geored.Target, len(l.Clusters))
	for i, cluster := range l.Clusters {
		targets[i].Site = cluster.site
	}
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (*coordinationv1.Lease, error) {
		return l.get(ctx, l.cluster(t.Site))
	}, geored.AskClock(l.Clock))
	found, first := map[geored.SiteName]*coordinationv1.Lease{}, map[geored.SiteName]*coordinationv1.Lease{}
	var longest time.Duration
	for t, lease := range answers.All() {
		found[t.Site] = lease
		if isHeld(lease) {
			first[t.Site], longest = lease, max(longest, ttlOf(lease))
		}
	}
	if len(first) == 0 {
		return found, answers.Unanswered(), ctxError(ctx)
	}
	since := l.Clock.Now()
	for _, cluster := range l.Clusters {
		if lease := first[cluster.site]; lease != nil {
			geored.AwaitLock(ctx, l.heldBy(cluster.site, lease), since.Add(longest))
			break
		}
	}
	for l.Clock.Now().Sub(since) < longest {
		if err := l.Clock.Sleep(ctx, longest/20); err != nil {
			return nil, nil, err
		}
		for site, was := range first {
			lease, err := l.get(ctx, l.cluster(site))
			switch {
			case err != nil: // nobody renews there either; taking it will tell
			case !isHeld(lease):
				found[site] = lease
				delete(first, site)
			case lease.ResourceVersion != was.ResourceVersion:
				return nil, nil, l.heldBy(site, lease)
			}
		}
		if len(first) == 0 {
			break
		}
	}
	return found, answers.Unanswered(), nil
}

func ctxError(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
