package geored

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrBudget is the cause of a context that ended because the time allowed for one thing was used up.
var ErrBudget = errors.New("no answer within its time budget")

// withBudget is context.WithTimeoutCause on an injected clock. It sets no timer before somebody asks whether the time is
// up: most steps of a run that goes on are done at their first look.
func withBudget(ctx context.Context, clock Clock, budget time.Duration, cause error) (context.Context, context.CancelFunc) {
	c := &budgetContext{Context: ctx, clock: clock, end: clock.Now().Add(budget), cause: cause}
	return c, c.stop
}

type budgetContext struct {
	context.Context // the parent
	clock           Clock
	end             time.Time
	cause           error

	mu      sync.Mutex
	armed   context.Context // nil until somebody asks
	cancel  context.CancelFunc
	stopped bool
}

func (c *budgetContext) arm() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed != nil {
		return c.armed
	}
	left := c.end.Sub(c.clock.Now())
	if left <= 0 {
		ctx, cancel := context.WithCancelCause(c.Context)
		cancel(c.cause)
		c.armed, c.cancel = ctx, func() {}
		return c.armed
	}
	if _, ok := c.clock.(systemClock); ok {
		c.armed, c.cancel = context.WithTimeoutCause(c.Context, left, c.cause)
	} else {
		ctx, cancel := context.WithCancelCause(c.Context)
		c.armed, c.cancel = ctx, func() { cancel(nil) }
		go func() {
			if c.clock.Sleep(ctx, left) == nil {
				cancel(c.cause)
			}
		}()
	}
	if c.stopped {
		c.cancel()
	}
	return c.armed
}

func (c *budgetContext) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if c.cancel != nil {
		c.cancel()
	}
}

func (c *budgetContext) Done() <-chan struct{} { return c.arm().Done() }

// Err sets no timer either.
func (c *budgetContext) Err() error {
	c.mu.Lock()
	armed, stopped := c.armed, c.stopped
	c.mu.Unlock()
	switch {
	case armed != nil:
		return armed.Err()
	case stopped || !c.clock.Now().Before(c.end):
		return c.arm().Err()
	}
	return c.Context.Err()
}

// Deadline is the earlier one of the budget's and the parent's. An injected clock's time would tell others nothing.
func (c *budgetContext) Deadline() (time.Time, bool) {
	deadline, ok := c.Context.Deadline()
	if _, system := c.clock.(systemClock); system && (!ok || c.end.Before(deadline)) {
		return c.end, true
	}
	return deadline, ok
}

// Value leads package context to the context that is really cancelled, so that children hang on it without a goroutine
// each, and context.Cause finds the cause.
func (c *budgetContext) Value(key any) any {
	c.mu.Lock()
	armed := c.armed
	c.mu.Unlock()
	if armed != nil {
		return armed.Value(key)
	}
	return c.Context.Value(key)
}
