package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

// Remirroring is a plan to copy topics from the beginning of their source again.
type Remirroring struct {
	Mirror     Mirror
	Topics     []string
	Partitions []Partition
	// Duplicates are the offsets that the copy gets once more, at most.
	Duplicates int64
	// Lost are the offsets that retention has removed at the source: nothing brings them back.
	Lost int64
}

// PlanRemirror says what mirroring topics again would do, from a sample: pure. The error is [geored.Faults].
func PlanRemirror(m Mirror, s Sample, topics ...string) (Remirroring, error) {
	plan := Remirroring{Mirror: m, Topics: topics}
	var faults geored.Faults
	for _, topic := range topics {
		if !slices.ContainsFunc(s.Positions, func(p Position) bool { return p.Topic == topic }) {
			faults = append(faults, geored.Fault{Site: m.From, Field: "topic", Value: topic, Problem: "is not mirrored to " + string(m.To), Remedy: "name one that the mirror selects"})
		}
	}
	for _, p := range s.Positions {
		if !slices.Contains(topics, p.Topic) {
			continue
		}
		if p.Problem != "" {
			faults = append(faults, geored.Fault{Site: m.From, Field: "topic", Value: p.String(), Problem: p.Problem})
		}
		plan.Partitions = append(plan.Partitions, p.Partition)
		plan.Duplicates += max(min(p.Next, p.Source.End)-p.Source.Start, 0)
		plan.Lost += p.Source.Start
	}
	return plan, faults.Err()
}

// String says what it will do, for a person to confirm.
func (r Remirroring) String() string {
	return fmt.Sprintf("%s: %d partitions of %v are copied again from the beginning: up to %d records will be in the copy twice; %d offsets that retention removed are lost",
		r.Mirror, len(r.Partitions), r.Topics, r.Duplicates, r.Lost)
}

// Remirror carries a plan out: [Replication.Forget], then [Replication.AwaitRemirrored]. It leaves no mark: a program that was killed
// in it carries the same plan out again, and what was copied meanwhile is then in the copy once more. Who must not do that calls
// the two, and remembers that the first came to its end.
func (r *Replication) Remirror(ctx context.Context, plan Remirroring, confirm int64) error {
	if err := r.Forget(ctx, plan, confirm); err != nil {
		return err
	}
	return r.AwaitRemirrored(ctx, plan)
}

// Forget has the connector of a plan begin anew with its partitions: it is stopped, forgets their positions, and is resumed.
// Connectors mirror all their topics or none, so the others stand still for a moment. Whatever fails after the stop, the
// connector is resumed; called again, it resumes one that a program which was killed left stopped. Confirm is the plan's
// Duplicates, as proof that somebody has read it.
func (r *Replication) Forget(ctx context.Context, plan Remirroring, confirm int64) error {
	control := r.sites[plan.Mirror.To].Control
	switch {
	case confirm != plan.Duplicates:
		return fmt.Errorf("mirror %s: mirroring again makes up to %d duplicates, and %d were confirmed", plan.Mirror, plan.Duplicates, confirm)
	case control == nil:
		return fmt.Errorf("site %s: has no Control: its connectors cannot be stopped", plan.Mirror.To)
	case len(plan.Partitions) == 0:
		return fmt.Errorf("mirror %s: the plan names no partition", plan.Mirror)
	}
	connector := plan.Mirror.Connector(SourceConnector)
	if err := control.Stop(ctx, connector); err != nil {
		return at(plan.Mirror.To, err)
	}
	err := r.forget(ctx, plan, connector)
	// A connector that stays stopped is worse than one whose positions stay.
	resuming, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.budget)
	defer cancel()
	if err := errors.Join(err, control.Resume(resuming, connector)); err != nil {
		return at(plan.Mirror.To, err)
	}
	return nil
}

// AwaitRemirrored returns when everything is copied that the plan's partitions held at its first look. The error is the context's
// cause, with what is still missing.
func (r *Replication) AwaitRemirrored(ctx context.Context, plan Remirroring) error {
	ends := map[Partition]int64{}
	return r.until(ctx, "copied again", func() error { return r.isCopied(ctx, plan, ends) })
}

// forget waits until the connector has stopped, and forgets.
func (r *Replication) forget(ctx context.Context, plan Remirroring, connector string) error {
	partitions := make([]connect.Offset, len(plan.Partitions))
	for i, p := range plan.Partitions {
		partitions[i] = connect.Offset{Cluster: plan.Mirror.source(), Topic: p.Topic, Partition: p.Number}
	}
	var refused error
	err := r.until(ctx, "stopped", func() error {
		err := r.sites[plan.Mirror.To].Control.ForgetOffsets(ctx, connector, partitions)
		if answer := (*connect.Error)(nil); errors.As(err, &answer) && !answer.Retriable() && answer.Status != http.StatusBadRequest { // 400: it is not stopped yet
			refused, err = err, nil
		}
		return err
	})
	return cmp.Or(refused, err)
}

// isCopied asks whether nothing waits in the plan's partitions that was there at the first look, which fills ends, and the
// mirror has begun with them.
func (r *Replication) isCopied(ctx context.Context, plan Remirroring, ends map[Partition]int64) error {
	s, err := r.Sample(ctx, plan.Mirror)
	if err != nil {
		return err
	}
	for _, p := range s.Positions {
		if !slices.Contains(plan.Partitions, p.Partition) {
			continue
		}
		end, seen := ends[p.Partition]
		if !seen && p.Problem == "" {
			end, ends[p.Partition] = p.Source.End, p.Source.End
		}
		if p.Problem == "" && p.Next >= end {
			continue // what was written since is copied as ever
		}
		if standing := p.Stand(s.ReadCommitted, s.Time, s.Time, r.limits); standing.Waiting > 0 || standing.Verdict != geored.Pass {
			return errors.New(standing.String())
		}
	}
	return nil
}

// until asks again and again until there is no error, and gives the last one when the context ends.
func (r *Replication) until(ctx context.Context, what string, ask func() error) error {
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if stop := r.clock.Sleep(ctx, 200*time.Millisecond); stop != nil {
			return fmt.Errorf("not %s: %w: %w", what, stop, err)
		}
	}
}
