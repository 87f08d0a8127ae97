package probe_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored/probe"
)

// counted counts the calls of a probe's program, each of which takes its time.
type counted struct {
	probe.Client
	mu    sync.Mutex
	calls []string
	fail  error
	hold  chan struct{} // nil: no call is held up
}

func (c *counted) Ask(ctx context.Context, arguments []string, input []byte) ([]byte, error) {
	c.mu.Lock()
	c.calls = append(c.calls, arguments[1])
	fail, hold := c.fail, c.hold
	c.mu.Unlock()
	select {
	case <-hold:
	case <-time.After(20 * time.Millisecond):
		if hold != nil {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
	}
	if fail != nil {
		return nil, fail
	}
	return c.Client.Ask(ctx, arguments, input)
}

type number struct {
	Of int `json:"of"`
}

// numbers answer with the number that they are asked with; 13 has no answer.
func numbers() probe.Local {
	return probe.Local{"number": probe.HandlerFunc(func(_ context.Context, q number) (int, error) {
		if q.Of == 13 {
			return 0, errors.New("no luck")
		}
		return q.Of, nil
	})}
}

func askAll(ctx context.Context, client probe.Client, n int) (answers []int, errs []error) {
	answers, errs = make([]int, n), make([]error, n)
	var done sync.WaitGroup
	for i := range n {
		done.Add(1)
		go func() {
			defer done.Done()
			answers[i], errs[i] = probe.AskNamed[int](ctx, client, "number", number{i})
		}()
	}
	done.Wait()
	return answers, errs
}

func TestTogether(t *testing.T) {
	c := &counted{Client: numbers()}
	answers, errs := askAll(t.Context(), probe.Together(c), 100)
	for i, answer := range answers {
		remote := new(probe.RemoteError)
		if i == 13 && (!errors.As(errs[i], &remote) || remote.Message != "no luck") {
			t.Errorf("13: %v", errs[i])
		}
		if i != 13 && (answer != i || errs[i] != nil) {
			t.Errorf("%d: %d, %v", i, answer, errs[i])
		}
	}
	if len(c.calls) > 10 || !slices.Contains(c.calls, "several") {
		t.Errorf("%d calls: %v", len(c.calls), c.calls)
	}
}

// What one call could not ask is answered to nobody.
func TestTogetherOfASilentProbe(t *testing.T) {
	c := &counted{Client: numbers(), fail: errors.New("connection refused")}
	_, errs := askAll(t.Context(), probe.Together(c), 20)
	for i, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// short leaves out replies.
type short struct{ probe.Client }

func (s short) Ask(ctx context.Context, arguments []string, input []byte) ([]byte, error) {
	if arguments[1] == "several" {
		return []byte(`{"answer":[{"answer":1}]}`), nil
	}
	return s.Client.Ask(ctx, arguments, input)
}

func TestTogetherMissesReplies(t *testing.T) {
	_, errs := askAll(t.Context(), probe.Together(short{&counted{Client: numbers()}}), 20)
	if text := fmt.Sprint(errs); !strings.Contains(text, "questions got 1 replies") {
		t.Error(text)
	}
}

// old is a probe that knows nothing of several questions.
type old struct{ probe.Client }

func (o old) Ask(ctx context.Context, arguments []string, input []byte) ([]byte, error) {
	if arguments[1] == "several" {
		return []byte(`{"error":"no question is called \"several\""}`), nil
	}
	return o.Client.Ask(ctx, arguments, input)
}

func TestTogetherWithAnOldProbe(t *testing.T) {
	answers, errs := askAll(t.Context(), probe.Together(old{&counted{Client: numbers()}}), 20)
	for i, answer := range answers {
		if i != 13 && (answer != i || errs[i] != nil) {
			t.Errorf("%d: %d, %v", i, answer, errs[i])
		}
	}
}

// A probe that hangs holds nobody longer than he waits, and is asked again afterwards.
func TestTogetherWithAProbeThatHangs(t *testing.T) {
	c := &counted{Client: numbers(), hold: make(chan struct{})}
	client := probe.Together(c)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, errs := askAll(ctx, client, 20); slices.ContainsFunc(errs, func(err error) bool { return !errors.Is(err, context.DeadlineExceeded) }) {
		t.Error(errs)
	}
	c.mu.Lock()
	c.hold = nil
	c.mu.Unlock()
	if answers, errs := askAll(t.Context(), client, 10); answers[9] != 9 || errs[9] != nil {
		t.Error(answers, errs)
	}
}

// crowd counts the questions of each call.
type crowd struct {
	probe.Client
	mu   sync.Mutex
	most int
}

func (c *crowd) Ask(ctx context.Context, arguments []string, input []byte) ([]byte, error) {
	var questions []json.RawMessage
	if json.Unmarshal(input, &questions) == nil {
		c.mu.Lock()
		c.most = max(c.most, len(questions))
		c.mu.Unlock()
	}
	return c.Client.Ask(ctx, arguments, input)
}

// A call holds 64 questions at most: its input must fit what a pipe takes.
func TestTogetherIsNoCrowd(t *testing.T) {
	c := &crowd{Client: &counted{Client: numbers()}}
	answers, errs := askAll(t.Context(), probe.Together(c), 500)
	for i, answer := range answers {
		if i != 13 && (answer != i || errs[i] != nil) {
			t.Errorf("%d: %d, %v", i, answer, errs[i])
		}
	}
	if c.most < 2 || c.most > 64 {
		t.Errorf("%d questions in one call", c.most)
	}
}

// A question that the probe does not survive is answered by an error, and those beside it as they are.
func TestAPanicIsOneQuestionsOwn(t *testing.T) {
	handlers := numbers()
	fine := handlers["number"]
	handlers["number"] = func(ctx context.Context, question []byte) (any, error) {
		if strings.Contains(string(question), "7") {
			panic("of " + string(question))
		}
		return fine(ctx, question)
	}
	answers, errs := askAll(t.Context(), probe.Together(&counted{Client: handlers}), 12)
	if errs[7] == nil || !strings.Contains(errs[7].Error(), "it panicked: of ") || answers[11] != 11 || errs[11] != nil {
		t.Error(answers, errs)
	}
}
