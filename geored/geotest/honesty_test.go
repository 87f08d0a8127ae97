package geotest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// said collects what a test would have failed with.
type said struct {
	testing.TB
	errors []string
}

func (s *said) Errorf(format string, args ...any) {
	s.errors = append(s.errors, fmt.Sprintf(format, args...))
}

func TestHonest(t *testing.T) {
	sites := []geored.Target{{Site: "dc1"}, {Site: "dc2"}, {Site: "dc3"}}
	asking := func(conclude func(geored.Answers[int]) geored.Finding, question func(geored.Target) string) func(*geotest.Recorded) []geored.Check {
		return func(r *geotest.Recorded) []geored.Check {
			return []geored.Check{{ID: "need", Run: func(context.Context) []geored.Finding {
				return []geored.Finding{{Verdict: geored.Pass, Asked: sites}}
			}}, {ID: "x", Needs: []geored.CheckID{"need"}, Run: func(ctx context.Context) []geored.Finding {
				return []geored.Finding{conclude(geored.Ask(ctx, sites, func(_ context.Context, t geored.Target) (int, error) {
					return 1, r.Answer(question(t))
				}))}
			}}}
		}
	}
	bySite := func(t geored.Target) string { return string(t.Site) }
	honest := func(a geored.Answers[int]) geored.Finding { return a.Conclude(geored.Finding{Verdict: geored.Pass}) }
	cases := map[string]struct {
		checks func(*geotest.Recorded) []geored.Check
		want   string // in what it says; "": nothing
		times  int
	}{
		"honest": {asking(honest, bySite), "", 0},
		"looks away": {asking(func(a geored.Answers[int]) geored.Finding {
			return geored.Finding{Verdict: geored.Pass, Asked: a.Asked()}
		}, bySite), `x is pass without the answers to ["dc1"]`, 3},
		"misses two": {asking(func(a geored.Answers[int]) geored.Finding {
			f := geored.Finding{Verdict: geored.Warn, Asked: a.Asked()}
			if len(a.Unanswered()) == 1 {
				f.Verdict = geored.Unknown
			}
			return f
		}, bySite), `x is warn without the answers to ["dc1" "dc2"]`, 3},
		"fails anyway": {asking(func(a geored.Answers[int]) geored.Finding { return a.Conclude(geored.Finding{Verdict: geored.Fail}) }, bySite), "x is fail with all answers", 1},
		"is not there": {func(*geotest.Recorded) []geored.Check { return nil }, "no such check", 1},
		"looks away the third time": {asking(func(a geored.Answers[int]) geored.Finding {
			f := a.Conclude(geored.Finding{Verdict: geored.Pass})
			if len(a.Unanswered()) == 1 {
				f.Unanswered = nil
				f.Verdict = geored.Skipped
				f.Message = "one does not matter"
			}
			return f
		}, func(geored.Target) string { return "the same" }), `x is skipped without the answers to ["the same, time 3"]`, 1},
		"asks nobody": {func(*geotest.Recorded) []geored.Check {
			return []geored.Check{{ID: "x", Run: func(context.Context) []geored.Finding {
				return []geored.Finding{{Verdict: geored.Skipped, Message: "no need"}}
			}}}
		}, "asked nothing", 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := &said{TB: t}
			geotest.Honest(s, "x", c.checks)
			if len(s.errors) != c.times || c.want != "" && !strings.Contains(s.errors[0], c.want) {
				t.Errorf("%d complaints, want %d with %q: %q", len(s.errors), c.times, c.want, s.errors)
			}
		})
	}
}

func TestHonestAnswers(t *testing.T) {
	day := map[geored.Target]int{{Site: "dc1"}: 1, {Site: "dc2", To: "dc1"}: 2}
	geotest.HonestAnswers(t, "x", day, func(a geored.Answers[int]) []geored.Finding {
		return a.Each(func(geored.Target, int) geored.Finding { return geored.Finding{Verdict: geored.Pass} })
	})
	s := &said{TB: t}
	geotest.HonestAnswers(s, "x", day, func(a geored.Answers[int]) []geored.Finding {
		var findings []geored.Finding
		for target := range a.All() {
			findings = append(findings, geored.Finding{Verdict: geored.Pass, Asked: []geored.Target{target}})
		}
		return findings // who was silent is left out
	})
	if len(s.errors) != 2 {
		t.Errorf("%q", s.errors)
	}
}
