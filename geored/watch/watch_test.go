package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/watch"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// stage is what the checks of each round say; the last one is repeated.
type stage struct {
	mu     sync.Mutex
	rounds [][]geored.Check
	errs   map[int]error
	round  int
	ended  int
	after  func(round int)
}

func (s *stage) checks(context.Context) ([]geored.Check, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.round
	s.round++
	if s.after != nil {
		s.after(i)
	}
	if err := s.errs[i]; err != nil {
		return nil, nil, err
	}
	return s.rounds[min(i, len(s.rounds)-1)], func() { s.mu.Lock(); s.ended++; s.mu.Unlock() }, nil
}

// says is a check with a finding for each site; the site "" is all of them.
func says(id geored.CheckID, sites map[geored.SiteName]geored.Verdict) geored.Check {
	return geored.Check{ID: id, Run: func(ctx context.Context) []geored.Finding {
		var targets []geored.Target
		for _, site := range []geored.SiteName{"", "dc1", "dc2", "dc3"} {
			if _, ok := sites[site]; ok {
				targets = append(targets, geored.Target{Site: site})
			}
		}
		answers := geored.Ask(ctx, targets, func(context.Context, geored.Target) (int, error) { return 0, nil })
		return answers.Each(func(t geored.Target, _ int) geored.Finding {
			return geored.Finding{Verdict: sites[t.Site], Message: "as told", Remedy: "mend it"}
		})
	}}
}

type verdicts = map[geored.SiteName]geored.Verdict

// watched runs a watch for some rounds, and gives what it told.
func watched(t *testing.T, s *stage, rounds int, c watch.Config) (*watch.Watch, []string) {
	t.Helper()
	ctx, stop := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	s.after = func(round int) {
		if round == rounds {
			stop(enough)
		}
	}
	var told []string
	c.Checks, c.Observer = s.checks, func(e watch.Event) {
		told = append(told, strings.TrimSpace(fmt.Sprintf("%d %s %s %s%s %s>%s", e.Round, e.Kind, e.Check, e.Site, e.To, e.Was, e.Verdict)))
	}
	if c.Clock == nil {
		c.Clock = geotest.NewClock(t, start)
	}
	w := watch.New(c)
	if err := w.Run(ctx); !errors.Is(err, enough) {
		t.Fatal(err)
	}
	return w, told
}

func TestChangesAreTold(t *testing.T) {
	s := &stage{rounds: [][]geored.Check{
		{says("a/x", verdicts{"dc1": geored.Pass, "dc2": geored.Pass}), says("b/y", verdicts{"": geored.Skipped})},
		{says("a/x", verdicts{"dc1": geored.Pass, "dc2": geored.Fail}), says("b/y", verdicts{"": geored.Pass})},
		{says("a/x", verdicts{"dc1": geored.Pass, "dc2": geored.Fail}), says("b/y", verdicts{"": geored.Pass})},
		{says("a/x", verdicts{"dc1": geored.Pass, "dc3": geored.Pass}), says("b/y", verdicts{"": geored.Pass})},
	}}
	w, told := watched(t, s, 4, watch.Config{Every: time.Minute})
	want := []string{"1 first a/x dc1 >pass", "1 first a/x dc2 >pass", "1 first b/y  >skipped", "2 changed a/x dc2 pass>fail", "2 changed b/y  skipped>pass", "4 first a/x dc3 >pass", "4 gone a/x dc2 fail>fail"}
	if fmt.Sprint(told) != fmt.Sprint(want) {
		t.Errorf("%q", told)
	}
	state := w.State()
	if state.Rounds != 4 || len(state.Told) != 3 || state.Told[0].Since.Sub(start) >= time.Minute || state.Told[0].At.Sub(start) < 3*time.Minute || state.Verdict(state.Round) != geored.Pass {
		t.Errorf("%+v", state)
	}
	if s.ended != 5 { // the one that was cut off too
		t.Errorf("%d of 5 rounds were ended", s.ended)
	}
}

// A check that could not ask, and a round that could not begin, leave nothing as it was.
func TestWhatIsNotToldIsUnknown(t *testing.T) {
	asked := []geored.Check{says("a/x", verdicts{"dc1": geored.Pass}), says("b/y", verdicts{"dc1": geored.Pass, "dc2": geored.Fail})}
	dependent := says("b/y", verdicts{"dc1": geored.Pass})
	dependent.Needs = []geored.CheckID{"a/x"}
	s := &stage{rounds: [][]geored.Check{asked, {says("a/x", verdicts{"dc1": geored.Fail}), dependent}, asked, asked, asked}, errs: map[int]error{3: errors.New("site dc2 is away")}}
	w, told := watched(t, s, 5, watch.Config{})
	want := []string{"1 first a/x dc1 >pass", "1 first b/y dc1 >pass", "1 first b/y dc2 >fail",
		"2 changed a/x dc1 pass>fail", "2 first b/y  >unknown", "2 changed b/y dc1 pass>unknown", "2 changed b/y dc2 fail>unknown",
		"3 changed a/x dc1 fail>pass", "3 changed b/y dc1 unknown>pass", "3 changed b/y dc2 unknown>fail", "3 gone b/y  unknown>unknown",
		"4 changed a/x dc1 pass>unknown", "4 changed b/y dc1 pass>unknown", "4 changed b/y dc2 fail>unknown", "4 first watch/round  >unknown",
		"5 changed a/x dc1 unknown>pass", "5 changed b/y dc1 unknown>pass", "5 changed b/y dc2 unknown>fail", "5 gone watch/round  unknown>unknown"}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(told, "\n"))
	}
	if v := w.State().Verdict(w.State().Round); v != geored.Fail {
		t.Error(v)
	}
}

