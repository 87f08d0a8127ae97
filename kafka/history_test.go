package kafka

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
)

var orders = Partition{"orders", 0}

// look is one sample of one partition, minutes after noon.
func look(minutes int, p Position) Sample {
	p.Partition = orders
	if p.ID.IsZero() {
		p.ID = TopicID{1}
	}
	return Sample{From: "dc1", To: "dc2", Time: noon.Add(time.Duration(minutes) * time.Minute), Positions: []Position{p}}
}

// named is a position whose copy has an identity.
func named(id byte, p Position) Position {
	p.CopyID = TopicID{id}
	return p
}

func TestIncidents(t *testing.T) {
	caughtUp := Position{Source: Log{0, 100}, Target: Log{0, 100}, Next: 100}
	for _, c := range []struct {
		name    string
		looks   []Position
		kind    IncidentKind // zero: none
		offsets int64
		verdict geored.Verdict
	}{
		{"nothing", []Position{caughtUp, caughtUp}, "", 0, ""},
		{"goes on", []Position{caughtUp, {Source: Log{0, 200}, Target: Log{0, 200}, Next: 200}}, "", 0, ""},
		{"retention after the copy", []Position{caughtUp, {Source: Log{150, 200}, Target: Log{0, 200}, Next: 200}}, "", 0, ""},
		{"retention before the copy", []Position{caughtUp, {Source: Log{190, 200}, Target: Log{0, 110}, Next: 200}}, Gap, 90, geored.Fail},
		{"marks may explain it", []Position{caughtUp, {Source: Log{190, 200}, Target: Log{0, 180}, Next: 200}}, Gap, 20, geored.Unknown},
		{"gap at the first look", []Position{{Source: Log{20, 100}, Next: 10}}, Gap, 10, geored.Fail},
		{"gap that grows", []Position{{Source: Log{20, 100}, Next: 10}, {Source: Log{40, 100}, Next: 10}}, Gap, 30, geored.Fail},
		{"gap jumped over", []Position{{Source: Log{20, 100}, Next: 10}, {Source: Log{20, 100}, Target: Log{0, 80}, Next: 100}}, Gap, 10, geored.Fail},
		{"truncated at the first look", []Position{{Source: Log{0, 5}, Next: 10}}, Truncated, 5, geored.Fail},
		{"truncated", []Position{caughtUp, {Source: Log{0, 60}, Target: Log{0, 100}, Next: 100}}, Truncated, 40, geored.Fail},
		{"recreated, all copied", []Position{caughtUp, {ID: TopicID{2}, Source: Log{0, 30}, Target: Log{0, 130}, Next: 30}}, Recreated, 0, geored.Warn},
		{"recreated, jumped over", []Position{caughtUp, {ID: TopicID{2}, Source: Log{0, 300}, Target: Log{0, 300}, Next: 300}}, Recreated, 100, geored.Fail},
		{"recreated, seen before it goes on", []Position{caughtUp, {ID: TopicID{2}, Source: Log{0, 300}, Target: Log{0, 100}, Next: 100}}, Recreated, 100, geored.Fail},
		{"recreated, old one not copied", []Position{{Source: Log{0, 100}, Target: Log{0, 90}, Next: 90}, {ID: TopicID{2}, Source: Log{0, 5}, Target: Log{0, 95}, Next: 5}}, Recreated, 10, geored.Fail},
		{"recreated, then back", []Position{caughtUp, {ID: TopicID{2}, Source: Log{0, 30}, Target: Log{0, 100}, Next: 100}, {ID: TopicID{2}, Source: Log{0, 30}, Target: Log{0, 130}, Next: 30}}, Recreated, 0, geored.Warn},
		{"recreated, and retention after it", []Position{caughtUp, {ID: TopicID{2}, Source: Log{0, 300}, Target: Log{0, 300}, Next: 300}, {ID: TopicID{2}, Source: Log{150, 500}, Target: Log{0, 500}, Next: 500}}, Recreated, 100, geored.Fail},
		{"retention before the first position", []Position{{Source: Log{0, 500}, Next: -1}, {Source: Log{500, 600}, Target: Log{0, 100}, Next: 600}}, Gap, 500, geored.Fail},
		{"it may have been copied without a position", []Position{{Source: Log{0, 500}, Target: Log{0, 10}, Next: -1}, {Source: Log{500, 600}, Target: Log{0, 100}, Next: -1}}, Gap, 500, geored.Unknown},
		{"no position yet", []Position{{Source: Log{0, 500}, Next: -1}, {Source: Log{0, 600}, Next: -1}}, "", 0, ""},
		{"the copy is truncated", []Position{caughtUp, {Source: Log{0, 120}, Target: Log{0, 20}, Next: 120}}, CopyLost, 80, geored.Fail},
		{"the copy is gone, and goes on", []Position{caughtUp, {Source: Log{0, 100}, Next: 100}, {Source: Log{0, 120}, Target: Log{0, 20}, Next: 120}}, CopyLost, 100, geored.Fail},
		{"no copy at the first look", []Position{{Source: Log{0, 100}, Next: 100}}, CopyLost, 100, geored.Fail},
		{"the copy is made anew, and grows beyond the old one", []Position{named(1, caughtUp), named(2, Position{Source: Log{0, 250}, Target: Log{0, 150}, Next: 250})}, CopyLost, 100, geored.Unknown},
		{"the copy is made anew, and everything is copied again", []Position{named(1, caughtUp), named(2, Position{Source: Log{0, 100}, Target: Log{0, 100}, Next: 100})}, CopyLost, 0, geored.Warn},
		{"the copy is made anew, and holds what retention has left", []Position{named(1, caughtUp), named(2, Position{Source: Log{200, 300}, Target: Log{0, 100}, Next: 300})}, CopyLost, 0, geored.Warn},
		{"the copy is made anew, and nothing was committed", []Position{named(1, caughtUp), named(2, Position{Source: Log{200, 300}, Target: Log{0, 50}, Next: NothingCommitted})}, "", 0, ""},
		{"an expired copy is made anew", []Position{named(1, Position{Source: Log{100, 100}, Target: Log{100, 100}, Next: 100}), named(2, Position{Source: Log{100, 120}, Target: Log{0, 20}, Next: 120})}, "", 0, ""},
		{"the target loses what is copied again", []Position{{Source: Log{0, 100}, Target: Log{0, 100}, Next: 90}, {Source: Log{0, 100}, Target: Log{0, 95}, Next: 90}}, "", 0, ""},
		{"the target loses more than is copied again", []Position{caughtUp, {Source: Log{0, 100}, Target: Log{0, 95}, Next: 98}}, CopyLost, 3, geored.Fail},
		{"the copy is emptied, and nothing was copied yet", []Position{caughtUp, {Source: Log{0, 100}, Next: NothingCommitted}}, "", 0, ""},
		{"copied again", []Position{caughtUp, {Source: Log{0, 100}, Target: Log{0, 100}, Next: 40}}, CopiedAgain, 60, geored.Warn},
	} {
		var history History
		for i, p := range c.looks {
			history = history.With(look(i, p))
		}
		found := history.Of(Mirror{From: "dc1", To: "dc2"}).Incidents
		switch {
		case c.kind == "" && len(found) == 0:
		case len(found) != 1 || found[0].Kind != c.kind || found[0].Offsets != c.offsets || found[0].Verdict() != c.verdict:
			t.Errorf("%s: %v", c.name, found)
		}
	}
}

