package broker

import (
	"context"
	"testing"
	"time"
)

// What comes when nobody waits for it any more is ended; what was waited for is not.
func TestWhatComesTooLateIsEnded(t *testing.T) {
	ended, release := make(chan int, 2), make(chan struct{})
	late := func(n int) { ended <- n }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := within(ctx, time.Hour, func() (int, error) { <-release; return 1, nil }, late); err == nil {
		t.Error("it waited for nobody")
	}
	close(release)
	if n := <-ended; n != 1 {
		t.Errorf("%d was ended", n)
	}
	if n, err := within(t.Context(), time.Hour, func() (int, error) { return 2, nil }, late); n != 2 || err != nil || len(ended) > 0 {
		t.Errorf("%d, %v, %d ended", n, err, len(ended))
	}
}
