package kafka

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/strimzi"
)

var way = Mirror{From: "dc1", To: "dc2"}

// running are a mirror's connectors as they should be, changed by f.
func running(f func(source, checkpoint *connect.Connector)) []connect.Connector {
	task := []connect.Task{{State: connect.Running}}
	connectors := []connect.Connector{
		{Name: way.Connector(SourceConnector), State: connect.Running, Tasks: task},
		{Name: way.Connector(CheckpointConnector), State: connect.Running, Tasks: task},
	}
	f(&connectors[0], &connectors[1])
	return connectors
}

func TestStatusFinding(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(source, checkpoint *connect.Connector)
		want   geored.Verdict
		says   string
	}{
		{"all run", func(*connect.Connector, *connect.Connector) {}, geored.Pass, "does not prove"},
		{"no source", func(s, _ *connect.Connector) { s.Name = "x" }, geored.Fail, "there is none"},
		{"no checkpoints", func(_, c *connect.Connector) { c.Name = "x" }, geored.Warn, "no group"},
		{"no tasks", func(s, _ *connect.Connector) { s.Tasks = nil }, geored.Fail, "without tasks"},
		{"checkpoints without tasks", func(_, c *connect.Connector) { c.Tasks = nil }, geored.Pass, ""},
		{"failed task", func(s, _ *connect.Connector) {
			s.Tasks = []connect.Task{{State: connect.Failed, Trace: "x\nCaused by: boom"}}
		}, geored.Fail, "boom"},
		{"failed", func(s, _ *connect.Connector) { s.State = connect.Failed }, geored.Fail, "FAILED"},
		{"paused", func(_, c *connect.Connector) { c.State = connect.Paused }, geored.Fail, "PAUSED"},
		{"on its way", func(s, _ *connect.Connector) { s.State = connect.Restarting }, geored.Unknown, "RESTARTING"},
	} {
		if f := StatusFinding(way, running(c.change)); f.Verdict != c.want || !strings.Contains(f.Message, c.says) {
			t.Errorf("%s: %s %s", c.name, f.Verdict, f.Message)
		}
	}
}

func TestResourceFinding(t *testing.T) {
	ready := strimzi.MirrorMaker{Name: "mm", Replicas: 1, Conditions: []strimzi.Condition{{Type: "Ready", Status: "True"}}}
	if f := ResourceFinding(ready, nil); f.Verdict != geored.Pass {
		t.Errorf("%s %s", f.Verdict, f.Message)
	}
	if f := ResourceFinding(ready, []connect.Connector{{Name: "x", State: connect.Failed}}); f.Verdict != geored.Fail || len(f.Evidence) != 1 {
		t.Errorf("%s %s", f.Verdict, f.Message)
	}
	ready.Generation = 1
	if f := ResourceFinding(ready, nil); f.Verdict != geored.Unknown {
		t.Errorf("%s %s", f.Verdict, f.Message)
	}
}

func TestTranslateGroups(t *testing.T) {
	selection, err := ReadSelection("dc2", connect.Settings{"source.cluster.alias": "dc1", "target.cluster.alias": "dc2"})
	if err != nil {
		t.Fatal(err)
	}
	committed := func(topic string, offset int64) []GroupOffset {
		return []GroupOffset{{"g", Partition{topic, 0}, offset}}
	}
	syncs := []OffsetSync{{orders, 100, 90}, {orders, 50, 45}, {orders, 400, 380}}
	for _, c := range []struct {
		name           string
		source, target []GroupOffset
		syncs          []OffsetSync
		want           geored.Verdict
		again          int64
	}{
		{"behind", committed("orders", 150), committed("dc1.orders", 91), syncs, geored.Pass, 49},
		{"exact", committed("orders", 150), committed("dc1.orders", 140), syncs, geored.Pass, 0},
		{"ahead", committed("orders", 150), committed("dc1.orders", 141), syncs, geored.Fail, 0},
		{"not translated", committed("orders", 150), nil, syncs, geored.Fail, 0},
		{"no sync tells", committed("orders", 150), committed("dc1.orders", 91), nil, geored.Unknown, 0},
	} {
		got := TranslateGroups(c.source, c.target, c.syncs, selection)
		if len(got) != 1 || got[0].Verdict != c.want || got[0].Again != c.again {
			t.Errorf("%s: %v", c.name, got)
		}
		if f := GroupsFinding(got); f.Verdict != c.want {
			t.Errorf("%s: %s", c.name, f.Verdict)
		}
	}
	if got := TranslateGroups(committed("dc2.orders", 5), nil, nil, selection); len(got) != 0 {
		t.Errorf("not mirrored: %v", got)
	}
	if f := GroupsFinding(nil); f.Verdict != geored.Skipped || f.Message == "" {
		t.Errorf("none: %+v", f)
	}
}

