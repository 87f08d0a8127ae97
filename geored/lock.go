package geored

import "context"

// Lock keeps a second runner away. It is no fencing: what must not meet a second writer needs more than a lock.
type Lock interface {
	// Acquire takes the lock or says who holds it.
	Acquire(ctx context.Context) error
	// Check says whether the lock is still held; it is asked before each effect is applied.
	Check(ctx context.Context) error
	// Release gives the lock back.
	Release(ctx context.Context) error
}
