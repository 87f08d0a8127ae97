package kafka

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

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
		flight.Err = at(m.From, err)
		return flight
	}
	if err := <-arrived; err != nil {
		flight.Err = at(m.To, fmt.Errorf("topic %s: %w", flight.Topic, err))
		return flight
	}
	flight.Latency = r.clock.Now().Sub(began)
	return flight
}
