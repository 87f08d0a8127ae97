//go:build lab

package kube_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/kube"
)

func claim(name string, least int, clusters ...*kube.Cluster) *kube.LeaseLock {
	return kube.NewLeaseLock(kube.LeaseConfig{Clusters: clusters, Name: name, Holder: geored.Holder{Owner: "anna@host1", What: "test"}, TTL: 3 * time.Second, Least: least})
}

func acquired(t *testing.T, l *kube.LeaseLock) {
	t.Helper()
	if err := l.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Release(t.Context()) })
}

func TestLeaseLock(t *testing.T) {
	_, clusters := both(t)
	geotest.LockConformance(t, func(t *testing.T) geotest.LockPlace {
		name := name("lock")
		return geotest.LockPlace{
			Claim: func(_ *testing.T, h geored.Holder) geored.Lock {
				return kube.NewLeaseLock(kube.LeaseConfig{Clusters: clusters, Name: name, Holder: h, TTL: 3 * time.Second})
			},
			Steal: func(t *testing.T) {
				for _, c := range clusters {
					if err := c.Client().CoordinationV1().Leases("kube-system").Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
						t.Fatal(err)
					}
				}
			},
		}
	})
}

// One site is enough to lose it, and its new holder is named.
func TestLeaseStolenAtOneSite(t *testing.T) {
	_, clusters := both(t)
	name := name("stolen")
	l := claim(name, 0, clusters...)
	acquired(t, l)
	leases := clusters[1].Client().CoordinationV1().Leases("kube-system")
	thief := "thief"
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error { // it is renewed meanwhile
		lease, err := leases.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		lease.Spec.HolderIdentity, lease.Annotations = &thief, nil
		_, err = leases.Update(t.Context(), lease, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var world geotest.World
	task := world.Task(geored.Step{ID: "a", Target: "a", Action: geored.Apply})
	book := geored.Runbook{Name: "test", Stages: []geored.Stage{geored.StageOf("only", task)}}
	_, err = book.Run(t.Context(), geored.RunConfig{Lock: held{l}})
	if !errors.Is(err, geored.ErrLockLost) || !strings.Contains(err.Error(), "site dc2: lease kube-system/"+name+" is held by thief") || world.Applied("a") != 0 {
		t.Errorf("%v, applied %d times", err, world.Applied("a"))
	}
	if err := l.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if lease, err := leases.Get(t.Context(), name, metav1.GetOptions{}); err != nil || *lease.Spec.HolderIdentity != thief {
		t.Errorf("the thief's lease was given back: %v", err)
	}
}

// held is a lock that a test took itself.
type held struct{ *kube.LeaseLock }

func (held) Acquire(ctx context.Context) error { return nil }
func (held) Release(ctx context.Context) error { return nil }

// A holder that is dead renews no more: after its time to live the next one takes over, whatever the clocks say.
func TestLeaseOfTheDead(t *testing.T) {
	_, clusters := both(t)
	for _, skew := range []time.Duration{-time.Hour, 0, time.Hour} {
		name := name("dead")
		dead, seconds := "dead@host", int32(3)
		at := metav1.NewMicroTime(time.Now().Add(skew))
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: coordinationv1.LeaseSpec{HolderIdentity: &dead, LeaseDurationSeconds: &seconds, AcquireTime: &at, RenewTime: &at}}
		if _, err := clusters[0].Client().CoordinationV1().Leases("kube-system").Create(t.Context(), lease, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		l, began := claim(name, 0, clusters...), time.Now()
		acquired(t, l)
		if took := time.Since(began); took < 3*time.Second {
			t.Errorf("a clock that is off by %s: taken over after %s", skew, took)
		}
		if err := l.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestLeaseWithASiteAway(t *testing.T) {
	l, clusters := both(t)
	name := name("away")
	first := claim(name, 0, clusters...)
	first.TTL = 9 * time.Second // to freeze a site takes seconds on a machine that is busy
	acquired(t, first)
	lease, err := clusters[1].Client().CoordinationV1().Leases("kube-system").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l.Fault("freeze", "dc2")
	if err := first.Check(t.Context()); err != nil && time.Since(lease.Spec.RenewTime.Time) < first.TTL {
		t.Errorf("within its time to live: %v", err)
	}
	await(t, func() string {
		err := first.Check(t.Context())
		return fmt.Sprint(errors.Is(err, geored.ErrLockLost), geored.IsRetriable(err), err)
	},
		"true true site dc2: lease kube-system/"+name+" could not be renewed for")
	l.Fault("thaw", "dc2")
	await(t, func() string { return fmt.Sprint(first.Check(t.Context())) }, "<nil>")
	if err := first.Release(t.Context()); err != nil {
		t.Error(err)
	}

	l.Fault("freeze", "dc2")
	all := claim(name, 0, clusters...)
	if err := all.Acquire(t.Context()); err == nil || !strings.Contains(err.Error(), "1 of 2 sites answer, and it must be held on 2: dc2 did not answer") {
		t.Errorf("%v", err)
	}
	one, second := claim(name, 1, clusters...), claim(name, 1, clusters...)
	one.TTL, second.TTL = 15*time.Second, 15*time.Second
	acquired(t, one)
	if silent := one.Silent(); len(silent) != 1 || silent[0].Target.Site != "dc2" {
		t.Errorf("%v", silent)
	}
	if err := one.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := second.Acquire(t.Context()); !errors.Is(err, geored.ErrHeld) {
		t.Errorf("a second one: %v", err)
	}
	l.Fault("thaw", "dc2")
}
