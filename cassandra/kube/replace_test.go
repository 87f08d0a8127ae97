package kube_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	cassandrakube "github.com/georedkit/georedkit/cassandra/kube"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/kube"
)

// lossy is a ring over two sites, of which the node of dc2 runs in a pod of a StatefulSet.
type lossy struct {
	*cassandratest.Ring
	*statefulSet
	t     testing.TB
	place *cassandratest.Replacer
	lost  cassandra.Node
	what  cassandra.Replacing
	bare  int // servers that started empty and replaced nobody; it has the lock of the StatefulSet
	ring  *cassandra.Cluster
}

func newLossy(t testing.TB) *lossy {
	t.Helper()
	l := &lossy{Ring: cassandratest.New(t, []geored.SiteName{"dc1", "dc2"}), t: t}
	l.CreateTable(cassandratest.Table{Keyspace: "dev", Name: "changeset", Columns: []cassandratest.Column{{Name: "id", Type: "bigint", Kind: cassandratest.PartitionKey}, {Name: "v", Type: "text"}}})
	for i := range 20 {
		l.Insert("dev.changeset", i, fmt.Sprint("row ", i))
	}
	l.place = l.Ring.Replacer()
	l.place.Move(true)
	l.place.LeaveGhosts(true)
	first := true
	l.statefulSet = newStatefulSet(t, func(pod corev1.Pod, empty bool) {
		if first {
			first = false
			return
		}
		l.start(pod, empty)
	})
	ring, err := l.open().Ring(t.Context())
	if err != nil || len(ring.Views) != 2 {
		t.Fatal(ring.Silent, err)
	}
	l.lost = ring.Views[1].Node
	l.what = cassandra.Replacing{Site: "dc2", Node: l.lost.HostID}
	return l
}

// start is what the server of a pod does: it replaces a node, starts again, or is empty.
func (l *lossy) start(pod corev1.Pod, empty bool) {
	option, seeds := options(pod)
	switch {
	case !empty:
	case option != "" && !strings.Contains(seeds, "ring-0"):
		if err := l.place.Begin(context.Background(), l.lost, option); err != nil {
			l.t.Error(err)
		}
	default:
		l.bare++
	}
}

func (l *lossy) lose() {
	l.Node("dc2", 0).Lose()
	l.loseVolume()
}

// open gives the ring. Processes share it: it holds nothing but sessions, and package cassandra's own tests do without.
func (l *lossy) open() *cassandra.Cluster {
	l.t.Helper()
	if l.ring != nil {
		return l.ring
	}
	config := l.Config()
	config.Clock = quick{geored.SystemClock()}
	c, err := cassandra.Open(config)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.Close)
	l.ring = c
	return c
}

// quick is a clock whose pauses are short, and whose budgets are as long as they are.
type quick struct{ geored.Clock }

func (q quick) Sleep(ctx context.Context, d time.Duration) error {
	if d <= cassandra.GossipPause {
		d = 2 * time.Millisecond
	}
	return q.Clock.Sleep(ctx, d)
}

func (l *lossy) replacer() cassandrakube.Replacer {
	return cassandrakube.Replacer{Pods: cassandrakube.Pods{Clusters: []*kube.Cluster{l.cluster(l.t)}, Namespace: "space"}, Pod: "ring-0",
		Environment: map[string]string{"SEEDS": "other-0.other"}, Clock: quick{geored.SystemClock()}}
}

func (l *lossy) plan() cassandra.ReplacePlan {
	l.t.Helper()
	p, err := l.open().PlanReplace(l.t.Context(), l.what, l.replacer())
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

// settings are those of the StatefulSet and of the pod that runs now, and how many servers started in nobody's place.
func (l *lossy) settings() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, _ := json.Marshal([]any{l.set.Spec.UpdateStrategy, l.set.Spec.Template.Spec.Containers[0].Env, l.pod.Spec.Containers[0].Env, l.bare})
	return string(text)
}

