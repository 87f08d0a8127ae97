package kafka

import (
	"context"
	"fmt"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

// Restarter restarts connectors and returns when that was accepted: *connect.Client by Connect's REST API, the Resource of
// package strimzi/kube by Strimzi's annotation.
type Restarter interface {
	Restart(ctx context.Context, connector string, o connect.RestartOptions) error
}

// Control changes the life of a worker's connectors. *connect.Client is one.
type Control interface {
	Restarter
	Stop(ctx context.Context, connector string) error
	Resume(ctx context.Context, connector string) error
	ForgetOffsets(ctx context.Context, connector string, partitions []connect.Offset) error
}

// WorkerPods is what restarting a worker needs of the place where it runs; an adapter for Kubernetes implements it.
type WorkerPods interface {
	// Restart replaces the running worker of a site by a new one that carries the mark, by deleting its pods or by
	// strimzi.io/manual-rolling-update. Done twice with one mark, it restarts once.
	Restart(ctx context.Context, site geored.SiteName, mark string) error
	// Running says whether a worker with the mark runs and is ready, and no other one beside it.
	Running(ctx context.Context, site geored.SiteName, mark string) (geored.State, error)
}

// RestartWorkers makes the tasks that restart the workers themselves, one site after the other, each seen back, RUNNING
// and moving before the next. What a worker had copied and not committed is copied again: duplicates. The mark is the
// run's own, so that a resumed run sees what it did. Every site with a mirror into it needs Pods.
func (r *Replication) RestartWorkers(mark string, order ...geored.SiteName) ([]geored.Task, error) {
	return r.inOrder(order, func(site Site, mirrors []Mirror, needs []geored.StepID) ([]geored.Task, error) {
		if site.Pods == nil {
			return nil, fmt.Errorf("site %s: has no Pods: its worker cannot be restarted", site.Name)
		}
		return []geored.Task{r.workerTask(site, mirrors, mark, needs)}, nil
	})
}

func (r *Replication) workerTask(site Site, mirrors []Mirror, mark string, needs []geored.StepID) geored.Task {
	watches := make([]movement, len(mirrors))
	for i, m := range mirrors {
		watches[i] = movement{r: r, mirror: m, touched: true}
	}
	return geored.Task{
		Step: geored.Step{
			ID: geored.StepID("kafka/worker/" + string(site.Name)), Site: site.Name, Action: geored.Restart, Needs: needs,
			Target: "mirror worker", Reason: "a new worker joins anew, resolves names anew and reads its settings anew",
			Manual: []string{"kubectl delete pod -l app.kubernetes.io/name=kafka-mirror-maker-2"},
		},
		Observe: func(ctx context.Context) (geored.State, error) {
			state, err := site.Pods.Running(ctx, site.Name, mark)
			if err != nil || !state.Done {
				return state, err
			}
			for i := range watches {
				state, err = watches[i].observe(ctx)
				if err != nil || !state.Done {
					state.Detail = fmt.Sprintf("mirror %s: %s", watches[i].mirror, state.Detail)
					return state, err
				}
			}
			return state, nil
		},
		Apply: func(ctx context.Context) error { return site.Pods.Restart(ctx, site.Name, mark) },
	}
}
