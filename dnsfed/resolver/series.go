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

// SeriesAnswer is what came of it.
type SeriesAnswer struct {
	Asked int      `json:"asked"`
	Wrong []string `json:"wrong,omitempty"` // when it was asked, by the probe's clock, and what was answered instead, or why nothing was
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
			at := clock.Now()
			wrong := s.ask(ctx, local)
			mu.Lock()
			defer mu.Unlock()
			answer.Asked++
			if wrong != "" {
				answer.Wrong = append(answer.Wrong, at.UTC().Format(time.RFC3339Nano)+" "+wrong)
			}
		}()
		if err := clock.Sleep(ctx, s.Every); err != nil {
			break
		}
	}
	asking.Wait()
	return answer, ctx.Err()
}

// ask says what was wrong with one answer; nothing when it was right.
func (s Series) ask(ctx context.Context, client probe.Client) string {
	got, err := probe.Ask(ctx, client, s.DNS)
	if err != nil {
		return err.Error()
	}
	slices.Sort(got.Records)
	if got.Code != "NOERROR" || !slices.Equal(got.Records, s.Want) {
		return strings.TrimSpace(got.Code + " " + strings.Join(got.Records, " "))
	}
	return ""
}
