package geored

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Target is who is asked: a site, a thing in it, or the way from one site to another.
type Target struct {
	Site SiteName `json:"site"`           // where it is asked
	To   SiteName `json:"to,omitempty"`   // the other site, for what lies between two
	Name string   `json:"name,omitempty"` // the thing in the site: a pod, a node
}

// String is "dc1", "dc1 -> dc2" or "dc1 pod/x".
func (t Target) String() string {
	text := string(t.Site)
	if t.To != "" {
		text += " -> " + string(t.To)
	}
	if t.Name != "" {
		text += " " + t.Name
	}
	return text
}

// Silence is a target that was asked and did not answer.
type Silence struct {
	Target Target `json:"target"`
	Reason string `json:"reason"`
}

// Answers is what came back from all targets of one question, in the order in which they were asked.
type Answers[T any] struct {
	targets []Target
	answers []T
	errs    []error
	began   time.Time
	took    time.Duration
}

// AskOption sets how [Ask] asks.
type AskOption func(*askConfig)

type askConfig struct {
	limit  int
	budget time.Duration
	clock  Clock
}

// AskLimit is how many targets are asked at once; without it 64.
func AskLimit(n int) AskOption { return func(c *askConfig) { c.limit = max(n, 1) } }

// AskBudget is the time each target has to answer; without it 10 seconds.
func AskBudget(d time.Duration) AskOption { return func(c *askConfig) { c.budget = d } }

// AskClock is the clock for the budget; without it [SystemClock].
func AskClock(clock Clock) AskOption { return func(c *askConfig) { c.clock = clock } }

// Ask puts one question to every target and comes back when each has answered or used up its budget, also when f pays
// no heed to its context: then f goes on alone and what it returns is dropped. An answer that comes with an error is no
// answer.
func Ask[T any](ctx context.Context, targets []Target, f func(context.Context, Target) (T, error), options ...AskOption) Answers[T] {
	c := askConfig{limit: 64, budget: 10 * time.Second, clock: SystemClock()}
	for _, option := range options {
		option(&c)
	}
	a := Answers[T]{targets: targets, answers: make([]T, len(targets)), errs: make([]error, len(targets)), began: c.clock.Now()}
	slots := make(chan struct{}, c.limit)
	done := make(chan struct{}, len(targets))
	for i, target := range targets {
		slots <- struct{}{}
		go func() {
			a.answers[i], a.errs[i] = askOne(ctx, c, target, f)
			<-slots
			done <- struct{}{}
		}()
	}
	for range targets {
		<-done
	}
	a.took = c.clock.Now().Sub(a.began)
	return a
}

func askOne[T any](ctx context.Context, c askConfig, target Target, f func(context.Context, Target) (T, error)) (T, error) {
	type reply struct {
		answer T
		err    error
	}
	ctx, cancel := withBudget(ctx, c.clock, c.budget, ErrBudget)
	defer cancel()
	came := make(chan reply, 1)
	go func() {
		answer, err := f(ctx, target)
		came <- reply{answer, err}
	}()
	select {
	case r := <-came:
		return r.answer, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// All gives the targets that answered, with their answers.
func (a Answers[T]) All() iter.Seq2[Target, T] {
	return func(yield func(Target, T) bool) {
		for i, target := range a.targets {
			if a.errs[i] == nil && !yield(target, a.answers[i]) {
				return
			}
		}
	}
}

// Asked is every target, whether it answered or not.
func (a Answers[T]) Asked() []Target { return a.targets }

// Unanswered is who was asked and did not answer.
func (a Answers[T]) Unanswered() []Silence {
	var silences []Silence
	for i, err := range a.errs {
		if err != nil {
			silences = append(silences, Silence{a.targets[i], err.Error()})
		}
	}
	return silences
}

// Conclude makes one finding of all answers. The finding says who was asked and who was silent, and with a silence in
// it pass, warn and skipped become unknown.
func (a Answers[T]) Conclude(f Finding) Finding {
	f.Asked, f.Unanswered = a.Asked(), a.Unanswered()
	f.Started, f.Took = a.began, a.took
	return f.honest()
}

// Each makes one finding per target: what judge says of its answer, or unknown when it was silent.
func (a Answers[T]) Each(judge func(Target, T) Finding) []Finding {
	findings := make([]Finding, len(a.targets))
	for i, target := range a.targets {
		f := Finding{Verdict: Unknown}
		if err := a.errs[i]; err == nil {
			f = judge(target, a.answers[i])
		} else {
			f.Message = fmt.Sprintf("%s did not answer: %v", target, err)
			f.Unanswered = []Silence{{target, err.Error()}}
		}
		f.Site, f.To = target.Site, target.To
		f.Asked, f.Started, f.Took = []Target{target}, a.began, a.took
		findings[i] = f.honest()
	}
	return findings
}

// Error lets a silence be returned where an error is wanted.
func (s Silence) Error() string { return s.Target.String() + " did not answer: " + s.Reason }
