package kafka

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	var errs []error
	for i, m := range mirrors {
		flights[i] = came[m.asked()]
		errs = append(errs, flights[i].Err)
	}
	if !plan.Keep {
		errs = append(errs, r.dropTopics(ctx, plan, made))
	}
	return flights, errors.Join(errs...)
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

// makeTopics makes the topic at every source and gives the sites where it was not there. What fails here fails again in
// the flight, which says so.
func (r *Replication) makeTopics(ctx context.Context, plan CanaryPlan, mirrors []Mirror) []geored.SiteName {
	var made []geored.SiteName
	asked := map[geored.SiteName]bool{}
	for _, m := range mirrors {
		messenger := r.sites[m.From].Messenger
		if messenger == nil || asked[m.From] {
			continue
		}
		asked[m.From] = true
		if _, err := r.route(ctx, m, plan); err != nil {
			continue // nothing is written for a canary that cannot fly
		}
		if new, err := messenger.MakeTopic(ctx, plan.Topic); err == nil && new {
			made = append(made, m.From)
		}
	}
	return made
}

// route is where a mirror takes a canary to, or why it must not be sent.
func (r *Replication) route(ctx context.Context, m Mirror, plan CanaryPlan) (string, error) {
	for _, name := range []geored.SiteName{m.From, m.To} {
		if r.sites[name].Messenger == nil {
			return "", fmt.Errorf("site %s: has no Messenger: nothing may be written there", name)
		}
	}
	_, selection, err := r.sourceConnector(ctx, m)
	if err != nil {
		return "", err
	}
	if err := r.refuseLoop(m, selection); err != nil {
		return "", err
	}
	if !selection.Has(plan.Topic) {
		return "", fmt.Errorf("site %s: the mirror from %s does not select topic %s; add it to topics", m.To, m.From, plan.Topic)
	}
	return selection.Copy(plan.Topic), nil
}

// fly sends one canary. Its reader waits before it is sent, at the end of the copy.
func (r *Replication) fly(ctx context.Context, m Mirror, plan CanaryPlan) Flight {
	flight := Flight{From: m.From, To: m.To, Key: rand.Text()}
	if flight.Topic, flight.Err = r.route(ctx, m, plan); flight.Err != nil {
		return flight
	}
	from, to := r.sites[m.From], r.sites[m.To]
	var end int64
	if bounds, err := to.Brokers.Bounds(ctx, []Partition{{Topic: flight.Topic}}); err == nil && bounds[0].Err == nil {
		end = bounds[0].End
	}
	ctx, cancel := context.WithTimeoutCause(ctx, plan.Wait, fmt.Errorf("%w within %s", ErrNotArrived, plan.Wait))
	defer cancel()
	arrived := make(chan error, 1)
	go func() {
		_, err := to.Messenger.Await(ctx, flight.Topic, []byte(flight.Key), end)
		arrived <- err
	}()
	began := r.clock.Now()
	if err := from.Messenger.Send(ctx, plan.Topic, []byte(flight.Key), []byte(began.UTC().Format(time.RFC3339Nano))); err != nil {
		flight.Err = fmt.Errorf("site %s: %w", m.From, err)
		return flight
	}
	if err := <-arrived; err != nil {
		flight.Err = fmt.Errorf("site %s: topic %s: %w", m.To, flight.Topic, err)
		return flight
	}
	flight.Latency = r.clock.Now().Sub(began)
	return flight
}

// dropTopics deletes the topic where it was made, and then its copies everywhere. A mirror may make one more from what it
// knew, and with three sites there are copies of copies: they are looked for until there were none for a while. One that
// a mirror makes later still, after refresh.topics.interval.seconds, stays.
func (r *Replication) dropTopics(ctx context.Context, plan CanaryPlan, made []geored.SiteName) error {
	if len(made) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.budget+plan.Settle)
	defer cancel()
	var errs []error
	for _, name := range made {
		errs = append(errs, r.sites[name].Messenger.DropTopic(ctx, plan.Topic))
	}
	for quiet := r.clock.Now(); ; {
		dropped, err := r.dropCopies(ctx, plan, made)
		errs = append(errs, err)
		if dropped > 0 {
			quiet = r.clock.Now()
		}
		if err != nil || r.clock.Now().Sub(quiet) >= plan.Settle || r.clock.Sleep(ctx, min(plan.Settle, time.Second)) != nil {
			break
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("canary's topics: %w", err)
	}
	return nil
}

