package geored_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

func TestJoin(t *testing.T) {
	const p, w, f, u, s = geored.Pass, geored.Warn, geored.Fail, geored.Unknown, geored.Skipped
	cases := []struct {
		verdicts []geored.Verdict
		want     geored.Verdict
	}{
		{nil, u}, {[]geored.Verdict{s}, u}, {[]geored.Verdict{""}, u}, {[]geored.Verdict{"ok"}, u},
		{[]geored.Verdict{p, s}, p}, {[]geored.Verdict{p, w, s}, w}, {[]geored.Verdict{p, w, u}, u}, {[]geored.Verdict{u, f, p}, f},
	}
	for _, c := range cases {
		if got := geored.Join(c.verdicts...); got != c.want {
			t.Errorf("Join(%v) is %s, want %s", c.verdicts, got, c.want)
		}
	}
}

var targets = []geored.Target{{Site: "dc1", To: "dc2"}, {Site: "dc2", To: "dc1"}, {Site: "dc1", To: "dc3"}}

// The property of every verdict: with any answer removed it is fail or unknown.
func TestAnAnswerRemovedNeverLeavesAVerdictStanding(t *testing.T) {
	for _, verdict := range []geored.Verdict{geored.Pass, geored.Warn, geored.Fail, geored.Unknown, geored.Skipped, ""} {
		for silent := -1; silent < len(targets); silent++ {
			answers := geored.Ask(t.Context(), targets, func(_ context.Context, target geored.Target) (int, error) {
				if silent >= 0 && target == targets[silent] {
					return 0, errors.New("connection refused")
				}
				return 1, nil
			})
			together := answers.Conclude(geored.Finding{Verdict: verdict, Message: "as it is"})
			each := answers.Each(func(geored.Target, int) geored.Finding { return geored.Finding{Verdict: verdict, Message: "as it is"} })
			if silent < 0 {
				want := verdict
				if want == "" {
					want = geored.Unknown
				}
				if together.Verdict != want || each[0].Verdict != want {
					t.Errorf("%s from all became %s and %s", verdict, together.Verdict, each[0].Verdict)
				}
				continue
			}
			if v := together.Verdict; v != geored.Fail && v != geored.Unknown {
				t.Errorf("%s without the answer of %s is %s", verdict, targets[silent], v)
			}
			if v := each[silent].Verdict; v != geored.Unknown || len(each[silent].Unanswered) != 1 {
				t.Errorf("the finding of the silent %s is %s", targets[silent], v)
			}
			if len(together.Asked) != len(targets) || len(together.Unanswered) != 1 {
				t.Errorf("asked %v, unanswered %v", together.Asked, together.Unanswered)
			}
		}
	}
}

func TestAskDoesNotWaitForThoseWhoHang(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	answers := geored.Ask(t.Context(), targets, func(_ context.Context, target geored.Target) (string, error) {
		if target.To == "dc3" {
			<-release // pays no heed to its context
		}
		return "here", nil
	}, geored.AskClock(geotest.NewClock(t, start)), geored.AskBudget(time.Hour))
	silences := answers.Unanswered()
	if len(silences) != 1 || silences[0].Target.To != "dc3" || silences[0].Reason != geored.ErrBudget.Error() {
		t.Errorf("unanswered: %v", silences)
	}
	n := 0
	for range answers.All() {
		n++
	}
	if n != 2 {
		t.Errorf("%d answers, want 2", n)
	}
}

func TestAskKeepsToItsLimit(t *testing.T) {
	busy, most := make(chan struct{}, 10), 0
	many := make([]geored.Target, 20)
	geored.Ask(t.Context(), many, func(context.Context, geored.Target) (int, error) {
		busy <- struct{}{}
		most = max(most, len(busy)) // one at a time, so no race
		<-busy
		return 0, nil
	}, geored.AskLimit(1))
	if most != 1 {
		t.Errorf("%d at once, want 1", most)
	}
}

// asked makes a check whose only target answers.
func asked(id geored.CheckID, verdict geored.Verdict, needs ...geored.CheckID) geored.Check {
	return geored.Check{ID: id, Title: "test", Needs: needs, Run: func(ctx context.Context) []geored.Finding {
		answers := geored.Ask(ctx, []geored.Target{{Site: "dc1"}}, func(context.Context, geored.Target) (int, error) { return 1, nil })
		return []geored.Finding{answers.Conclude(geored.Finding{Site: "dc1", Verdict: verdict, Message: "found"})}
	}}
}

func verdicts(t *testing.T, c geored.CheckConfig, checks ...geored.Check) string {
	t.Helper()
	report, err := geored.Prove(t.Context(), c, checks...)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, f := range report.Findings {
		words = append(words, string(f.Check)+"="+string(f.Verdict))
	}
	return strings.Join(words, " ")
}

