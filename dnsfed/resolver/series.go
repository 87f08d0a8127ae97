package resolver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
)

// AskSeries is the name of the question that a [Series] is, answered with a [SeriesAnswer].
const AskSeries = "dns-series"

// Series asks one question again and again from inside a site: to see that a name server that is changed loses no answer.
// Put to a probe as one question, it costs what one does.
type Series struct {
	probe.DNS
	Want  []string      `json:"want"`  // records, in any order
	Every time.Duration `json:"every"` // zero: 100 ms
	For   time.Duration `json:"for"`   // zero: 3 s; at most a minute
}

// SeriesAnswer is what came of it. Its lines begin with when it was asked, by the probe's clock.
type SeriesAnswer struct {
	Asked int      `json:"asked"`
	Wrong []string `json:"wrong,omitempty"` // and what was answered instead, or why nothing was
	// Repeated were answered right when they were asked a second time, as resolvers do (resolv.conf(5), attempts), and why
	// nothing was answered at first. kube-proxy forgets UDP connections to a pod that leaves a Service, and with them answers on
	// their way.
	Repeated []string `json:"repeated,omitempty"`
}

// Questions are the handlers for probe.Serve.
func Questions() map[string]probe.Handler {
	return map[string]probe.Handler{AskSeries: probe.HandlerFunc(func(ctx context.Context, s Series) (SeriesAnswer, error) { return s.run(ctx) })}
}

func (s Series) run(ctx context.Context) (SeriesAnswer, error) {
	if s.Every <= 0 {
		s.Every = 100 * time.Millisecond
	}
	if s.For <= 0 {
		s.For = 3 * time.Second
	}
	if s.For > time.Minute || s.For/s.Every > 1000 {
		return SeriesAnswer{}, fmt.Errorf("%s of one question every %s is too much", s.For, s.Every)
	}
	slices.Sort(s.Want)
	var mu sync.Mutex
	var asking sync.WaitGroup
	var answer SeriesAnswer
	local, clock := probe.Local(probe.Questions()), geored.SystemClock()
	for range max(s.For/s.Every, 1) {
		asking.Add(1)
		go func() { // a slow answer delays no other question
			defer asking.Done()
			at := clock.Now().UTC().Format(time.RFC3339Nano)
			wrong, silent := s.ask(ctx, local)
			if silent != nil {
				wrong, _ = s.ask(ctx, local)
			}
			mu.Lock()
			defer mu.Unlock()
			answer.Asked++
			switch {
			case wrong != "":
				answer.Wrong = append(answer.Wrong, at+" "+wrong)
			case silent != nil:
				answer.Repeated = append(answer.Repeated, at+" "+silent.Error())
			}
		}()
		if err := clock.Sleep(ctx, s.Every); err != nil {
			break
		}
	}
	asking.Wait()
	return answer, ctx.Err()
}

// ask says what was wrong with one answer, nothing when it was right, and with an error that there was none.
func (s Series) ask(ctx context.Context, client probe.Client) (wrong string, err error) {
	got, err := probe.Ask(ctx, client, s.DNS)
	if err != nil {
		return err.Error(), err
	}
	slices.Sort(got.Records)
	if got.Code != "NOERROR" || !slices.Equal(got.Records, s.Want) {
		wrong = strings.TrimSpace(got.Code + " " + strings.Join(got.Records, " "))
	}
	return wrong, nil
}