// A check that hangs, and one that pays no heed to its context, cost a round its limit and are unknown.
func TestARoundThatHangs(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	deaf := func(context.Context) ([]geored.Check, func(), error) { <-release; return nil, nil, nil }
	clock := geotest.NewClock(t, start)
	first := []geored.Check{says("a/x", verdicts{"dc1": geored.Pass})}
	for name, c := range map[string]struct {
		hangs func(context.Context) ([]geored.Check, func(), error)
		want  string
	}{
		"connecting hangs": {deaf, "the round did not end in time"},
		"a check hangs": {func(context.Context) ([]geored.Check, func(), error) {
			return []geored.Check{{ID: "a/x", Run: func(context.Context) []geored.Finding { <-release; return nil }}}, nil, nil
		}, "the check did not end"},
	} {
		ctx, stop := context.WithCancel(t.Context())
		var rounds atomic.Int32 // a round that hangs goes on beside the next
		w := watch.New(watch.Config{Clock: clock, Every: time.Second, Limit: 20 * time.Second, Budget: 10 * time.Second,
			Checks: func(ctx context.Context) ([]geored.Check, func(), error) {
				if rounds.Add(1) == 1 {
					return first, nil, nil
				}
				return c.hangs(ctx)
			},
			Observer: func(e watch.Event) {
				if e.Kind == watch.Changed {
					stop()
				}
			}})
		if err := w.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		last := w.State()
		var told watch.Told
		for _, x := range last.Told {
			if x.Check == "a/x" && x.Site == "dc1" {
				told = x
			}
		}
		if told.Verdict != geored.Unknown || !strings.Contains(told.Message, c.want) || last.Took > 22*time.Second || last.Took < 9*time.Second {
			t.Errorf("%s: %+v after %v", name, told, last.Took)
		}
	}
}

// A state grows old before everybody's eyes, and counts for nothing then.
func TestAStateGrowsOld(t *testing.T) {
	w, _ := watched(t, &stage{rounds: [][]geored.Check{{says("a/x", verdicts{"dc1": geored.Pass})}}}, 1, watch.Config{Every: 10 * time.Second, Limit: 20 * time.Second})
	s := w.State()
	for age, want := range map[time.Duration]geored.Verdict{0: geored.Pass, 40 * time.Second: geored.Pass, 41 * time.Second: geored.Unknown} {
		if now := s.Round.Add(age); s.Verdict(now) != want || s.Age(now) != age {
			t.Errorf("after %v: %s, age %v", age, s.Verdict(now), s.Age(now))
		}
	}
	if fresh := watch.New(watch.Config{}).State(); fresh.Verdict(fresh.Began) != geored.Unknown {
		t.Error("before the first round")
	}
}

func TestTheWorstFindingOfAPlaceCounts(t *testing.T) {
	check := geored.Check{ID: "a/x", Run: func(ctx context.Context) []geored.Finding {
		answers := geored.Ask(ctx, []geored.Target{{Site: "dc1", Name: "p1"}, {Site: "dc1", Name: "p2"}, {Site: "dc1", Name: "p3"}}, func(context.Context, geored.Target) (int, error) { return 0, nil })
		return answers.Each(func(t geored.Target, _ int) geored.Finding {
			return geored.Finding{Verdict: map[string]geored.Verdict{"p1": geored.Skipped, "p2": geored.Fail, "p3": geored.Pass}[t.Name], Message: t.Name}
		})
	}}
	w, _ := watched(t, &stage{rounds: [][]geored.Check{{check}}}, 1, watch.Config{})
	if told := w.State().Told; len(told) != 1 || told[0].Verdict != geored.Fail || told[0].Message != "p2" {
		t.Errorf("%+v", told)
	}
}

func TestAnEventIsOneLine(t *testing.T) {
	text, err := json.Marshal(watch.Event{Time: start, Kind: watch.Changed, Round: 2, Was: geored.Pass,
		Told: watch.Told{Place: watch.Place{Check: "a/x", Site: "dc1", To: "dc2"}, Verdict: geored.Fail, Message: "m", Since: start, At: start}})
	const want = `{"time":"2026-01-02T03:04:05Z","kind":"changed","round":2,"check":"a/x","site":"dc1","to":"dc2","verdict":"fail","message":"m","since":"2026-01-02T03:04:05Z","at":"2026-01-02T03:04:05Z","tookNs":0,"was":"pass"}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}
