package geored_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

func TestMemoryLock(t *testing.T) {
	geotest.LockConformance(t, func(*testing.T) geotest.LockPlace {
		var place geored.MemoryLocks
		return geotest.LockPlace{
			Claim: func(_ *testing.T, h geored.Holder) geored.Lock { return place.Lock("it", h) },
			Steal: func(*testing.T) { place.Break("it") },
		}
	})
}

func TestFileLock(t *testing.T) {
	geotest.LockConformance(t, func(t *testing.T) geotest.LockPlace {
		path := filepath.Join(t.TempDir(), "lock")
		return geotest.LockPlace{
			Claim: func(_ *testing.T, h geored.Holder) geored.Lock { return geored.NewFileLock(path, h) },
			Steal: func(t *testing.T) {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func TestAllLocks(t *testing.T) {
	geotest.LockConformance(t, func(t *testing.T) geotest.LockPlace {
		var place geored.MemoryLocks
		path := filepath.Join(t.TempDir(), "lock")
		return geotest.LockPlace{
			Claim: func(_ *testing.T, h geored.Holder) geored.Lock {
				return geored.AllLocks(geored.NewFileLock(path, h), place.Lock("it", h))
			},
			Steal: func(t *testing.T) {
				place.Break("it")
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func TestNoLockIsHeldByNobody(t *testing.T) {
	if err := geored.AllLocks().Acquire(t.Context()); err == nil {
		t.Error("no lock was taken, and it is held")
	}
}

// When the second lock is refused the first is given back.
func TestAllLocksOrNone(t *testing.T) {
	var place geored.MemoryLocks
	a, b := place.Lock("a", geored.Holder{}), place.Lock("b", geored.Holder{})
	if err := b.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := geored.AllLocks(place.Lock("a", geored.Holder{}), place.Lock("b", geored.Holder{})).Acquire(t.Context()); !errors.Is(err, geored.ErrHeld) {
		t.Errorf("%v", err)
	}
	if err := a.Acquire(t.Context()); err != nil {
		t.Errorf("the first one was kept: %v", err)
	}
}

func TestFileLockNowhere(t *testing.T) {
	lock := geored.NewFileLock(filepath.Join(t.TempDir(), "no", "folder", "lock"), geored.Holder{})
	if err := lock.Acquire(t.Context()); !errors.Is(err, os.ErrNotExist) || errors.Is(err, geored.ErrHeld) {
		t.Errorf("%v", err)
	}
}

// A lock that is held for longer than a run is not given back by it, and is asked still.
func TestHeldLock(t *testing.T) {
	var place geored.MemoryLocks
	around := place.Lock("it", geored.Holder{Owner: "around"})
	if err := around.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	inside := geored.HeldLock(around)
	if err := errors.Join(inside.Acquire(t.Context()), inside.Check(t.Context()), inside.Release(t.Context()), around.Check(t.Context())); err != nil {
		t.Error(err)
	}
	place.Break("it")
	if err := inside.Check(t.Context()); !errors.Is(err, geored.ErrLockLost) {
		t.Errorf("a lost lock: %v", err)
	}
}