func TestWhatNeedsAFailureIsUnknown(t *testing.T) {
	got := verdicts(t, geored.CheckConfig{}, asked("late", geored.Pass, "mid"), asked("mid", geored.Pass, "first"), asked("first", geored.Fail),
		asked("other", geored.Pass, "warned"), asked("warned", geored.Warn), asked("beside-skipped", geored.Pass, "skipped"), asked("skipped", geored.Skipped))
	if want := "late=unknown mid=unknown first=fail other=pass warned=warn beside-skipped=pass skipped=skipped"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAClaimWithoutAQuestionIsUnknown(t *testing.T) {
	claims := func(f ...geored.Finding) geored.Check {
		return geored.Check{ID: "claim", Run: func(context.Context) []geored.Finding { return f }}
	}
	for _, v := range []geored.Verdict{geored.Pass, geored.Warn} {
		if got := verdicts(t, geored.CheckConfig{}, claims(geored.Finding{Verdict: v, Message: "trust me"})); got != "claim=unknown" {
			t.Errorf("a claimed %s became %s", v, got)
		}
	}
	if got := verdicts(t, geored.CheckConfig{}, claims()); got != "claim=unknown" {
		t.Errorf("a check without findings became %s", got)
	}
	if got := verdicts(t, geored.CheckConfig{}, claims(geored.Finding{Verdict: geored.Skipped})); got != "claim=unknown" {
		t.Errorf("skipped without a reason became %s", got)
	}
}

func TestACheckThatDoesNotEndIsUnknown(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	hangs := geored.Check{ID: "hangs", Run: func(context.Context) []geored.Finding { <-release; return nil }}
	if got := verdicts(t, geored.CheckConfig{Clock: geotest.NewClock(t, start)}, hangs); got != "hangs=unknown" {
		t.Error(got)
	}
}

func TestACheckWithoutRunIsUnknown(t *testing.T) {
	if got := verdicts(t, geored.CheckConfig{}, geored.Check{ID: "empty"}); got != "empty=unknown" {
		t.Error(got)
	}
}

func TestAStageWithoutBindIsAnError(t *testing.T) {
	book := geored.Runbook{Name: "book", Stages: []geored.Stage{{Name: "empty", Outline: []geored.Step{step("a", "dc1")}}}}
	if _, err := book.Run(t.Context(), geored.RunConfig{}); err == nil || !strings.Contains(err.Error(), "stage empty: has no Bind") {
		t.Error(err)
	}
}

func TestProveRefusesFaultyChecks(t *testing.T) {
	_, err := geored.Prove(t.Context(), geored.CheckConfig{}, asked("a", geored.Pass, "nowhere"), asked("a", geored.Pass))
	if faults, ok := geored.AsFaults(err); !ok || len(faults) != 2 {
		t.Errorf("faults: %v", err)
	}
}

func TestReportOfNothingIsUnknown(t *testing.T) {
	if v := (geored.Report{}).Verdict(); v != geored.Unknown {
		t.Errorf("an empty report is %s", v)
	}
}

func sample() geored.Report {
	asked := []geored.Target{{Site: "dc1", To: "dc2"}}
	return geored.Report{Title: "test", Started: start, Took: 72 * time.Second, Findings: []geored.Finding{
		{Check: "mesh/handshake", Site: "dc1", To: "dc2", Verdict: geored.Pass, Message: "fresh", Asked: asked, Started: start},
		{Check: "mesh/path", Site: "dc1", To: "dc2", Verdict: geored.Fail, Message: "bulk dies", Evidence: []string{"ping 56: ok", "ping 1372: lost"}, Remedy: "lower the tunnel's MTU to 1320", Asked: asked, Started: start},
		{Check: "dns/names", Site: "dc2", Verdict: geored.Unknown, Message: "no answer", Unanswered: []geored.Silence{{Target: geored.Target{Site: "dc2", Name: "pod/coredns-1"}, Reason: "i/o timeout"}}, Started: start},
		{Check: "dns/cache", Site: "dc1", Verdict: geored.Skipped, Message: "no node-local cache here", Started: start},
	}}
}

func TestReportReadsBackFromJSON(t *testing.T) {
	text, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	var back geored.Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || !bytes.Equal(text, again) || back.Verdict() != geored.Fail {
		t.Errorf("%s reads back as %s, %v", text, again, err)
	}
	if err := json.Unmarshal([]byte(`{"findings":[{"verdict":"green"}]}`), &back); err == nil {
		t.Error("an unknown verdict was read")
	}
}
