package geored

import (
	"context"
	"errors"
	"time"
)

// Clock is where the package reads the time, so that a three-hour outage can be tested in milliseconds.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or earlier with the context's error.
	Sleep(ctx context.Context, d time.Duration) error
}

// SystemClock is the machine's clock.
func SystemClock() Clock { return systemClock{} }

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// ErrBudget is the cause of a context that ended because the time allowed for one thing was used up.
var ErrBudget = errors.New("no answer within its time budget")

// withBudget is context.WithTimeoutCause on an injected clock.
func withBudget(ctx context.Context, clock Clock, budget time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := clock.(systemClock); ok {
		return context.WithTimeoutCause(ctx, budget, ErrBudget)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		if clock.Sleep(ctx, budget) == nil {
			cancel(ErrBudget)
		}
	}()
	return ctx, func() { cancel(nil) }
}
