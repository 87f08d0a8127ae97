package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// repairing is one node's part of a repair.
type repairing struct {
	*Cluster
	plan RepairPlan
	node Node
	tool Nodetool
}

// repairPoll is the pause between two looks at a repair, and patience how many looks it may take to begin.
const (
	repairPoll = time.Second
	patience   = 5
)

// ours are this plan's repairs on the node: somebody else's counts where it did the same, and not where it did less.
func (r repairing) ours(ctx context.Context) ([]RepairRecord, error) {
	node, err := r.now(ctx, r.node)
	if err != nil {
		return nil, err
	}
	records, err := r.Repairs(ctx, node)
	return slices.DeleteFunc(records, func(rec RepairRecord) bool {
		return rec.Keyspace != r.plan.Keyspace || !rec.Full || !rec.Primary || len(rec.Narrow) > 0 || slices.Contains(r.plan.Known, rec.ID)
	}), err
}

// state is how far the node is.
func (r repairing) state(ctx context.Context) (done, running bool, failure string, err error) {
	records, err := r.ours(ctx)
	for _, rec := range records {
		switch {
		case !rec.Completed:
			running = true
		case rec.Failure != "":
			failure = rec.Failure
		default:
			done = true
		}
	}
	return done, running, failure, err
}

func (r repairing) observe(ctx context.Context) (geored.State, error) {
	done, running, failure, err := r.state(ctx)
	switch {
	case err != nil:
		return geored.State{}, err
	case done:
		return geored.State{Done: true, Detail: "repaired"}, nil
	case running:
		return geored.State{Detail: "its repair is running"}, nil
	case failure != "":
		return geored.State{Detail: "its repair failed: " + failure}, nil
	}
	return geored.State{Detail: "it was not repaired yet"}, nil
}

// apply starts the repair unless it runs already, and watches it to its end.
func (r repairing) apply(ctx context.Context) error {
	done, running, _, err := r.state(ctx)
	if err != nil {
		return geored.Retriable(err)
	}
	if done {
		return nil // that of a run that was killed has ended meanwhile
	}
	var toolErr error
	if !running {
		if err := r.clear(ctx); err != nil {
			return err
		}
		node, err := r.now(ctx, r.node)
		if err != nil {
			return err
		}
		var output string
		if output, toolErr = r.tool.Run(ctx, node, r.plan.arguments()...); toolErr != nil {
			toolErr = fmt.Errorf("nodetool %s: %w: %s", r.plan.arguments()[0], toolErr, lastLine(output))
		}
	}
	for looks := 0; ; looks++ {
		done, running, failure, err := r.state(ctx)
		switch {
		case err == nil && done:
			return nil
		case err == nil && !running && failure != "":
			return errors.Join(fmt.Errorf("repair: %s", failure), toolErr)
		case err == nil && !running && looks >= patience:
			return errors.Join(fmt.Errorf("repair: the node knows of none; it never began, or the node restarted"), toolErr)
		}
		if err := r.Clock.Sleep(ctx, repairPoll); err != nil {
			return errors.Join(err, toolErr)
		}
	}
}

// clear refuses while a node of the ring is silent or repairs something else.
func (r repairing) clear(ctx context.Context) error {
	ring, err := r.Ring(ctx)
	if err != nil {
		return err
	}
	if len(ring.Silent) > 0 {
		return geored.Retriable(fmt.Errorf("%s does not answer: %s", ring.Silent[0].Target, ring.Silent[0].Reason))
	}
	for _, v := range ring.Views {
		records, err := r.Repairs(ctx, v.Node)
		if err != nil {
			return geored.Retriable(err)
		}
		for _, rec := range records {
			if !rec.Completed {
				return geored.Retriable(fmt.Errorf("node %s is running repair %s of keyspace %s", v.Node.Address, rec.ID, rec.Keyspace))
			}
		}
	}
	return nil
}

func lastLine(output string) string {
	const enough = 300
	return output[max(0, len(output)-enough):]
}
