package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

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
		if _, err := r.route(ctx, m, plan); err != nil {
			continue // nothing is written for a canary that cannot fly
		}
		asked[m.From] = true
		if new, err := messenger.MakeTopic(ctx, plan.Topic); err == nil && new {
			made = append(made, m.From)
		}
	}
	return made
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