// A topic that is not there any more is told until somebody settles it, and what was not copied when it was last seen may be lost.
func TestATopicThatIsGone(t *testing.T) {
	m := Mirror{From: "dc1", To: "dc2"}
	for next, want := range map[int64]geored.Verdict{100: geored.Warn, 90: geored.Unknown} {
		history := History{}.With(look(0, Position{Source: Log{0, 100}, Target: Log{0, next}, Next: next}))
		empty := Sample{From: "dc1", To: "dc2", Time: noon.Add(time.Minute)}
		after := history.With(empty)
		if f := LossFinding(empty, history, after); f.Verdict != want || len(after.Of(m).Incidents) != 1 {
			t.Errorf("%d of 100 were copied: %s %q", next, f.Verdict, f.Evidence)
		}
		empty.Time = empty.Time.Add(time.Minute)
		if again := after.With(empty).Of(m).Incidents; len(again) != 1 {
			t.Errorf("told again: %v", again)
		}
		if settled := after.Settle(m).With(empty).Of(m).Incidents; len(settled) > 0 {
			t.Errorf("settled: %v", settled)
		}
		unread := look(1, Position{Problem: "timeout"})
		if found := history.With(unread).Of(m).Incidents; len(found) > 0 {
			t.Errorf("not read: %v", found)
		}
	}
}