func TestAPodWithoutItsVolumeIsReplaced(t *testing.T) {
	t.Parallel()
	l := newLossy(t)
	before := l.settings()
	l.lose()
	l.do(func() { l.slow = 1 }) // the controller makes one more pod of the template as it was
	p := l.plan()
	if !strings.Contains(p.Evidence, "claim data-ring-0 has lost volume volume-2") {
		t.Errorf("evidence %q", p.Evidence)
	}
	stage, err := l.open().ReplaceStage(p, l.replacer(), p.Confirmation(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	result, err := geored.Runbook{Name: "replace", Stages: []geored.Stage{stage}}.Run(t.Context(), geored.RunConfig{Poll: time.Millisecond})
	if err != nil || result.Count(geored.Changed, geored.Unchanged) != 4 {
		t.Fatalf("%+v: %v", result, err)
	}
	if after := l.settings(); after != before {
		t.Errorf("it was %s, and is %s", before, after)
	}
	if progress, err := l.replacer().Progress(t.Context(), p.Lost); progress != cassandra.ReplaceEnded || err != nil {
		t.Errorf("%v, %v", progress, err)
	}
}

// Every way in which nothing shows that the node is gone for good.
func TestAPodIsNotReplacedWithoutEvidence(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*lossy, *cassandrakube.Replacer)
		want   string
	}{
		"it answers":         {func(l *lossy, _ *cassandrakube.Replacer) { l.Node("dc2", 0).Start() }, "it is not dead"},
		"its pod runs":       {func(l *lossy, _ *cassandrakube.Replacer) { l.pod.Status.Phase = corev1.PodRunning }, "as far as its cluster knows it runs"},
		"nobody knows":       {func(l *lossy, _ *cassandrakube.Replacer) { l.pod.Status.Phase = corev1.PodUnknown }, "as far as its cluster knows it runs"},
		"its volume is here": {func(l *lossy, _ *cassandrakube.Replacer) { l.claim.Status.Phase = corev1.ClaimBound }, "is Bound to volume volume-2"},
		"no claim":           {func(l *lossy, _ *cassandrakube.Replacer) { l.set.Spec.VolumeClaimTemplates[0].Name = "other" }, "claims [other-ring-0] are not there"},
		"no cluster":         {func(_ *lossy, r *cassandrakube.Replacer) { r.Clusters = nil }, "the site has no cluster here"},
		"cluster is silent":  {func(l *lossy, _ *cassandrakube.Replacer) { l.fails = "all" }, "Forbidden"},
		"claims are hidden":  {func(l *lossy, _ *cassandrakube.Replacer) { l.fails = "GET persistentvolumeclaims" }, "Forbidden"},
		"no such pod":        {func(_ *lossy, r *cassandrakube.Replacer) { r.Pod = "ring-1" }, "has no such pod"},
		"no pod of a set":    {func(_ *lossy, r *cassandrakube.Replacer) { r.Pod = "ring" }, "ends in no number"},
		"no such container":  {func(_ *lossy, r *cassandrakube.Replacer) { r.Container = "web" }, `no container "web"`},
		"a note from nobody": {func(l *lossy, _ *cassandrakube.Replacer) {
			l.set.Annotations = map[string]string{"georedkit.io/replacement": "{"}
		}, "annotation georedkit.io/replacement"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLossy(t)
			l.lose()
			r := l.replacer()
			l.do(func() { test.change(l, &r) })
			_, err := l.open().PlanReplace(t.Context(), l.what, r)
			if _, ok := geored.AsFaults(err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v; want %q", err, test.want)
			}
			if len(l.counts()) > 0 {
				t.Errorf("it changed something: %v", l.counts())
			}
		})
	}
}

// What cannot be begun is told, and changes nothing.
func TestAReplacementOfAPodThatCannotBegin(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*lossy, *cassandrakube.Replacer)
		want   string
	}{
		"another in its midst": {func(l *lossy, _ *cassandrakube.Replacer) {
			l.set.Annotations = map[string]string{"georedkit.io/replacement": `{"node":"x","pod":"ring-9"}`}
		}, "in the midst of replacing node x in pod ring-9"},
		"options from elsewhere": {func(l *lossy, _ *cassandrakube.Replacer) {
			l.set.Spec.Template.Spec.Containers[0].Env[1].ValueFrom = &corev1.EnvVarSource{}
		}, "options cannot be added"},
		"options given twice":   {func(_ *lossy, r *cassandrakube.Replacer) { r.Environment = map[string]string{"JVM_EXTRA_OPTS": ""} }, "cannot be set too"},
		"no right to change it": {func(l *lossy, _ *cassandrakube.Replacer) { l.fails = "PATCH statefulsets" }, "Forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLossy(t)
			l.lose()
			r := l.replacer()
			l.do(func() { test.change(l, &r) })
			if err := r.Begin(t.Context(), l.lost, "-Dx"); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v; want %q", err, test.want)
			}
			if len(l.counts()) > 0 {
				t.Errorf("it changed something: %v", l.counts())
			}
		})
	}
}

func TestAReplacementOfAPodIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	points := geotest.KillAnywhere(t, func(t testing.TB) geotest.Rehearsal {
		l := newLossy(t)
		l.lose()
		p := l.plan()
		return geotest.Rehearsal{
			Runbook: func() geored.Runbook {
				stage, err := l.open().ReplaceStage(p, l.replacer(), p.Confirmation(), time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				return geored.Runbook{Name: "kill", Stages: []geored.Stage{stage}}
			},
			Config:  geored.RunConfig{Clock: geored.SystemClock(), Poll: time.Millisecond},
			Effects: l.counts,
			State: func() string {
				ring, err := l.open().Ring(t.Context())
				ghosts := slices.ContainsFunc(ring.Views, func(v cassandra.View) bool {
					return slices.ContainsFunc(v.Peers, func(n cassandra.Node) bool { return n.HostID == l.lost.HostID })
				})
				return fmt.Sprint(l.settings(), len(ring.Views), ghosts, err)
			},
		}
	})
	if points < 30 {
		t.Errorf("only %d points", points)
	}
	t.Logf("killed at %d points", points)
}
