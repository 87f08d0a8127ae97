package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

// poll is the pause between two looks at pods.
const poll = 500 * time.Millisecond

// Begin changes the StatefulSet's template, has the pod made anew from it, and gives its lost claims up, in this order: a
// pod of the old template that got an empty volume would take the old node's place without its rows. It ends when the pod
// has other claims. Interrupted anywhere, it can be called again.
func (r Replacer) Begin(ctx context.Context, n cassandra.Node, option string) error {
	clock := r.Clock
	if clock == nil {
		clock = geored.SystemClock()
	}
	for {
		s, err := r.look(ctx, n)
		if err == nil {
			if err = s.prepare(ctx, n.HostID, option); err != nil && !apierrors.IsConflict(err) {
				return r.wrap(n, err)
			}
			for _, missing := range []func(context.Context) error{s.renew, s.giveUp, s.claim} {
				if err == nil {
					err = missing(ctx)
				}
			}
		}
		if err == nil {
			return nil
		}
		if ended := clock.Sleep(ctx, poll); ended != nil {
			return r.wrap(n, errors.Join(err, ended))
		}
	}
}

// renew is without an error when the pod is one that was made to replace a node.
func (s seen) renew(ctx context.Context) error {
	switch {
	case !s.isReplacing(s.set.Spec.Template.Spec):
		return errors.New("the template was changed just now")
	case s.pod == nil:
		return errors.New("there is no pod now")
	case s.isReplacing(s.pod.Spec):
		return nil
	}
	if s.pod.Status.Phase != corev1.PodPending {
		return fmt.Errorf("a pod of the old template is %s", s.pod.Status.Phase)
	}
	if err := s.set.isKnown(); err != nil {
		return err
	}
	return errors.Join(errors.New("the pod is made anew"), s.deletePod(ctx))
}

// deletePod deletes the pod that was seen, and no other, unless it ends already.
func (s seen) deletePod(ctx context.Context) error {
	if s.pod.DeletionTimestamp != nil {
		return nil
	}
	err := s.cluster.Client().CoreV1().Pods(s.Namespace).Delete(ctx, s.pod.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(s.pod.UID))})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // it is gone; who is there now is looked at next
	}
	return err
}

// giveUp deletes the claims that are lost, and is without an error when there are none.
func (s seen) giveUp(ctx context.Context) error {
	lost := s.lostClaims()
	if len(lost) == 0 {
		return nil
	}
	reasons := []error{fmt.Errorf("%d lost claims are given up", len(lost))}
	for _, c := range lost {
		if c.DeletionTimestamp != nil {
			continue
		}
		err := s.cluster.Client().CoreV1().PersistentVolumeClaims(s.Namespace).Delete(ctx, c.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(c.UID))})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			reasons = append(reasons, fmt.Errorf("claim %s: %w", c.Name, err))
		}
	}
	return errors.Join(reasons...)
}

// claim has the pod made once more when claims are missing: the controller makes them before the pod, and seldom later.
func (s seen) claim(ctx context.Context) error {
	if len(s.absent) == 0 {
		return nil
	}
	return errors.Join(fmt.Errorf("the pod is made anew for want of claims %v", s.absent), s.deletePod(ctx))
}

// End gives the StatefulSet's template back what it was before, then deletes the pod that was made from the other, unless
// the controller does. It does one of the two at each call, and waits for nothing.
func (r Replacer) End(ctx context.Context, n cassandra.Node) error {
	s, err := r.look(ctx, n)
	switch {
	case err != nil:
	case s.note.Node != n.HostID:
		err = errors.New("the StatefulSet knows of no such replacement")
	case !s.note.Ended:
		err = s.restore(ctx)
	case s.pod != nil && s.isReplacing(s.pod.Spec):
		if err = s.set.isKnown(); err == nil {
			err = s.deletePod(ctx)
		}
	}
	if err != nil {
		return r.wrap(n, err)
	}
	return nil
}
