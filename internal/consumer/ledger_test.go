package georedundancy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// fakeLedger is a ledger in memory.
type fakeLedger struct {
	site    geored.SiteName
	answers *geotest.Recorded // nil: it always answers

	mu     sync.Mutex
	peers  []geored.SiteName
	behind time.Duration
	down   error
}

func (l *fakeLedger) Peers(context.Context) ([]geored.SiteName, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.peers), l.down
}

func (l *fakeLedger) AddPeer(_ context.Context, site geored.SiteName) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peers = append(l.peers, site)
	return l.down
}

func (l *fakeLedger) Behind(_ context.Context, site geored.SiteName) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answers != nil {
		if err := l.answers.Answer(fmt.Sprintf("%s behind %s", l.site, site)); err != nil {
			return 0, err
		}
	}
	return l.behind, l.down
}

func deployment(answers *geotest.Recorded, sites ...geored.SiteName) (Deployment, map[geored.SiteName]*fakeLedger) {
	d, ledgers := Deployment{Sites: sites, Ledgers: map[geored.SiteName]Ledger{}}, map[geored.SiteName]*fakeLedger{}
	for _, site := range sites {
		ledgers[site] = &fakeLedger{site: site, answers: answers}
		d.Ledgers[site] = ledgers[site]
	}
	return d, ledgers
}

var began = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

// run runs a runbook in no time.
func run(t *testing.T, d Deployment, journal geored.Journal) (geored.Result, error) {
	t.Helper()
	return d.Join().Run(t.Context(), geored.RunConfig{Journal: journal, Clock: geotest.NewClock(t, began), StepTimeout: time.Minute, Poll: 10 * time.Second})
}

func TestJoin(t *testing.T) {
	for _, sites := range [][]geored.SiteName{{"paris", "london"}, {"paris", "london", "oslo"}} {
		d, ledgers := deployment(nil, sites...)
		journal := &geotest.Journal{}
		result, err := run(t, d, journal)
		if err != nil || result.Count(geored.Changed) != len(sites)*(len(sites)-1) {
			t.Fatalf("%v, %+v", err, result)
		}
		if got := len(ledgers["paris"].peers); got != len(sites)-1 {
			t.Errorf("paris has %d peers", got)
		}
		// Once more changes nothing.
		if result, err = run(t, d, journal); err != nil || result.Count(geored.Changed) != 0 {
			t.Errorf("again: %v, %+v", err, result)
		}
	}
}

func TestALedgerThatLagsIsWaitedFor(t *testing.T) {
	d, ledgers := deployment(nil, "paris", "london")
	ledgers["london"].behind = time.Hour
	result, err := run(t, d, nil)
	var failed *geored.StepError
	if !errors.As(err, &failed) || failed.Step.ID != "settle/london/paris" || result.Count(geored.Failed) != 1 {
		t.Errorf("%v, %+v", err, result)
	}
	if err == nil || !strings.Contains(err.Error(), "1h0m0s behind") {
		t.Errorf("%v does not say what it waited for", err)
	}
}

func TestLag(t *testing.T) {
	d, ledgers := deployment(nil, "paris", "london")
	prove := func() geored.Report {
		report, err := geored.Prove(t.Context(), geored.CheckConfig{}, d.Checks()...)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	if r := prove(); r.Verdict() != geored.Pass {
		t.Errorf("%+v", r)
	}
	ledgers["london"].behind = time.Hour
	if r := prove(); r.Verdict() != geored.Fail {
		t.Errorf("%+v", r)
	}
	ledgers["london"].down = errors.New("connection refused")
	if r := prove(); r.Verdict() != geored.Unknown {
		t.Errorf("%+v", r)
	}
}

// The check of one's own is held to the rule of the SDK's.
func TestHonesty(t *testing.T) {
	geotest.Honest(t, CheckLag, func(answers *geotest.Recorded) []geored.Check {
		d, _ := deployment(answers, "paris", "london", "oslo")
		return d.Checks()
	})
}
