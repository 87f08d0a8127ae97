package geored

import (
	"context"
	"fmt"
	"sync"
)

// MemoryLocks is a place for locks among the runners of one process. The zero value is ready.
type MemoryLocks struct {
	mu   sync.Mutex
	held map[string]*MemoryLock
}

// MemoryLock is one runner's claim to a lock of [MemoryLocks].
type MemoryLock struct {
	place  *MemoryLocks
	name   string
	holder Holder
}

// Lock gives a runner's claim to the lock of a name. It does not take it.
func (l *MemoryLocks) Lock(name string, holder Holder) *MemoryLock {
	return &MemoryLock{place: l, name: name, holder: holder}
}

// Break takes a lock away from whoever holds it, as an operator does who knows that the holder is dead.
func (l *MemoryLocks) Break(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, name)
}

// Acquire takes the lock; taking it twice is an error too.
func (m *MemoryLock) Acquire(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.place.mu.Lock()
	defer m.place.mu.Unlock()
	if other := m.place.held[m.name]; other != nil {
		return &HeldError{"lock " + m.name, other.holder}
	}
	if m.place.held == nil {
		m.place.held = map[string]*MemoryLock{}
	}
	m.place.held[m.name] = m
	return nil
}

// Check says whether the lock is still this runner's.
func (m *MemoryLock) Check(context.Context) error {
	m.place.mu.Lock()
	defer m.place.mu.Unlock()
	switch other := m.place.held[m.name]; other {
	case m:
		return nil
	case nil:
		return fmt.Errorf("lock %s was broken: %w", m.name, ErrLockLost)
	default:
		return fmt.Errorf("lock %s %w by %s: %w", m.name, ErrHeld, other.holder, ErrLockLost)
	}
}

// Release gives the lock back if it is still this runner's.
func (m *MemoryLock) Release(context.Context) error {
	m.place.mu.Lock()
	defer m.place.mu.Unlock()
	if m.place.held[m.name] == m {
		delete(m.place.held, m.name)
	}
	return nil
}
