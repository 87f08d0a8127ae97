package ice

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
)

// A second cut, longer than hints are kept, once the first outage's rows were repaired: what was written in it is brought
// together too, though the steps that would do so were done.
func TestASecondCutIsRecoveredFrom(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.during("dc1", "d")
	clock := &ahead{}
	var gone atomic.Bool
	r.apart = func() []geored.Silence {
		if gone.Load() {
			return []geored.Silence{{Target: geored.Target{Site: "dc2"}, Reason: "no route to host"}}
		}
		return nil
	}
	silent := func(site geored.SiteName) {
		r.index.mu.Lock()
		defer r.index.mu.Unlock()
		r.index.silent = site
	}
	silent("dc1") // the search waits, and with it the end
	said := OutageSaid{Length: 5 * time.Hour}
	x := r.recovery(said)
	x.Clock, x.Watch = clock, WatchConfig{Every: 20 * time.Millisecond}
	ended := make(chan error, 1)
	go func() {
		_, err := r.run(t.Context(), x, nil)
		ended <- err
	}()
	repaired := func() bool {
		note, _, _ := r.notes.Load(t.Context())
		return note.Kept["done/cassandra/keyspace/dev/repair"] != nil
	}
	eventually(t, repaired)
	gone.Store(true)
	halted := new(ApartError)
	if err := <-ended; !errors.As(err, &halted) {
		t.Fatal(err)
	}
	note, _, err := r.notes.Load(t.Context())
	if err != nil || !note.Joined.IsZero() || note.Halted.IsZero() {
		t.Fatalf("that it was halted is not written down: %+v, %v", note, err)
	}
	silent("")
	r.during("dc1", "f")
	r.during("dc2", "g")
	clock.by.Store(int64(4 * time.Hour)) // hints are kept for three
	gone.Store(false)
	again := r.recovery(said)
	again.Clock = clock
	if _, err := r.run(t.Context(), again, nil); err != nil {
		t.Fatal(err)
	}
	if n := r.tool.count("repair -full -pr dev"); n != 4 {
		t.Errorf("%d repairs of dev at two nodes, want each before the second cut and behind it", n)
	}
	if note = again.Note(); !note.Halted.IsZero() || len(note.Missing) == 0 {
		t.Errorf("the second cut was not measured, or is not over: %+v", note)
	}
	for _, f := range r.proof(again).Findings {
		if f.Verdict != geored.Pass && f.Check != CheckRTO {
			t.Errorf("%s %s: %s: %s %q", f.Check, f.Site, f.Verdict, f.Message, f.Evidence)
		}
	}
}

