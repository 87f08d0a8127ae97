package kafkatest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
)

// run carries tasks out.
func (s *suite) run(tasks []geored.Task) (geored.Result, error) {
	return geored.Runbook{Name: "restart", Stages: []geored.Stage{geored.StageOf("restart", tasks...)}}.Run(s.ctx, geored.RunConfig{})
}

// restartByAnnotation: a task FAILED under a connector that is RUNNING and a resource that is Ready; Strimzi is asked.
func restartByAnnotation(t *testing.T, s *suite) {
	operator := NewOperator(t, s.d, s.to)
	c := configure(t, s.d, kafka.Limits{}, 5*time.Second)
	for i := range c.Sites {
		c.Sites[i].Control = nil
		if c.Sites[i].Name == s.to {
			c.Sites[i].Resource, c.Sites[i].Restarter = operator, operator
		}
	}
	r := replication(t, c)
	if _, err := r.RestartTasks(s.to, s.from); err == nil || !strings.Contains(err.Error(), string(s.from)) {
		t.Errorf("a site without any way to restart: %v", err)
	}
	_, mend := s.oversized()
	operator.Reconcile(s.ctx)
	resource, err := operator.MirrorMaker(s.ctx)
	s.must(err)
	if verdict, said := resource.Ready(); verdict != geored.Pass {
		t.Errorf("Strimzi is not fooled: %s %s", verdict, said)
	}
	report, err := geored.Prove(s.ctx, geored.CheckConfig{}, r.Checks(nil)...)
	s.must(err)
	told := slices.ContainsFunc(report.Findings, func(f geored.Finding) bool {
		return f.Check == kafka.CheckResource && f.Site == s.to && f.Verdict == geored.Fail && strings.Contains(strings.Join(f.Evidence, " "), "FAILED")
	})
	if !told {
		t.Errorf("it is not told that Strimzi is wrong: %v", report.Findings)
	}
	mend()
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	go operator.Run(ctx, 50*time.Millisecond)
	tasks, err := r.RestartTasks(s.to)
	s.must(err)
	if _, err := s.run(tasks); err != nil {
		t.Fatal(err)
	}
	s.copied(11)
	if err := operator.Restart(s.ctx, "a:nonsense", connect.RestartOptions{}); err == nil {
		t.Error("the operator takes nonsense")
	}
}

// restartOfWorkers: one after the other, each seen back and moving; records that come meanwhile arrive.
func restartOfWorkers(t *testing.T, s *suite) {
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 30)
	s.copied(10)
	c := configure(t, s.d, kafka.Limits{}, 5*time.Second)
	if _, err := replication(t, c).RestartWorkers("first", s.to); err == nil {
		t.Error("workers of a site without Pods are to be restarted")
	}
	pods := &Pods{Deployment: s.d}
	for i := range c.Sites {
		c.Sites[i].Pods = pods
	}
	tasks, err := replication(t, c).RestartWorkers("first", s.to, s.from)
	s.must(err)
	s.source.Produce(s.topic, partitions, 30, 30)
	result, err := s.run(tasks)
	s.must(err)
	if result.Count(geored.Changed) != 2 || len(pods.order) != 2 || pods.order[0] != s.to || pods.order[1] != s.from {
		t.Errorf("restarted %v: %+v", pods.order, result.Outcomes)
	}
	s.copied(20)
	result, err = s.run(tasks)
	s.must(err)
	if result.Count(geored.Unchanged) != 2 || len(pods.order) != 2 {
		t.Errorf("one mark restarted twice: %v", pods.order)
	}
}
