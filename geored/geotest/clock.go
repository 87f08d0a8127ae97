package geotest

import (
	"context"
	"sync"
	"time"
)

// Clock is a clock that stands still until it is moved. While it runs by itself (see [NewClock]) it jumps to the next
// sleeper's time when everybody seems to sleep, so that hours pass in milliseconds. It cannot see who is busy with
// something else than the clock, such as a slow server: give what must not run out of time plenty of it.
type Clock struct {
	mu       sync.Mutex
	now      time.Time
	sleepers map[*sleeper]struct{}
	touched  uint64 // counts calls, to see whether somebody is still busy
}

type sleeper struct {
	until time.Time
	wake  chan struct{}
}

// tester is the part of testing.TB that the kit needs.
type tester interface {
	Helper()
	Cleanup(func())
}

// NewClock starts a clock at start that runs by itself until the test ends.
func NewClock(t tester, start time.Time) *Clock {
	t.Helper()
	c := StoppedClock(start)
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go c.jump(done)
	return c
}

// StoppedClock is a clock that only [Clock.Advance] moves.
func StoppedClock(start time.Time) *Clock {
	return &Clock{now: start, sleepers: map[*sleeper]struct{}{}}
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touched++
	return c.now
}

// Sleep returns when the clock was moved by d, or with the context's cause.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	c.touched++
	s := &sleeper{until: c.now.Add(d), wake: make(chan struct{})}
	c.sleepers[s] = struct{}{}
	c.wakeDue()
	c.mu.Unlock()
	select {
	case <-s.wake:
		return nil
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		c.touched++
		delete(c.sleepers, s)
		return context.Cause(ctx)
	}
}

// Advance moves the clock by d and wakes whom it is time for.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.wakeDue()
}

func (c *Clock) wakeDue() {
	for s := range c.sleepers {
		if !s.until.After(c.now) {
			delete(c.sleepers, s)
			close(s.wake)
		}
	}
}

// Everybody is taken to sleep when nobody touched the clock for a number of ticks in a row: on a busy machine one tick
// passes while others still wait for a processor.
const (
	tick       = 2 * time.Millisecond
	quietTicks = 5
)

func (c *Clock) jump(done <-chan struct{}) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var seen uint64
	quiet := 0
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
		}
		c.mu.Lock()
		if quiet++; c.touched != seen {
			quiet = 0
		}
		if quiet >= quietTicks {
			c.toNextSleeper()
			quiet = 0
		}
		seen = c.touched
		c.mu.Unlock()
	}
}

func (c *Clock) toNextSleeper() {
	var next *sleeper
	for s := range c.sleepers {
		if next == nil || s.until.Before(next.until) {
			next = s
		}
	}
	if next != nil {
		c.now = next.until
		c.wakeDue()
	}
}
