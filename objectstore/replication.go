package objectstore

import (
	"context"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Replicator is what a store with bucket replication tells and does of it. The client of package s3 is one.
type Replicator interface {
	// Replication describes the replication of a bucket to other sites; none: no rule is set.
	Replication(ctx context.Context, bucket string) ([]ReplicationTarget, error)
	// ResetReplication sends again what was replicated before, as far as it is older than the age, in whole days; 0 days:
	// everything. It gives an ID to follow.
	ResetReplication(ctx context.Context, bucket, target string, days int) (id string, err error)
	// ResetStatus tells how far the last reset came.
	ResetStatus(ctx context.Context, bucket, target string) (ResetStatus, error)
}

// ReplicationTarget is where a bucket is replicated to, as the server tells it.
type ReplicationTarget struct {
	Target     string // the server's name for it: an ARN
	Replicated int64  // objects, since the server counts
	Failed     int64  // in the last hour
	Queued     int64  // waiting, over all targets of the bucket
	Deletes    bool   // delete markers are replicated
	Existing   bool   // what was there before the rule is replicated too
	Only       string // what the rule is for: a prefix or tags. Zero: all objects
}

// ResetStatus is how far a reset came. "Completed" is the server's word for having tried all; it does not mean that both
// sides are equal. Counts are of the server's last note, which it makes once a minute.
type ResetStatus struct {
	ID         string
	Status     string // "Ongoing", "Completed", "Failed", "Canceled"
	Began, End time.Time
	Replicated int64
	Failed     int64
}

// AwaitReset follows a reset until the server calls it ended, and gives its last status with an error when it failed, was
// canceled, or another one took its place. A comparison must follow. Without a clock it is the machine's.
func AwaitReset(ctx context.Context, store Replicator, bucket, target, id string, clock geored.Clock) (ResetStatus, error) {
	if clock == nil {
		clock = geored.SystemClock()
	}
	for {
		status, err := store.ResetStatus(ctx, bucket, target)
		switch {
		case err != nil:
			return status, fmt.Errorf("reset %s of bucket %s: %w", id, bucket, err)
		case status.ID != id:
			return status, fmt.Errorf("reset %s of bucket %s: the server tells of %q instead", id, bucket, status.ID)
		case status.Status == "Completed":
			return status, nil
		case status.Status == "Failed", status.Status == "Canceled":
			return status, fmt.Errorf("reset %s of bucket %s: %s after %d objects", id, bucket, status.Status, status.Replicated)
		}
		if err := clock.Sleep(ctx, resetInterval); err != nil {
			return status, err
		}
	}
}

// resetInterval is long, because listing and asking slow a reset down.
const resetInterval = 5 * time.Second

// MirrorPods is what resetting a watch mirror needs of the place where it runs; an adapter for Kubernetes implements it.
type MirrorPods interface {
	// Restart replaces the running mirror of a site by a new one that carries the mark, as a rollout restart of its
	// Deployment does with an annotation. Done twice with one mark, it restarts once.
	Restart(ctx context.Context, site geored.SiteName, mark string) error
	// Running says whether a mirror with the mark runs and is ready, and no other one beside it.
	Running(ctx context.Context, site geored.SiteName, mark string) (geored.State, error)
}

// ResetWatchMirrors makes the tasks that restart the watch mirrors, one site after the other: a mirror lists everything
// when it starts, and two that do so at once undo each other's deletes. The mark is the run's own, so that a resumed run
// sees what it did. That the mirrors are seen running is no proof that they copy: a [Canary] and a [Comparer] follow.
func ResetWatchMirrors(pods MirrorPods, mark string, sites ...geored.SiteName) []geored.Task {
	tasks := make([]geored.Task, len(sites))
	for i, site := range sites {
		step := geored.Step{ID: geored.StepID("mirror/" + string(site)), Site: site, Target: "object mirror", Action: geored.Restart,
			Reason: "a watch that was cut off lost events and lists everything only when it starts"}
		if i > 0 {
			step.Needs = []geored.StepID{tasks[i-1].ID}
		}
		tasks[i] = geored.Task{
			Step:    step,
			Observe: func(ctx context.Context) (geored.State, error) { return pods.Running(ctx, site, mark) },
			Apply:   func(ctx context.Context) error { return pods.Restart(ctx, site, mark) },
		}
	}
	return tasks
}
