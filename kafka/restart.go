package kafka

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

// RestartTasks makes the tasks that restart what has failed of the mirrors, in the order of the sites that they write
// into: the next site is touched only when the one before it runs and moves. A mirror that runs and moves is left alone.
// Every mirror into a site needs that site's Restarter or Control.
//
// Connect's word for what failed is not enough. A worker that starts as the only one of its group begins with generation 1, and
// drops what it has to say of failures where an older generation has spoken: connectors that did not start stay UNASSIGNED, or
// RUNNING, for ever, and a restart of what failed restarts nothing. So a connector that neither runs nor failed is restarted whole,
// and so is a mirror that runs and does not move for two minutes, twice as long as Connect takes by default to commit a position.
//
// Set each task's Timeout above Connect's scheduled.rebalance.max.delay.ms (5 minutes unless set): so long it gives the tasks of a
// worker that was lost to no other.
func (r *Replication) RestartTasks(order ...geored.SiteName) ([]geored.Task, error) {
	return r.inOrder(order, func(site Site, mirrors []Mirror, needs []geored.StepID) ([]geored.Task, error) {
		way := site.Restarter
		if way == nil && site.Control != nil {
			way = site.Control
		}
		if way == nil {
			return nil, fmt.Errorf("site %s: has no Restarter and no Control: its connectors cannot be restarted", site.Name)
		}
		var tasks []geored.Task
		for _, m := range mirrors {
			tasks = append(tasks, r.restartTask(m, way, needs))
		}
		return tasks, nil
	})
}

// inOrder has the tasks of each site wait for those of the site before.
func (r *Replication) inOrder(order []geored.SiteName, make func(Site, []Mirror, []geored.StepID) ([]geored.Task, error)) ([]geored.Task, error) {
	var tasks []geored.Task
	var before []geored.StepID
	for _, name := range order {
		site, ok := r.sites[name]
		if !ok {
			return nil, fmt.Errorf("site %s: there is none", name)
		}
		var mirrors []Mirror
		for _, m := range r.mirrors {
			if m.To == name {
				mirrors = append(mirrors, m)
			}
		}
		if len(mirrors) == 0 {
			continue
		}
		here, err := make(site, mirrors, before)
		if err != nil {
			return nil, err
		}
		before = nil
		for _, task := range here {
			before = append(before, task.ID)
		}
		tasks = append(tasks, here...)
	}
	return tasks, nil
}

// restartTask restarts the failed connectors and tasks of one mirror.
func (r *Replication) restartTask(m Mirror, way Restarter, needs []geored.StepID) geored.Task {
	step := geored.Step{
		ID: geored.StepID(fmt.Sprintf("kafka/restart/%s/%s", m.To, m.From)), Site: m.To, Action: geored.Restart, Needs: needs,
		Target: fmt.Sprintf("mirror from %s", m.From), Reason: "a connector or task that failed stays so until it is restarted",
	}
	for _, class := range restarted {
		step.Manual = append(step.Manual, "curl -X POST '$CONNECT/connectors/"+url.PathEscape(m.Connector(class))+"/restart?includeTasks=true&onlyFailed=true' # without onlyFailed where that restarts nothing")
	}
	watch := &movement{r: r, mirror: m}
	return geored.Task{
		Step:    step,
		Observe: watch.observe,
		Apply: func(ctx context.Context) error {
			watch.touched = true // from now on it must be seen to move
			options, err := watch.options(ctx)
			if err != nil {
				return geored.Retriable(err)
			}
			for _, class := range restarted {
				if err := way.Restart(ctx, m.Connector(class), options[class]); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// options are how each connector is restarted: what runs is left alone where Connect tells of a failure, or the mirror moves.
func (w *movement) options(ctx context.Context) (map[string]connect.RestartOptions, error) {
	connectors, err := w.r.sites[w.mirror.To].Worker.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	options, failed, lost := map[string]connect.RestartOptions{}, false, false
	for _, class := range restarted {
		options[class] = connect.RestartOptions{IncludeTasks: true, OnlyFailed: true}
		for _, c := range connectors {
			if c.Name == w.mirror.Connector(class) {
				states := statesOf(c)
				options[class] = connect.RestartOptions{IncludeTasks: true, OnlyFailed: !slices.ContainsFunc(states, neitherRunsNorFailed)}
				failed, lost = failed || slices.Contains(states, connect.Failed), lost || !options[class].OnlyFailed
			}
		}
	}
	if failed || lost {
		return options, nil
	}
	moved, err := w.movesYet(ctx)
	for _, class := range restarted {
		options[class] = connect.RestartOptions{IncludeTasks: true, OnlyFailed: moved}
	}
	return options, err
}

func statesOf(c connect.Connector) []connect.State {
	states := []connect.State{c.State}
	for _, t := range c.Tasks {
		states = append(states, t.State)
	}
	return states
}

func neitherRunsNorFailed(s connect.State) bool { return s != connect.Running && s != connect.Failed }

// standsStill is how long a mirror that is said to run may stand, with records that wait, before it is taken for dead.
const standsStill = 2 * time.Minute

// movesYet gives a mirror that is said to run the time to show it.
func (w *movement) movesYet(ctx context.Context) (bool, error) {
	clock := w.r.clock
	for end := clock.Now().Add(standsStill); ; {
		state, err := w.observe(ctx)
		if err == nil && state.Done || !clock.Now().Before(end) {
			return state.Done, err
		}
		if err := clock.Sleep(ctx, time.Second); err != nil {
			return false, err
		}
	}
}

// restarted are the classes whose connectors are restarted: heartbeats fail for no reason of their own.
var restarted = []string{SourceConnector, CheckpointConnector}

// movement watches a mirror from look to look.
type movement struct {
	r       *Replication
	mirror  Mirror
	last    Sample
	touched bool
}

// observe is done when connectors and tasks run and the mirror moves. One that was not touched need not move.
func (w *movement) observe(ctx context.Context) (geored.State, error) {
	connectors, err := w.r.sites[w.mirror.To].Worker.Connectors(ctx)
	if err != nil {
		return geored.State{}, err
	}
	if f := StatusFinding(w.mirror, connectors); f.Verdict != geored.Pass && f.Verdict != geored.Warn {
		return geored.State{Detail: f.Message + restDelay(w.mirror, connectors)}, nil
	}
	now, err := w.r.Sample(ctx, w.mirror)
	if err != nil {
		return geored.State{}, err
	}
	done, detail := moves(w.last, now, w.r.limits)
	w.last = now
	if f := PositionFinding(now, History{}, w.r.limits); !done && !w.touched && f.Verdict == geored.Pass {
		done, detail = true, "runs; "+f.Message
	}
	if done {
		w.touched = false
	}
	return geored.State{Done: done, Detail: detail}, nil
}

// restDelay explains why a connector has no task, or one that nobody runs.
func restDelay(m Mirror, connectors []connect.Connector) string {
	for _, c := range connectors {
		if c.Name != m.Connector(SourceConnector) {
			continue
		}
		waits := c.State == connect.Unassigned || c.State == connect.Running && len(c.Tasks) == 0
		for _, t := range c.Tasks {
			waits = waits || t.State == connect.Unassigned
		}
		if waits {
			return "; after the loss of a worker Connect gives its tasks to another only when scheduled.rebalance.max.delay.ms is over (5 minutes unless set); where it stays so they may have failed to start, which a worker that is alone may not tell: restart them whole"
		}
	}
	return ""
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
