package kafka

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestStand(t *testing.T) {
	at := func(age time.Duration) time.Time { return noon.Add(-age) }
	for _, c := range []struct {
		name          string
		position      Position
		readCommitted bool
		moved         time.Time
		limits        Limits
		verdict       geored.Verdict
		waiting       int64
		reason        string
	}{
		{name: "at the end", position: Position{Source: Log{0, 9}, Target: Log{0, 9}, Next: 9}, verdict: geored.Pass},
		{name: "empty", position: Position{Next: NothingCommitted}, verdict: geored.Pass},
		{name: "not asked", position: Position{Problem: "timeout"}, verdict: geored.Unknown, reason: "timeout"},
		{name: "gap", position: Position{Source: Log{20, 30}, Target: Log{0, 10}, Next: 10}, verdict: geored.Fail, waiting: 10, reason: "10 offsets before they were copied"},
		{name: "truncated", position: Position{Source: Log{0, 5}, Target: Log{0, 10}, Next: 10}, verdict: geored.Fail, reason: "5 offsets before"},
		{name: "waits, undated", position: Position{Source: Log{0, 9}, Target: Log{0, 4}, Next: 4}, verdict: geored.Unknown, waiting: 5},
		{name: "waits, watched", position: Position{Source: Log{0, 9}, Target: Log{0, 4}, Next: 4}, moved: at(time.Second), verdict: geored.Pass, waiting: 5},
		{name: "watched, and could not be looked at", position: Position{Source: Log{0, 9}, Target: Log{0, 4}, Next: 4, Unread: "timeout"}, moved: at(time.Second), verdict: geored.Unknown, waiting: 5, reason: "timeout"},
		{name: "stalled", position: Position{Source: Log{0, 9}, Target: Log{0, 4}, Next: 4}, moved: at(time.Hour), verdict: geored.Fail, waiting: 5, reason: "stalled"},
		{name: "young", position: Position{Source: Log{0, 9}, Target: Log{0, 4}, Next: 4, Tail: Tail{Records: 5, Complete: true, Oldest: at(time.Second)}}, verdict: geored.Pass, waiting: 5},
		{name: "younger than the look", position: Position{Source: Log{0, 9}, Target: Log{0, 4}, Next: 4, Tail: Tail{Records: 5, Complete: true, Oldest: at(-time.Second)}}, verdict: geored.Pass, waiting: 5},
		{name: "old", position: Position{Source: Log{0, 9}, Target: Log{0, 4}, Next: 4, Tail: Tail{Records: 5, Complete: true, Oldest: at(time.Hour)}}, verdict: geored.Fail, waiting: 5, reason: "1h0m0s"},
		{name: "too many", position: Position{Source: Log{0, 9}, Target: Log{0, 4}, Next: 4}, moved: at(0), limits: Limits{Records: 4}, verdict: geored.Fail, waiting: 5},
		{name: "mark", position: Position{Source: Log{0, 36}, Target: Log{0, 35}, Next: 35, Tail: Tail{Control: 1, Complete: true}}, verdict: geored.Pass, reason: "1 marks"},
		{name: "aborted", position: Position{Source: Log{0, 9}, Target: Log{0, 3}, Next: 3, Tail: Tail{Control: 1, Aborted: 5, Complete: true}}, readCommitted: true, verdict: geored.Pass, reason: "5 records of aborted"},
		{name: "aborted are copied", position: Position{Source: Log{0, 9}, Target: Log{0, 3}, Next: 3, Tail: Tail{Control: 1, Aborted: 5, Complete: true, Oldest: at(time.Hour)}}, verdict: geored.Fail, waiting: 5},
		{name: "only partly looked at", position: Position{Source: Log{0, 9}, Target: Log{0, 3}, Next: 3, Tail: Tail{Control: 1}}, moved: at(0), verdict: geored.Pass, waiting: 6},
		{name: "nothing committed", position: Position{Source: Log{5, 9}, Next: NothingCommitted}, moved: at(time.Hour), verdict: geored.Fail, waiting: 4},
		{name: "the copy is not there", position: Position{Source: Log{0, 9}, Copy: "dc1.orders", Next: 9}, verdict: geored.Fail, reason: "the copy dc1.orders/0 is empty or not there"},
		{name: "the copy is not there, nor what was copied", position: Position{Source: Log{9, 9}, Next: 9}, verdict: geored.Pass},
	} {
		got := c.position.Stand(c.readCommitted, noon, c.moved, c.limits)
		if got.Verdict != c.verdict || got.Waiting != c.waiting || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s: %s, %d wait, %q", c.name, got.Verdict, got.Waiting, got.Reason)
		}
	}
}

func TestPositionFinding(t *testing.T) {
	sample := Sample{From: "dc1", To: "dc2", Time: noon}
	if f := PositionFinding(sample, History{}, Limits{}); f.Verdict != geored.Fail || f.Remedy == "" {
		t.Errorf("no topic: %+v", f)
	}
	for range 30 {
		sample.Positions = append(sample.Positions, Position{Source: Log{20, 30}, Next: 10})
	}
	if f := PositionFinding(sample, History{}, Limits{}); f.Verdict != geored.Fail || len(f.Evidence) != shown+1 {
		t.Errorf("%s, %d lines", f.Verdict, len(f.Evidence))
	}
	sample.Positions = []Position{{Problem: "timeout"}, {Source: Log{0, 9}, Target: Log{0, 9}, Next: 9}}
	if f := PositionFinding(sample, History{}, Limits{}); f.Verdict != geored.Unknown || len(f.Unanswered) != 1 {
		t.Errorf("%+v", f)
	}
}

// A pattern that matches nothing is told, beside what the others select; heartbeats alone are no selection.
func TestPatternsThatMatchNothing(t *testing.T) {
	done := func(topic string) Position {
		return Position{Partition: Partition{Topic: topic}, Source: Log{0, 9}, Target: Log{0, 9}, Next: 9}
	}
	for _, c := range []struct {
		name      string
		unmatched []string
		positions []Position
		want      geored.Verdict
		says      string
	}{
		{"all match", nil, []Position{done("orders")}, geored.Pass, ""},
		{"one matches nothing", []string{"ordres"}, []Position{done("orders")}, geored.Warn, `topics: "ordres" matches no topic of dc1`},
		{"only heartbeats", []string{"ordres"}, []Position{done("heartbeats"), done("dc3.heartbeats")}, geored.Fail, `"ordres"`},
		{"heartbeats that were wanted", nil, []Position{done("heartbeats")}, geored.Pass, ""},
		{"nothing at all", []string{"ordres"}, nil, geored.Fail, `"ordres"`},
	} {
		f := PositionFinding(Sample{From: "dc1", To: "dc2", Time: noon, Positions: c.positions, Unmatched: c.unmatched}, History{}, Limits{})
		if text := strings.Join(f.Evidence, "\n"); f.Verdict != c.want || !strings.Contains(text, c.says) || c.want != geored.Pass && f.Remedy == "" {
			t.Errorf("%s: %s %q %q", c.name, f.Verdict, text, f.Remedy)
		}
	}
	selection, err := ReadSelection("dc2", connect.Settings{"source.cluster.alias": "dc1", "target.cluster.alias": "dc2", "topics": "orders, ordres.*,x", "topics.exclude": "x"})
	if err != nil {
		t.Fatal(err)
	}
	if got := selection.Unmatched([]Topic{{Name: "orders"}, {Name: "x"}, {Name: "heartbeats"}}); !slices.Equal(got, []string{"ordres.*", "x"}) {
		t.Errorf("unmatched: %q", got)
	}
}