// A copy that was made anew is somewhere else: what was told of the one before must not say where a group lies.
func TestSyncsOfEarlierCopies(t *testing.T) {
	p, q := Partition{Topic: "orders"}, Partition{Topic: "orders", Number: 1}
	sync := func(p Partition, up, down int64) OffsetSync {
		return OffsetSync{Partition: p, Upstream: up, Downstream: down}
	}
	for name, c := range map[string]struct{ told, want []OffsetSync }{
		"one copy":           {[]OffsetSync{sync(p, 0, 0), sync(p, 100, 120), sync(p, 200, 220)}, []OffsetSync{sync(p, 0, 0), sync(p, 100, 120), sync(p, 200, 220)}},
		"copied again":       {[]OffsetSync{sync(p, 949, 949), sync(p, 900, 1900), sync(p, 960, 1960)}, []OffsetSync{sync(p, 900, 1900), sync(p, 960, 1960)}},
		"the copy was new":   {[]OffsetSync{sync(p, 100, 9100), sync(p, 200, 0)}, []OffsetSync{sync(p, 200, 0)}},
		"of its partition":   {[]OffsetSync{sync(p, 500, 500), sync(q, 10, 10), sync(p, 600, 600)}, []OffsetSync{sync(p, 500, 500), sync(q, 10, 10), sync(p, 600, 600)}},
		"no place was known": {[]OffsetSync{sync(p, 100, 100), sync(p, 200, -1)}, []OffsetSync{sync(p, 100, 100), sync(p, 200, -1)}},
	} {
		if got := current(c.told); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestOutageLimit(t *testing.T) {
	day := Retention{Time: 24 * time.Hour, Bytes: -1, Delete: true}
	late := Position{Source: Log{0, 9}, Next: 4, Tail: Tail{Records: 5, Complete: true, Oldest: noon.Add(-time.Hour)}}
	for _, c := range []struct {
		name     string
		position Position
		kept     Retention
		want     geored.Verdict
		left     time.Duration
	}{
		{"caught up", Position{Source: Log{0, 9}, Next: 9}, day, geored.Pass, 24 * time.Hour},
		{"late", late, day, geored.Pass, 23 * time.Hour},
		{"due", late, Retention{Time: time.Minute, Bytes: -1, Delete: true}, geored.Fail, -59 * time.Minute},
		{"lost", Position{Source: Log{5, 9}, Next: 4}, day, geored.Fail, 0},
		{"for ever", late, Retention{Time: -1, Bytes: -1, Delete: true}, geored.Pass, 0},
		{"by size", late, Retention{Time: -1, Bytes: 1 << 30, Delete: true}, geored.Unknown, 0},
		{"tombstones", late, Retention{Compact: true, Bytes: -1, Tombstones: 2 * time.Hour}, geored.Pass, time.Hour},
		{"undated", Position{Source: Log{0, 9}, Next: 4}, day, geored.Unknown, 0},
		{"not asked", Position{Problem: "timeout"}, day, geored.Unknown, 0},
	} {
		got := c.position.OutageLimit(c.kept, noon)
		if got.Verdict != c.want || got.Left != c.left {
			t.Errorf("%s: %s %s %s", c.name, got.Verdict, got.Left, got.Reason)
		}
		if due := got.Left < 0; due != got.Since.Equal(noon.Add(got.Left)) {
			t.Errorf("%s: since %s", c.name, got.Since)
		}
	}
	if f := OutageFinding(nil, time.Hour); f.Verdict != geored.Unknown {
		t.Errorf("nothing mirrored: %s", f.Verdict)
	}
}

// What is lost was written behind the last record that arrived.
func TestLossIsDated(t *testing.T) {
	day := Retention{Time: 24 * time.Hour, Bytes: -1, Delete: true}
	lost := Position{Source: Log{5, 9}, Next: 4}
	for _, c := range []struct {
		name   string
		copied time.Time
		kept   Retention
		since  time.Time
		says   string
	}{
		{"by age", noon.Add(-30 * time.Hour), day, noon.Add(-6 * time.Hour), "at the earliest, by retention.ms"},
		{"too early for age", noon.Add(-time.Hour), day, time.Time{}, "before retention.ms allows it"},
		{"nobody tells when the last one was written", time.Time{}, day, time.Time{}, "before they were copied"},
		{"for ever", noon.Add(-30 * time.Hour), Retention{Time: -1, Bytes: 1, Delete: true}, time.Time{}, "before they were copied"},
	} {
		o := lost.OutageLimit(c.kept, noon)
		o.since(c.copied, c.kept, noon)
		if !o.Since.Equal(c.since) || !strings.Contains(o.Reason, c.says) || o.Verdict != geored.Fail {
			t.Errorf("%s: %s %s: %s", c.name, o.Verdict, o.Since, o.Reason)
		}
	}
	whole := Position{Source: Log{0, 9}, Next: 9}.OutageLimit(day, noon)
	if whole.since(noon.Add(-30*time.Hour), day, noon); !whole.Since.IsZero() || whole.Verdict != geored.Pass {
		t.Errorf("nothing is lost: %+v", whole)
	}
}

func TestPlanRemirror(t *testing.T) {
	s := look(0, Position{Source: Log{20, 100}, Next: 70})
	plan, err := PlanRemirror(way, s, "orders")
	if err != nil || plan.Duplicates != 50 || plan.Lost != 20 {
		t.Errorf("%s %v", plan, err)
	}
	if _, err := PlanRemirror(way, look(0, Position{Problem: "timeout"}), "orders", "nothing"); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("both faults: %v", err)
	}
}

func TestSecretRedacts(t *testing.T) {
	access := Access{Bootstrap: []string{"kafka:9092"}, SASL: &SASL{Mechanism: ScramSHA512, User: "u", Password: NewSecret("hunter2")}}
	if shown := printed(access); strings.Contains(shown, "hunter2") {
		t.Error(shown)
	}
	if err := access.Validate(); err != nil {
		t.Error(err)
	}
	faults, _ := geored.AsFaults(Access{Bootstrap: []string{"kafka"}, SASL: &SASL{Mechanism: "GSSAPI"}}.Validate())
	if len(faults) != 3 {
		t.Errorf("%v", faults)
	}
}

func printed(a Access) string {
	text, _ := json.Marshal(a.SASL)
	return fmt.Sprintf("%v %+v %#v %s", *a.SASL, *a.SASL, *a.SASL, text)
}

// A copy of which nothing was matched is not shown to be whole.
func TestWhatWasNotComparedIsUnknown(t *testing.T) {
	source := Range{Partition{"orders", 0}, 0, 9}
	for name, c := range map[string]struct {
		is   Comparison
		want geored.Verdict
	}{
		"nothing":              {Comparison{}, geored.Unknown},
		"all of it waits":      {Comparison{Span: Span{Source: source}, Waiting: 9}, geored.Unknown},
		"an empty partition":   {Comparison{Span: Span{Source: Range{Partition: Partition{"orders", 0}}}}, geored.Pass},
		"some of it waits":     {Comparison{Span: Span{Source: source, Copied: 5}, Matched: 5, Waiting: 4}, geored.Pass},
		"copied, none matched": {Comparison{Span: Span{Source: source, Copied: 5}}, geored.Unknown},
	} {
		if got := c.is.Verdict(); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if f := LossFinding(Sample{From: way.From, To: way.To}, History{}, History{}); f.Verdict != geored.Unknown {
		t.Errorf("no partition was looked at: %+v", f)
	}
}
