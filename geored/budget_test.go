package geored

import (
	"context"
	"errors"
	"testing"
	"time"
)

var errLate = errors.New("late")

func TestABudgetSetsNoTimerBeforeItIsAskedFor(t *testing.T) {
	ctx, stop := withBudget(t.Context(), SystemClock(), time.Hour, errLate)
	c := ctx.(*budgetContext)
	if ctx.Err() != nil || c.armed != nil {
		t.Errorf("%v, armed: %v", ctx.Err(), c.armed)
	}
	if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) < 50*time.Minute || c.armed != nil {
		t.Errorf("%v", deadline)
	}
	if ctx.Done() == nil || c.armed == nil {
		t.Error("not armed")
	}
	stop()
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("stopped: %v", ctx.Err())
	}
	stop()
}

func TestABudgetIsUsedUp(t *testing.T) {
	for name, wait := range map[string]func(context.Context){
		"who waits":      func(ctx context.Context) { <-ctx.Done() },
		"who asks later": func(context.Context) { time.Sleep(20 * time.Millisecond) },
		"a child of it":  func(ctx context.Context) { child, cancel := context.WithCancel(ctx); defer cancel(); <-child.Done() },
		"a sleeper":      func(ctx context.Context) { _ = SystemClock().Sleep(ctx, time.Hour) },
		"a child's deadline": func(ctx context.Context) {
			child, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			<-child.Done()
		},
	} {
		ctx, stop := withBudget(t.Context(), SystemClock(), 10*time.Millisecond, errLate)
		wait(ctx)
		if ctx.Err() == nil || !errors.Is(context.Cause(ctx), errLate) {
			t.Errorf("%s: %v, %v", name, ctx.Err(), context.Cause(ctx))
		}
		stop()
	}
}

func TestABudgetOfAContextThatEnds(t *testing.T) {
	why := errors.New("interrupted")
	parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), runKey{}, "r"))
	early, stop := withBudget(parent, SystemClock(), time.Hour, errLate)
	defer stop()
	late, stopLate := withBudget(parent, SystemClock(), time.Hour, errLate)
	<-time.After(time.Millisecond)
	_ = late.Done()
	cancel(why)
	for _, ctx := range []context.Context{early, late} {
		if ctx.Err() == nil || !errors.Is(context.Cause(ctx), why) || RunOf(ctx) != "r" {
			t.Errorf("%v, %v", ctx.Err(), context.Cause(ctx))
		}
		<-ctx.Done()
	}
	stopLate()
	stopped, stop := withBudget(t.Context(), SystemClock(), time.Hour, errLate)
	stop()
	if stopped.Err() == nil {
		t.Error("stopped before it was asked, it goes on")
	}
	<-stopped.Done()
}
