package geotest

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// LockPlace is one place for a lock, for [LockConformance].
type LockPlace struct {
	// Claim gives a runner's claim to the lock. Required.
	Claim func(t *testing.T, holder geored.Holder) geored.Lock
	// Steal takes the lock away from whoever holds it, as somebody does who pays it no heed. Required.
	Steal func(t *testing.T)
}

var (
	anna = geored.Holder{Owner: "anna@host1", What: "ice-install", Since: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	bob  = geored.Holder{Owner: "bob@host2", What: "ice-recover", Since: time.Date(2026, 3, 4, 5, 6, 8, 0, time.UTC)}
)

// LockConformance holds an implementation of geored.Lock against what a run relies on. place gives a new place for each
// test.
func LockConformance(t *testing.T, place func(t *testing.T) LockPlace) {
	for name, test := range map[string]func(*testing.T, LockPlace){
		"taken, held, given back":           lockCycle,
		"a second one is told who holds it": lockRefuses,
		"a stolen one is found":             lockStolen,
		"one of many gets it":               lockRace,
		"an ended context takes nothing":    lockEndedContext,
		"nothing runs on after it":          lockLeavesNothing,
	} {
		t.Run(name, func(t *testing.T) { test(t, place(t)) })
	}
}

func acquire(t *testing.T, lock geored.Lock) {
	t.Helper()
	if err := lock.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { release(t, lock) })
}

func release(t *testing.T, lock geored.Lock) {
	t.Helper()
	if err := lock.Release(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

func lockCycle(t *testing.T, p LockPlace) {
	lock := p.Claim(t, anna)
	if err := lock.Check(t.Context()); !errors.Is(err, geored.ErrLockLost) {
		t.Errorf("never taken: %v", err)
	}
	release(t, lock) // of what was never taken
	for range 2 {
		acquire(t, lock)
		if err := lock.Check(t.Context()); err != nil {
			t.Errorf("held: %v", err)
		}
		if err := lock.Acquire(t.Context()); !errors.Is(err, geored.ErrHeld) {
			t.Errorf("taken twice: %v", err)
		}
		if err := lock.Check(t.Context()); err != nil {
			t.Errorf("held, and refused to itself: %v", err)
		}
		release(t, lock)
		if err := lock.Check(t.Context()); !errors.Is(err, geored.ErrLockLost) {
			t.Errorf("given back: %v", err)
		}
		release(t, lock)
	}
}

func lockRefuses(t *testing.T, p LockPlace) {
	first, second := p.Claim(t, anna), p.Claim(t, bob)
	acquire(t, first)
	err := second.Acquire(t.Context())
	var held *geored.HeldError
	if !errors.As(err, &held) || !errors.Is(err, geored.ErrHeld) || held.Holder.Owner != anna.Owner || held.Holder.What != anna.What || !held.Holder.Since.Equal(anna.Since) {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(err.Error(), "is held by anna@host1 for ice-install since 2026-03-04T05:06:07Z") {
		t.Errorf("%v", err)
	}
	release(t, second) // it is not his to give back
	if err := first.Check(t.Context()); err != nil {
		t.Errorf("after somebody else was refused: %v", err)
	}
	release(t, first)
	acquire(t, second)
}

func lockStolen(t *testing.T, p LockPlace) {
	first, thief := p.Claim(t, anna), p.Claim(t, bob)
	acquire(t, first)
	p.Steal(t)
	if err := first.Check(t.Context()); !errors.Is(err, geored.ErrLockLost) {
		t.Errorf("stolen: %v", err)
	}
	acquire(t, thief)
	if err := first.Check(t.Context()); !errors.Is(err, geored.ErrLockLost) {
		t.Errorf("taken over: %v", err)
	}
	release(t, first) // it is not hers any more
	if err := thief.Check(t.Context()); err != nil {
		t.Errorf("its new holder: %v", err)
	}
}

func lockRace(t *testing.T, p LockPlace) {
	var won atomic.Int32
	var running sync.WaitGroup
	for range 8 {
		lock := p.Claim(t, anna)
		running.Add(1)
		go func() {
			defer running.Done()
			if err := lock.Acquire(t.Context()); err == nil {
				won.Add(1)
				t.Cleanup(func() { release(t, lock) })
			} else if !errors.Is(err, geored.ErrHeld) {
				t.Error(err)
			}
		}()
	}
	if running.Wait(); won.Load() != 1 {
		t.Errorf("%d of 8 took it", won.Load())
	}
}

func lockEndedContext(t *testing.T, p LockPlace) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Claim(t, anna).Acquire(ctx); err == nil {
		t.Error("it was taken")
	}
	acquire(t, p.Claim(t, bob))
}

func lockLeavesNothing(t *testing.T, p LockPlace) {
	lock := p.Claim(t, anna)
	acquire(t, lock) // what stays open for longer, such as connections
	release(t, lock)
	before := runtime.NumGoroutine()
	for range 3 {
		acquire(t, lock)
		release(t, lock)
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%d goroutines, before it was taken: %d", runtime.NumGoroutine(), before)
}
