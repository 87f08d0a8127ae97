package geored

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Lock keeps a second runner away. It is no fencing: what must not meet a second writer needs more than a lock.
type Lock interface {
	// Acquire takes the lock, or says with a [HeldError] who holds it.
	Acquire(ctx context.Context) error
	// Check says whether the lock is still held; it is asked before each effect is applied. [ErrLockLost] when it is
	// not, or not for certain.
	Check(ctx context.Context) error
	// Release gives the lock back. Of one that is not held, or was lost, it does nothing.
	Release(ctx context.Context) error
}

// ErrHeld is the error of a lock that somebody else holds.
var ErrHeld = errors.New("is held")

// ErrLockLost is the error of a lock that was taken away, or that ran out because it could not be renewed.
var ErrLockLost = errors.New("the lock is lost")

// Holder is who holds a lock, what for and since when.
type Holder struct {
	Owner string    `json:"owner"` // "anna@host1, process 4711"
	What  string    `json:"what"`  // "ice-install"
	Since time.Time `json:"since"`
}

// String is the holder in words.
func (h Holder) String() string {
	text := h.Owner
	if text == "" {
		text = "somebody who left no name"
	}
	if h.What != "" {
		text += " for " + h.What
	}
	if !h.Since.IsZero() {
		text += " since " + h.Since.UTC().Format(time.RFC3339)
	}
	return text
}

// HeldError says who holds a lock. It wraps [ErrHeld].
type HeldError struct {
	Where  string // "lock /var/lib/x.lock", "site dc1: lease kube-system/x"
	Holder Holder
}

func (e *HeldError) Error() string { return fmt.Sprintf("%s %v by %s", e.Where, ErrHeld, e.Holder) }

// Unwrap gives [ErrHeld].
func (e *HeldError) Unwrap() error { return ErrHeld }

type awaitKey struct{}

// WatchLock gives a context for [Lock.Acquire] with which tell is told that the lock is waited for: who holds it, and when it
// ends. A run does so for itself; it is for those who take a lock before a run, to read under it what the run is about.
func WatchLock(ctx context.Context, tell func(held *HeldError, until time.Time)) context.Context {
	return context.WithValue(ctx, awaitKey{}, tell)
}

// AwaitLock tells those who watch a run that its lock is waited for: who holds it, and when it ends unless that holder
// shows that it lives. Locks that wait call it from within Acquire, with the context that they were given.
func AwaitLock(ctx context.Context, held *HeldError, until time.Time) {
	if tell, ok := ctx.Value(awaitKey{}).(func(*HeldError, time.Time)); ok {
		tell(held, until)
	}
}

// AllLocks is one lock made of several: held when all are. They are taken in their order and given back in the other. Of
// none, it cannot be taken.
func AllLocks(locks ...Lock) Lock { return allLocks(locks) }

type allLocks []Lock

func (all allLocks) Acquire(ctx context.Context) error {
	if len(all) == 0 {
		return errors.New("no lock is named: nobody would hold it")
	}
	for i, lock := range all {
		if err := lock.Acquire(ctx); err != nil {
			return errors.Join(err, all[:i].Release(context.WithoutCancel(ctx)))
		}
	}
	return nil
}

func (all allLocks) Check(ctx context.Context) error {
	for _, lock := range all {
		if err := lock.Check(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (all allLocks) Release(ctx context.Context) error {
	var errs []error
	for _, lock := range slices.Backward(all) {
		errs = append(errs, lock.Release(ctx))
	}
	return errors.Join(errs...)
}

// HeldLock is a lock that is held already and for longer than a run, which only asks whether it still is. A step that runs
// a runbook of its own gives it the lock of the run around it in this way.
func HeldLock(lock Lock) Lock { return heldLock{lock} }

type heldLock struct{ Lock }

func (heldLock) Acquire(context.Context) error { return nil }
func (heldLock) Release(context.Context) error { return nil }
