package kube

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored/probe"
)

type clientFunc func(ctx context.Context) ([]byte, error)

func (f clientFunc) Ask(ctx context.Context, _ []string, _ []byte) ([]byte, error) { return f(ctx) }

// The time is that of whoever answers, although another observer hangs and a third is gone.
func TestALostNodeHoldsTheTimeUpForNobody(t *testing.T) {
	hung := make(chan struct{})
	hangs := clientFunc(func(ctx context.Context) ([]byte, error) {
		<-ctx.Done()
		close(hung)
		return nil, context.Cause(ctx)
	})
	gone := clientFunc(func(context.Context) ([]byte, error) { return nil, errors.New("no such container") })
	local := probe.Local(probe.Questions())
	before := time.Now()
	now, err := firstTime(t.Context(), []probe.Client{hangs, gone, local})
	if err != nil || now.Before(before) || now.After(time.Now()) {
		t.Errorf("%s, %v", now, err)
	}
	<-hung // it is let go
	for clients, want := range map[*[]probe.Client]string{{gone}: "1 run\nprobe clock: no such container", {}: "0 run"} {
		if _, err := firstTime(t.Context(), *clients); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
