package objectstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
)

type rules struct {
	objectstore.Replicator
	targets []objectstore.ReplicationTarget
	err     error
}

func (r rules) Replication(context.Context, string) ([]objectstore.ReplicationTarget, error) {
	return r.targets, r.err
}

func TestReplicationCheck(t *testing.T) {
	rule := func(edit func(*objectstore.ReplicationTarget)) rules {
		target := objectstore.ReplicationTarget{Target: "arn:dc2", Deletes: true, Existing: true}
		edit(&target)
		return rules{targets: []objectstore.ReplicationTarget{target}}
	}
	for _, c := range []struct {
		name string
		told rules
		want geored.Verdict
		says string
	}{
		{"works", rule(func(*objectstore.ReplicationTarget) {}), geored.Pass, "for a canary to say"},
		{"no rule", rules{}, geored.Fail, "replicated nowhere"},
		{"a queue", rule(func(t *objectstore.ReplicationTarget) { t.Queued = 3 }), geored.Warn, "3 objects wait"},
		{"failures", rule(func(t *objectstore.ReplicationTarget) { t.Failed = 2 }), geored.Warn, "2 objects failed"},
		{"no deletions", rule(func(t *objectstore.ReplicationTarget) { t.Deletes = false }), geored.Warn, "stays there"},
		{"a prefix only", rule(func(t *objectstore.ReplicationTarget) { t.Only = `the prefix "logs/"` }), geored.Warn, `only objects with the prefix "logs/"`},
		{"new objects only", rule(func(t *objectstore.ReplicationTarget) { t.Existing = false }), geored.Warn, "before the rule"},
		{"no answer", rules{err: errors.New("connection refused")}, geored.Unknown, "connection refused"},
	} {
		report, err := geored.Prove(t.Context(), geored.CheckConfig{}, objectstore.ReplicationCheck("files", objectstore.ReplicatingSite{Name: "dc1", Store: c.told}))
		if err != nil || len(report.Findings) != 1 {
			t.Fatalf("%s: %v %+v", c.name, err, report.Findings)
		}
		f := report.Findings[0]
		text := f.Message + strings.Join(f.Evidence, " ")
		for _, s := range f.Unanswered {
			text += s.Reason
		}
		if f.Verdict != c.want || !strings.Contains(text, c.says) {
			t.Errorf("%s: %s %q", c.name, f.Verdict, text)
		}
	}
}
