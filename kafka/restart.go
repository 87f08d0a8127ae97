package kafka

import (
	"context"
	"fmt"
	"net/url"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

// Control changes the life of a worker's connectors. *connect.Client is one.
type Control interface {
	Restart(ctx context.Context, connector string, o connect.RestartOptions) error
	Stop(ctx context.Context, connector string) error
	Resume(ctx context.Context, connector string) error
	ForgetOffsets(ctx context.Context, connector string, partitions []connect.Offset) error
}

// RestartTasks makes the tasks that restart what has failed of the mirrors, in the order of the sites that they write
// into: the next site is touched only when the one before it runs and moves. A mirror that runs and moves is left alone.
// Every mirror into a site needs that site's Control.
func (r *Replication) RestartTasks(order ...geored.SiteName) ([]geored.Task, error) {
	var tasks []geored.Task
	var before []geored.StepID
	for _, name := range order {
		site, ok := r.sites[name]
		if !ok || site.Control == nil {
			return nil, fmt.Errorf("site %s: has no Control: its connectors cannot be restarted", name)
		}
		var here []geored.StepID
		for _, m := range r.mirrors {
			if m.To != name {
				continue
			}
			task := r.restartTask(m, before)
			tasks, here = append(tasks, task), append(here, task.ID)
		}
		if len(here) > 0 {
			before = here
		}
	}
	return tasks, nil
}

func (r *Replication) restartTask(m Mirror, needs []geored.StepID) geored.Task {
	classes := []string{SourceConnector, CheckpointConnector}
	step := geored.Step{
		ID: geored.StepID(fmt.Sprintf("kafka/restart/%s/%s", m.To, m.From)), Site: m.To, Action: geored.Restart, Needs: needs,
		Target: fmt.Sprintf("mirror from %s", m.From), Reason: "a connector or task that failed stays so until it is restarted",
	}
	for _, class := range classes {
		step.Manual = append(step.Manual, "curl -X POST '$CONNECT/connectors/"+url.PathEscape(m.Connector(class))+"/restart?includeTasks=true&onlyFailed=true'")
	}
	var last Sample
	restarted := false
	return geored.Task{
		Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			connectors, err := r.sites[m.To].Worker.Connectors(ctx)
			if err != nil {
				return geored.State{}, err
			}
			if f := StatusFinding(m, connectors); f.Verdict != geored.Pass && f.Verdict != geored.Warn {
				return geored.State{Detail: f.Message}, nil
			}
			now, err := r.Sample(ctx, m)
			if err != nil {
				return geored.State{}, err
			}
			done, detail := moves(last, now, r.limits)
			last = now
			if f := PositionFinding(now, History{}, r.limits); !done && !restarted && f.Verdict == geored.Pass {
				done, detail = true, "runs; "+f.Message
			}
			if done {
				restarted = false
			}
			return geored.State{Done: done, Detail: detail}, nil
		},
		Apply: func(ctx context.Context) error {
			restarted = true // from now on it must be seen to move
			for _, class := range classes {
				err := r.sites[m.To].Control.Restart(ctx, m.Connector(class), connect.RestartOptions{IncludeTasks: true, OnlyFailed: true})
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// moves says that a mirror does its work: nothing waits, or its positions went on since the last look.
func moves(last, now Sample, limits Limits) (bool, string) {
	before := map[Partition]int64{}
	for _, p := range last.Positions {
		before[p.Partition] = p.Next
	}
	var waiting int64
	moved := false
	for _, p := range now.Positions {
		if p.Problem != "" {
			return false, p.Problem
		}
		waiting += p.Stand(now.ReadCommitted, now.Time, now.Time, limits).Waiting
		at, known := before[p.Partition]
		moved = moved || known && p.Next > at
	}
	switch {
	case waiting == 0:
		return true, "runs, and nothing waits"
	case moved:
		return true, fmt.Sprintf("runs and moves; %d records wait", waiting)
	}
	return false, fmt.Sprintf("RUNNING, and %d records wait without moving: positions are committed every offset.flush.interval.ms, "+
		"new topics are found every refresh.topics.interval.seconds", waiting)
}
