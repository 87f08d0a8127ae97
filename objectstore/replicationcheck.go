package objectstore

import (
	"context"
	"fmt"

	"github.com/georedkit/georedkit/geored"
)

// ReplicatingSite is a site whose server replicates a bucket to others.
type ReplicatingSite struct {
	Name  geored.SiteName
	Store Replicator
}

// CheckReplication is the check of [ReplicationCheck].
const CheckReplication geored.CheckID = "objectstore/bucket-replication"

// ReplicationCheck asks every server what it believes of the replication of a bucket: whether there is a rule, what waits
// or failed, and what the rule leaves out. A pass proves that nothing is known to be broken: servers say "online" over a
// link that is cut, and that objects arrive is for a [Canary] to prove.
func ReplicationCheck(bucket string, sites ...ReplicatingSite) geored.Check {
	return geored.Check{ID: CheckReplication, Title: "the replication of bucket " + bucket + " knows of no fault", Run: func(ctx context.Context) []geored.Finding {
		targets := make([]geored.Target, len(sites))
		stores := map[geored.SiteName]Replicator{}
		for i, s := range sites {
			targets[i], stores[s.Name] = geored.Target{Site: s.Name, Name: "bucket " + bucket}, s.Store
		}
		answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) ([]ReplicationTarget, error) {
			return stores[t.Site].Replication(ctx, bucket)
		})
		return answers.Each(func(_ geored.Target, to []ReplicationTarget) geored.Finding { return replicationFinding(bucket, to) })
	}}
}

func replicationFinding(bucket string, targets []ReplicationTarget) geored.Finding {
	if len(targets) == 0 {
		return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("bucket %s is replicated nowhere", bucket),
			Remedy: "make a rule (mc replicate add), then reset it so that what is there already is copied"}
	}
	f := geored.Finding{Verdict: geored.Pass,
		Message: fmt.Sprintf("bucket %s is replicated to %d targets; whether objects arrive is for a canary to say", bucket, len(targets))}
	for _, t := range targets {
		note := func(is bool, what string) {
			if is {
				f.Verdict, f.Evidence = geored.Warn, append(f.Evidence, t.Target+": "+what)
			}
		}
		note(t.Queued > 0, fmt.Sprintf("%d objects wait, which is all that a cut link shows", t.Queued))
		note(t.Failed > 0, fmt.Sprintf("%d objects failed in the last hour", t.Failed))
		note(!t.Deletes, "deletions are not replicated: what is deleted here stays there")
		note(t.Only != "", "only objects with "+t.Only+" are replicated")
		note(!t.Existing, "what was there before the rule is not replicated")
	}
	if f.Verdict != geored.Pass {
		f.Remedy = "send a canary and compare; a rule is changed by mc replicate update"
	}
	return f
}