func (r *Replication) dropCopies(ctx context.Context, plan CanaryPlan, made []geored.SiteName) (dropped int, err error) {
	var errs []error
	for _, name := range r.order {
		if r.sites[name].Messenger == nil {
			continue
		}
		topics, err := r.sites[name].Brokers.Topics(ctx)
		errs = append(errs, err)
		for _, t := range topics {
			if r.isCopy(t.Name, plan.Topic, made) {
				errs = append(errs, r.sites[name].Messenger.DropTopic(ctx, t.Name))
				dropped++
			}
		}
	}
	return dropped, errors.Join(errs...)
}

// isCopy says that a topic is a copy, at any depth, of one that was made: its prefixes are aliases of known mirrors.
func (r *Replication) isCopy(topic, original string, made []geored.SiteName) bool {
	for _, m := range r.mirrors {
		policy := m.Policy
		if !policy.IsValid() {
			policy = DefaultPolicy("")
		}
		rest, ok := strings.CutPrefix(topic, policy.Copy(m.source(), ""))
		if ok && rest != topic && (rest == original && slices.Contains(made, m.From) || r.isCopy(rest, original, made)) {
			return true
		}
	}
	return false
}

// refuseLoop reads the policies of all mirrors as they are: an identity policy on a circle would send a canary round for
// ever.
func (r *Replication) refuseLoop(m Mirror, selection Selection) error {
	if !selection.Policy.IsIdentity() {
		return nil
	}
	mirrors := slices.Clone(r.mirrors)
	for i := range mirrors {
		if mirrors[i].asked() == m.asked() {
			mirrors[i].Policy = selection.Policy
		}
	}
	return loopFaults(mirrors).Err()
}

// CheckCanary writes: it sends a canary through every mirror.
const CheckCanary geored.CheckID = "kafka/canary"

// CanaryCheck is the check that a record written now arrives. It stands apart from [Replication.Checks] because it
// writes into the clusters.
func (r *Replication) CanaryCheck(plan CanaryPlan) geored.Check {
	return geored.Check{ID: CheckCanary, Title: "a record that is written now arrives", Run: func(ctx context.Context) []geored.Finding {
		flights, err := r.Canaries(ctx, plan)
		findings := make([]geored.Finding, len(flights))
		for i, f := range flights {
			findings[i] = f.finding()
		}
		if left := cleaning(flights, err); left != "" {
			findings = append(findings, geored.Finding{Verdict: geored.Warn, Message: left, Asked: []geored.Target{{Name: "canary"}}})
		}
		return findings
	}}
}

func (f Flight) finding() geored.Finding {
	way := geored.Target{Site: f.From, To: f.To}
	finding := geored.Finding{Site: f.From, To: f.To, Asked: []geored.Target{way}}
	switch {
	case f.Err == nil:
		finding.Verdict = geored.Pass
		finding.Message = fmt.Sprintf("a record arrived in %s after %s", f.Topic, geored.RoundDuration(f.Latency))
	case errors.Is(f.Err, ErrNotArrived):
		finding.Verdict, finding.Message = geored.Fail, f.Err.Error()
		finding.Remedy = "look at kafka/status and kafka/position; a topic that is new is found after refresh.topics.interval.seconds"
	default:
		finding.Verdict, finding.Message = geored.Unknown, f.Err.Error()
		finding.Unanswered = []geored.Silence{{Target: way, Reason: f.Err.Error()}}
	}
	return finding
}

// cleaning is what went wrong beside the flights.
func cleaning(flights []Flight, err error) string {
	for _, f := range flights {
		if f.Err != nil {
			return "" // said there
		}
	}
	if err == nil {
		return ""
	}
	return err.Error()
}
