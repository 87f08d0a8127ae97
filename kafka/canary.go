package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Messenger writes and awaits single records. *broker.Cluster is one. A canary is all that this package ever writes.
type Messenger interface {
	// MakeTopic makes a topic of one partition, and says whether it had to.
	MakeTopic(ctx context.Context, topic string) (made bool, err error)
	// DropTopic deletes a topic; one that is not there is fine.
	DropTopic(ctx context.Context, topic string) error
	// Send writes one record into partition 0 and returns when the brokers have it.
	Send(ctx context.Context, topic string, key, value []byte) error
	// Await returns the offset of the first record with the key at or after from in partition 0, from the beginning of
	// the log when from is 0. It waits for the topic and for the record until the context ends.
	Await(ctx context.Context, topic string, key []byte, from int64) (int64, error)
}

// CanaryTopic is where canaries are written unless the plan says otherwise. A mirror must select it.
const CanaryTopic = "georedkit-canary"

// CanaryPlan says how canaries are sent.
type CanaryPlan struct {
	Topic string        // zero: [CanaryTopic]
	Wait  time.Duration // for one canary. Zero: 30 seconds
	Keep  bool          // a topic that was made for it stays, with its copies; else they are deleted at the end
	// Settle is for how long no copy must be found before they count as deleted: a mirror that was about to make one does
	// so a moment later. Zero: 3 seconds, which is enough while refresh.topics.interval.seconds is 1.
	Settle time.Duration
}

// Flight is one canary's way through a mirror.
type Flight struct {
	From, To geored.SiteName
	Topic    string // where it arrived
	Key      string
	// Latency is from before it was sent until it was read at the target.
	Latency time.Duration
	Err     error // why it did not arrive; nil: it did
}

// ErrNotArrived is the error of a canary that was sent and did not arrive in time.
var ErrNotArrived = errors.New("the canary was written and did not arrive")

// Canaries sends a record through each of the mirrors, all when none is named, and waits until it can be read at the
// target. A topic that is new to a mirror is found only when it looks for topics again (refresh.topics.interval.seconds,
// 600 unless set): give Wait the time, or keep the topic.
//
// There is a flight for each mirror, in their order. The error joins theirs and what went wrong with cleaning up.
func (r *Replication) Canaries(ctx context.Context, plan CanaryPlan, mirrors ...Mirror) ([]Flight, error) {
	flights, left := r.canaries(ctx, plan, mirrors...)
	var errs []error
	for _, f := range flights {
		errs = append(errs, f.Err)
	}
	return flights, errors.Join(append(errs, left)...)
}

// canaries is Canaries with an error for what went wrong with cleaning up alone.
func (r *Replication) canaries(ctx context.Context, plan CanaryPlan, mirrors ...Mirror) ([]Flight, error) {
	if len(mirrors) == 0 {
		mirrors = r.mirrors
	}
	plan = plan.withDefaults()
	made := r.makeTopics(ctx, plan, mirrors)
	answers := askOf(ctx, r, mirrors, plan.Wait+r.budget, func(ctx context.Context, m Mirror) (Flight, error) {
		return r.fly(ctx, m, plan), nil
	})
	came := map[geored.Target]Flight{}
	for t, f := range answers.All() {
		came[t] = f
	}
	for _, silence := range answers.Unanswered() {
		came[silence.Target] = Flight{From: silence.Target.Site, To: silence.Target.To, Err: silence}
	}
	flights := make([]Flight, len(mirrors))
	for i, m := range mirrors {
		flights[i] = came[m.asked()]
	}
	if plan.Keep {
		return flights, nil
	}
	return flights, r.dropTopics(ctx, plan, made)
}

func (p CanaryPlan) withDefaults() CanaryPlan {
	if p.Topic == "" {
		p.Topic = CanaryTopic
	}
	if p.Wait <= 0 {
		p.Wait = 30 * time.Second
	}
	if p.Settle <= 0 {
		p.Settle = 3 * time.Second
	}
	return p
}