func TestLossFinding(t *testing.T) {
	whole := Position{Source: Log{0, 100}, Target: Log{0, 100}, Next: 100}
	first := look(0, whole)
	history := History{}.With(first)
	if f := LossFinding(first, History{}, history); f.Verdict != geored.Unknown || len(f.Evidence) != 1 {
		t.Errorf("without a past: %s %v", f.Verdict, f.Evidence)
	}
	second := look(1, whole)
	if f := LossFinding(second, history, history.With(second)); f.Verdict != geored.Pass {
		t.Errorf("with one: %s %v", f.Verdict, f.Evidence)
	}
	silent := look(1, Position{Problem: "timeout"})
	if f := LossFinding(silent, history, history.With(silent)); len(f.Unanswered) != 1 {
		t.Errorf("not asked: %+v", f)
	}
	gap := look(2, Position{Source: Log{150, 200}, Target: Log{0, 100}, Next: 100})
	after := history.With(gap)
	if f := LossFinding(gap, history, after); f.Verdict != geored.Fail || f.Remedy == "" {
		t.Errorf("gap: %s %v", f.Verdict, f.Evidence)
	}
	m := Mirror{From: "dc1", To: "dc2"}
	if left := after.Settle(m, orders).Of(m).Incidents; len(left) != 0 || len(after.Of(m).Incidents) != 1 {
		t.Errorf("settled: %v", left)
	}
	nameless := second
	nameless.Positions = []Position{whole}
	nameless.Positions[0].Partition = orders
	if f := LossFinding(nameless, history, history.With(nameless)); f.Verdict != geored.Unknown {
		t.Errorf("without topic IDs: %s", f.Verdict)
	}
}

func TestHistoryKeepsSitesApart(t *testing.T) {
	history := History{}
	for _, m := range MirrorsBothWays("dc1", "dc2", "dc3", "dc4", "dc5") {
		s := look(0, Position{Next: int64(len(history.Mirrors))})
		s.From, s.To = m.From, m.To
		history = history.With(s)
	}
	if len(history.Mirrors) != 20 {
		t.Fatalf("%d mirrors", len(history.Mirrors))
	}
	if got := history.Of(Mirror{From: "dc1", To: "dc3"}).Tracks[0].Next; got != 1 {
		t.Errorf("dc1 -> dc3 is at %d", got)
	}
	old := look(-60, Position{Next: 99})
	if again := history.With(old); again.Of(Mirror{From: "dc1", To: "dc2"}).Tracks[0].Next == 99 {
		t.Error("an older sample replaced a newer one")
	}
}

func TestHistoryFile(t *testing.T) {
	file := HistoryFile{filepath.Join(t.TempDir(), "history.json")}
	if h, err := file.Load(); err != nil || len(h.Mirrors) != 0 {
		t.Error(h, err)
	}
	kept := History{}.With(look(0, Position{Source: Log{20, 100}, Next: 10}))
	if err := file.Save(kept); err != nil {
		t.Fatal(err)
	}
	back, err := file.Load()
	if err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(kept)
	if got, _ := json.Marshal(back); string(got) != string(want) {
		t.Errorf("%s\n%s", got, want)
	}
	if err := (HistoryFile{filepath.Join(file.Path, "x")}).Save(kept); err == nil {
		t.Error("saved below a file")
	}
}

func FuzzParseHistory(f *testing.F) {
	seed, _ := json.Marshal(History{}.With(look(0, Position{Source: Log{20, 100}, Next: 10})))
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ParseHistory(data)
		if err != nil {
			return
		}
		if _, err := json.Marshal(h.With(look(5, Position{Next: 1}))); err != nil {
			t.Error(err)
		}
	})
}
