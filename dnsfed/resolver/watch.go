package resolver

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
)

// Watch asks one question again and again from inside a site until it is ended: through a change that must lose no
// answer. Make it with [Begin].
type Watch struct {
	cancel context.CancelFunc
	asking sync.WaitGroup
	mu     sync.Mutex
	seen   Watched
}

// Watched is what a watch saw.
type Watched struct {
	SeriesAnswer
	Unasked []string // why the probe could not be asked for a while; what was answered meanwhile is not known
}

// watchFor is how long one series of a watch lasts, unless For says otherwise.
const watchFor = 4 * time.Second

// Begin puts a question to a probe ten times a second, unless Every says otherwise, until the watch or its context ends.
// Two series overlap, so that between one and the next nothing is missed; For is the length of one, 4 s when zero.
func Begin(ctx context.Context, client probe.Client, s Series) *Watch {
	if s.Every <= 0 {
		s.Every = 100 * time.Millisecond
	}
	if s.For <= 0 {
		s.For = watchFor
	}
	s.Every *= 2
	s.Want = slices.Clone(s.Want)
	w := &Watch{}
	var until context.Context
	until, w.cancel = context.WithCancel(ctx)
	for i := range 2 {
		w.asking.Add(1)
		go func() {
			defer w.asking.Done()
			if geored.SystemClock().Sleep(until, time.Duration(i)*s.For/2) != nil {
				return
			}
			for until.Err() == nil {
				w.series(ctx, client, s) // one that began is heard to its end
			}
		}()
	}
	return w
}

func (w *Watch) series(ctx context.Context, client probe.Client, s Series) {
	answer, err := probe.AskNamed[SeriesAnswer](ctx, client, AskSeries, s)
	w.mu.Lock()
	w.seen.Asked += answer.Asked
	w.seen.Wrong, w.seen.Repeated = append(w.seen.Wrong, answer.Wrong...), append(w.seen.Repeated, answer.Repeated...)
	if err != nil && ctx.Err() == nil {
		w.seen.Unasked = append(w.seen.Unasked, err.Error())
	}
	w.mu.Unlock()
	if err != nil {
		_ = geored.SystemClock().Sleep(ctx, s.Every) // a probe that is away is not asked without a pause
	}
}

// Stop begins no further series; those under way are heard to their end, which [Watch.End] waits for.
func (w *Watch) Stop() { w.cancel() }

// End stops, waits for the last answers, and gives what was seen. It may be called again.
func (w *Watch) End() Watched {
	w.Stop()
	w.asking.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// onTheirWay are as many questions as one change may meet on their way: more of them are an interruption.
const onTheirWay = 3

// Judge passes when every question was answered right, warns of up to three that had to be asked twice, and fails on more, and
// on one that was not answered then either, or wrongly. What could not be asked is unknown.
func (w Watched) Judge() geored.Finding {
	f := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%d questions were asked, %d answers lost", w.Asked, len(w.Wrong)), Evidence: w.Wrong}
	switch {
	case len(w.Wrong) > 0:
		f.Verdict = geored.Fail
		f.Remedy = "see what served at that moment: programs of the site looked up names in vain"
	case len(w.Unasked) > 0:
		f.Verdict, f.Evidence = geored.Unknown, w.Unasked
		f.Message += fmt.Sprintf(", and %d times nothing could be asked", len(w.Unasked))
	case w.Asked == 0:
		f.Verdict = geored.Unknown
	case len(w.Repeated) > onTheirWay:
		f.Verdict, f.Evidence = geored.Fail, w.Repeated
		f.Message += fmt.Sprintf(", %d questions unanswered when they were first asked: more than were on their way at one moment", len(w.Repeated))
		f.Remedy = "see what served at that moment: programs waited for their resolver's timeout, 5 s by default"
	case len(w.Repeated) > 0:
		f.Verdict, f.Evidence = geored.Warn, w.Repeated
		f.Message += fmt.Sprintf(", %d questions answered when they were asked again, as resolvers ask", len(w.Repeated))
		f.Remedy = "nothing to be done: programs waited for their resolver's timeout, 5 s by default"
	}
	return f
}
