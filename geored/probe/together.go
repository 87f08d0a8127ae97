package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Together makes a client that puts questions which come while others are under way to the probe together, in one call of
// its program: a program that is executed in a container costs more than most answers. A question waits for the slowest of
// those that it went with; do not ask through it what takes long. A probe of an older image, which does not know of it, is
// asked one by one. When the probe cannot be asked, none of those that went together has an answer.
func Together(client Client) Client { return &together{client: client} }

type together struct {
	client Client

	mu      sync.Mutex
	waiting []*waiting
	calls   int // under way
	old     bool
}

// waiting is one question until it is answered.
type waiting struct {
	ctx    context.Context
	named  named
	output []byte
	err    error
	done   chan struct{}
}

// sideBySide is how many calls are under way at most, so that one slow answer does not hold up all.
const sideBySide = 2

// programs is how many are started side by side where each question needs one.
const programs = 8

// Ask puts a question. One that nobody waits for any more is abandoned.
func (t *together) Ask(ctx context.Context, arguments []string, input []byte) ([]byte, error) {
	if len(arguments) != 2 || arguments[0] != "ask" || !json.Valid(input) {
		return t.client.Ask(ctx, arguments, input)
	}
	w := &waiting{ctx: ctx, named: named{arguments[1], input}, done: make(chan struct{})}
	t.mu.Lock()
	t.waiting = append(t.waiting, w)
	if t.calls < sideBySide {
		t.calls++
		go t.call()
	}
	t.mu.Unlock()
	select {
	case <-w.done:
		return w.output, w.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// call asks until nothing waits.
func (t *together) call() {
	for {
		t.mu.Lock()
		batch, old := slices.DeleteFunc(t.waiting, func(w *waiting) bool { return w.ctx.Err() != nil }), t.old
		t.waiting = nil
		if len(batch) > atOnce {
			batch, t.waiting = batch[:atOnce:atOnce], slices.Clone(batch[atOnce:])
		}
		if len(batch) == 0 {
			t.calls--
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		if len(batch) == 1 || old {
			t.oneByOne(batch)
		} else {
			t.allAtOnce(batch)
		}
		for _, w := range batch {
			close(w.done)
		}
	}
}

func (t *together) oneByOne(batch []*waiting) {
	var answered sync.WaitGroup
	slots := make(chan struct{}, programs)
	for _, w := range batch {
		slots <- struct{}{}
		answered.Add(1)
		go func() {
			defer answered.Done()
			w.output, w.err = t.client.Ask(w.ctx, []string{"ask", w.named.Name}, w.named.Question)
			<-slots
		}()
	}
	answered.Wait()
}

func (t *together) allAtOnce(batch []*waiting) {
	ctx, stop := whileAny(batch)
	defer stop()
	questions := make([]named, len(batch))
	for i, w := range batch {
		questions[i] = w.named
	}
	replies, err := AskNamed[[]json.RawMessage](ctx, t.client, several, questions)
	switch remote := new(RemoteError); {
	case errors.As(err, &remote) && remote.Message == unknownQuestion(several):
		t.mu.Lock()
		t.old = true
		t.mu.Unlock()
		t.oneByOne(batch)
		return
	case err == nil && len(replies) != len(batch):
		err = fmt.Errorf("%d questions got %d replies", len(batch), len(replies))
	}
	for i, w := range batch {
		if w.err = err; err == nil {
			w.output = replies[i]
		}
	}
}

// whileAny is a context that ends when all of those who wait have given up.
func whileAny(batch []*waiting) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(batch[0].ctx))
	var left atomic.Int64
	left.Store(int64(len(batch)))
	stops := []func() bool{}
	for _, w := range batch {
		stops = append(stops, context.AfterFunc(w.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		}))
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}