// What steps keep outlives a second cut as far as hints make good for it.
func TestWhatASecondCutUndoes(t *testing.T) {
	names := []string{"done/cassandra/keyspace/dev/repair", "done/objects/canary", "repair/dev", "rebuild/dev", keptPast}
	for name, c := range map[string]struct {
		cure  Cure
		also  string // is kept besides
		left  string
		error bool
	}{
		"hints make good":           {AwaitCure, "done/cassandra/keyspace/dev/rebuild", "done/cassandra/keyspace/dev/rebuild done/cassandra/keyspace/dev/repair repair/dev rebuild/dev " + keptPast, false},
		"longer than they are kept": {RepairCure, "", "rebuild/dev " + keptPast, false},
		"and rows were given up":    {RepairCure, "done/cassandra/keyspace/dev/rebuild", "", true},
	} {
		note := RecoveryNote{Halted: noon, Kept: map[string]json.RawMessage{}}
		for _, n := range append(names, strings.Fields(c.also)...) {
			note.Kept[n] = json.RawMessage("1")
		}
		x := &Recovery{decides: []decider{func(Outage) ([]Decision, error) { return []Decision{{Store: storeCassandra, Cure: c.cure}}, nil }}}
		kept, err := x.afterCut(note, noon.Add(time.Hour))
		if c.error {
			if err == nil || !strings.Contains(err.Error(), "delete configmap kube-system/ice-recover in every site and begin anew with -since "+clockText(noon)) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		left := strings.Fields(c.left)
		if err != nil || len(kept) != len(left) {
			t.Errorf("%s: %v, %v", name, kept, err)
		}
		for _, n := range left {
			if kept[n] == nil {
				t.Errorf("%s: %s is dropped", name, n)
			}
		}
	}
}

// Deletions go on to be forgotten while a recovery is interrupted: then nothing is repaired, whatever was decided.
func TestDeletionsThatAreForgottenMeanwhile(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.during("dc1", "d")
	clock := &ahead{}
	r.gates = []Gate{gateOf("mesh", func() geored.Verdict {
		clock.by.Store(int64(8 * time.Hour))
		return geored.Pass
	})}
	x := r.recovery(OutageSaid{Length: 10*day - 4*time.Hour})
	x.Clock = clock
	_, err := r.run(t.Context(), x, nil)
	if err == nil || !strings.Contains(err.Error(), "would bring deleted rows back") || !strings.Contains(err.Error(), "-away") {
		t.Errorf("%v", err)
	}
	if n := r.tool.count("repair -full -pr dev"); n != 0 {
		t.Errorf("%d repairs", n)
	}
}

// Rows that differ behind an outage that nobody told the length of, and that hints would have covered, are of an older one:
// they are not repaired unasked.
func TestAnOlderOutageBehindTheOneFound(t *testing.T) {
	for name, c := range map[string]struct {
		said    OutageSaid
		repairs int
	}{
		"found": {OutageSaid{}, 0},
		"told":  {OutageSaid{Length: time.Hour}, 2},
	} {
		r := newSites(t, "dc1", "dc2")
		r.during("dc1", "d")
		x := r.recovery(c.said)
		x.Look = func(context.Context) []Evidence {
			return []Evidence{{Source: "handshakes", Joined: time.Now().Add(-time.Hour)}}
		}
		_, err := r.run(t.Context(), x, nil)
		if refused := err != nil && strings.Contains(err.Error(), "is not all there was"); refused != (c.repairs == 0) || r.tool.count("repair -full -pr dev") != c.repairs {
			t.Errorf("%s: %d repairs, %v", name, r.tool.count("repair -full -pr dev"), err)
		}
	}
}

// A recovery that goes on gives up the rows that were confirmed, and no others.
func TestAnotherSiteIsNotGivenUp(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.away = "dc2"
	first := r.recovery(OutageSaid{Length: 11 * day})
	if err := first.Assess(t.Context()); err != nil {
		t.Fatal(err)
	}
	for away, refused := range map[geored.SiteName]bool{"dc1": true, "dc2": false, "": false} {
		r.away = away
		x := r.recovery(OutageSaid{})
		x.note = first.Note()
		_, err := x.Runbook()
		faults, _ := geored.AsFaults(err)
		if refused != (len(faults) == 1) || refused && !strings.Contains(err.Error(), "gives up the rows of dc2") {
			t.Errorf("-away %q: %v", away, err)
		}
	}
}

// A mirror that stands is told by the proof alone too, when nobody recovers: what waits is no record without its copy.
func TestTheProofFindsAMirrorThatStands(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	worker, err := connect.New(connect.Config{URL: r.kafka.ConnectURL("dc1")})
	if err != nil {
		t.Fatal(err)
	}
	verdict := func() geored.Verdict {
		x := r.recovery(OutageSaid{})
		x.ProveOnly = true
		if err := x.Assess(t.Context()); err != nil {
			t.Fatal(err)
		}
		var all []geored.Verdict
		for _, f := range r.proof(x).Findings {
			if f.Check == kafka.CheckStatus {
				all = append(all, f.Verdict)
			}
		}
		return geored.Join(all...)
	}
	if v := verdict(); v != geored.Pass {
		t.Errorf("mirrors that run: %s", v)
	}
	if err := worker.Stop(t.Context(), (kafka.Mirror{From: "dc2", To: "dc1"}).Connector(kafka.SourceConnector)); err != nil {
		t.Fatal(err)
	}
	if v := verdict(); v != geored.Fail {
		t.Errorf("a connector that was stopped: %s", v)
	}
}

// A gap that was told and accepted is told no more, though the position stays before it.
func TestAGapIsToldOnce(t *testing.T) {
	s := kafka.Sample{From: "dc1", To: "dc2", Time: noon, Positions: []kafka.Position{mirrored(3, 10, 12)}}
	past := kafka.History{}.With(s)
	if f := kafka.PositionFinding(told(s, past), past, kafka.Limits{}); f.Verdict != geored.Fail || !strings.Contains(strings.Join(f.Evidence, ";"), "gap") {
		t.Errorf("nobody was told: %+v", f)
	}
	past.Mirrors[0].Tracks[0].Next = 10
	if got := told(s, past).Positions[0].Next; got != 10 || s.Positions[0].Next != 3 {
		t.Errorf("position %d; the sample's own %d", got, s.Positions[0].Next)
	}
}

// Evidence in the future shows that the clock by which the length would be told is behind.
func TestAClockThatIsBehind(t *testing.T) {
	_, err := FindOutage(OutageSaid{Length: time.Hour}, []Evidence{{Source: "handshakes", Joined: noon.Add(time.Hour)}}, noon)
	if err == nil || !strings.Contains(err.Error(), "clock is behind") {
		t.Error(err)
	}
	d, servers := onServers(t, withApplications(2), Options{})
	if err := d.skewed(t.Context()); err != nil {
		t.Error(err)
	}
	servers["dc2"].date = time.Now().Add(-4 * time.Hour)
	if faults, _ := geored.AsFaults(d.skewed(t.Context())); len(faults) != 1 || faults[0].Site != "dc2" || faults[0].Remedy == "" {
		t.Errorf("%v", faults)
	}
	servers["dc2"].silent, servers["dc2"].date = true, time.Time{}
	if err := d.skewed(t.Context()); err != nil {
		t.Errorf("a silent site tells of a clock: %v", err)
	}
}

// Rows beyond those that are looked at are counted with the ways they may be of, and their oldest bounds the RPO.
func TestMoreRowsThanAreLookedAt(t *testing.T) {
	note := RecoveryNote{Joined: noon, Missing: []Missing{{Store: storeCassandra, From: "dc1", To: "dc2", Count: 3, More: 40, Oldest: noon.Add(-time.Hour), Seen: noon}}}
	if f := judgeRPO(note)[0]; f.Verdict != geored.Pass || !strings.Contains(f.Message, "RPO 1h0m0s: the oldest of 3 to 43 missing writes") {
		t.Errorf("%+v", f)
	}
}

// A recovery that was killed is started during another cut: it is halted as one that runs is, and what was measured before stays.
func TestACutThatIsFoundWhenARecoveryGoesOn(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.during("dc1", "d")
	r.apart = func() []geored.Silence {
		return []geored.Silence{{Target: geored.Target{Site: "dc2"}, Reason: "no route to host"}}
	}
	said := OutageSaid{Length: time.Hour}
	x := r.recovery(said)
	if err := x.Assess(t.Context()); err != nil {
		t.Fatal(err)
	}
	if x.Note().Apart.IsZero() {
		t.Error("nobody saw that the sites were apart when it was decided")
	}
	joined := time.Now().Add(-time.Minute)
	if err := x.change(t.Context(), func(n *RecoveryNote) {
		n.Joined, n.Missing = joined, []Missing{{Store: storeKafka, From: "dc1", To: "dc2", Count: 3, Oldest: joined.Add(-time.Minute), Seen: joined}}
	}); err != nil {
		t.Fatal(err)
	}
	again := r.recovery(said)
	again.Watch = WatchConfig{Every: 20 * time.Millisecond}
	halted := new(ApartError)
	if _, err := r.run(t.Context(), again, nil); !errors.As(err, &halted) {
		t.Fatal(err)
	}
	note, _, err := r.notes.Load(t.Context())
	if err != nil || !note.Joined.IsZero() || !note.Halted.Equal(joined) || len(note.Missing) != 0 || len(note.Before) != 1 || note.Before[0].Missing[0].Count != 3 {
		t.Fatalf("%+v, %v", note, err)
	}
	r.apart = func() []geored.Silence { return nil }
	x, report := r.recovered(said, nil)
	if len(x.Note().Before) != 1 || !find(report, CheckRPO, "the oldest of 3 missing writes") || !find(report, CheckRTO, "the sites had come together on") {
		t.Errorf("what was measured before the cut is forgotten: %+v", report.Findings)
	}
}

// What was lost before a recovery was halted stays a failure, though the stores do not show it any more.
func TestALossFromBeforeACut(t *testing.T) {
	note := RecoveryNote{Joined: noon, Decisions: []Decision{{Store: storeKafka, Part: "mirror dc1 -> dc2", Cure: LostCure, Because: []string{"orders/0: its log begins at 5 > 2"}},
		{Store: storeCassandra, Part: "keyspace dev", Cure: RebuildCure, GivesUp: "dc2"}, {Store: storeSearch, Cure: RefillCure}},
		Missing: []Missing{{Store: storeCassandra, From: "dc2", To: "dc1", Count: 2, Keys: []string{"dev.message 7"}}}}
	for range mostCuts + 2 {
		note = note.halted(noon.Add(time.Hour), noon.Add(2*time.Hour))
		note.Missing, note.Joined = []Missing{{Store: storeCassandra, From: "dc2", To: "dc1", Keys: []string{"dev.message 8"}, Count: 1}}, noon
	}
	note.Decisions = []Decision{{Store: storeKafka, Part: "mirror dc1 -> dc2", Cure: AwaitCure}}
	report := geored.Report{Findings: judgeDecisions(note, []geored.SiteName{"dc1", "dc2"})}
	for i := range report.Findings {
		report.Findings[i].Check = CheckDecisions
	}
	if report.Verdict() != geored.Fail || !find(report, CheckDecisions, "orders/0: its log begins at 5 > 2") || !find(report, CheckDecisions, "dev.message 7") ||
		!find(report, CheckDecisions, "before the recovery was halted on 2") {
		t.Errorf("%+v", report.Findings)
	}
	if len(note.Before) != mostCuts+2 || note.Before[mostCuts].Missing[0].Keys != nil || note.Before[mostCuts].Missing[0].Count != 1 {
		t.Errorf("%+v", note.Before)
	}
}

// A mirror that was restarted for the canary is not restarted again by the recovery that goes on.
func TestAMirrorThatTheCanaryRestarted(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	mirrors := restartedOnce{r.mirrors, "canary"}
	for _, mark := range []string{"reset", "canary"} {
		if err := r.mirrors.Restart(t.Context(), "dc1", mark); err != nil {
			t.Fatal(err)
		}
		if state, err := mirrors.Running(t.Context(), "dc1", "reset"); err != nil || !state.Done {
			t.Errorf("%s: %+v, %v", mark, state, err)
		}
	}
	times := r.mirrors.times
	if err := mirrors.Restart(t.Context(), "dc1", "reset"); err != nil || r.mirrors.times != times {
		t.Errorf("it was restarted once more: %v", err)
	}
	if state, err := mirrors.Running(t.Context(), "dc2", "reset"); err != nil || state.Done {
		t.Errorf("one that was not restarted: %+v, %v", state, err)
	}
	if err := mirrors.Restart(t.Context(), "dc2", "reset"); err != nil || r.mirrors.times != times+1 {
		t.Errorf("one that was not restarted: %v", err)
	}
}

// A mirror of which no partition was looked at may have lost anything.
func TestNoPositionIsNoProofAgainstALoss(t *testing.T) {
	if d := DecideMirror(Outage{Most: time.Minute}, MirrorFacts{}); !d.MayLose {
		t.Errorf("%+v", d)
	}
	if f := judgeLosses(kafka.Sample{From: "dc1", To: "dc2"}, kafka.History{}, false); f.Verdict != geored.Unknown {
		t.Errorf("%+v", f)
	}
}
