package kube_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/objectstore"
	objectkube "github.com/georedkit/georedkit/objectstore/kube"
)

// mortal is the mirrors of sites whose restarts a run can be killed on.
type mortal struct {
	objectkube.Mirrors
	sites   map[geored.SiteName]site
	effects map[string]int
}

// Restart counts what makes other pods, and does what the Deployment's controller does then.
func (m mortal) Restart(ctx context.Context, name geored.SiteName, mark string) error {
	return geotest.Inside(ctx, "restart", func() error {
		before, err := m.Read(ctx, name)
		if err == nil {
			err = m.Mirrors.Restart(ctx, name, mark)
		}
		if err != nil || before.Mark == mark {
			return err
		}
		m.effects["restart of "+string(name)]++
		return m.replace(context.WithoutCancel(ctx), name, mark)
	})
}

func (m mortal) replace(ctx context.Context, name geored.SiteName, mark string) error {
	pods := m.sites[name].client.CoreV1().Pods(m.Namespace)
	pod, err := pods.Get(ctx, "mirror-1", metav1.GetOptions{})
	if err != nil {
		return err
	}
	pod.Annotations = map[string]string{"georedkit.io/restarted-for": mark}
	_, err = pods.Update(ctx, pod, metav1.UpdateOptions{})
	return err
}

func TestAResetOfWatchMirrorsIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	points := geotest.KillAnywhere(t, func(t testing.TB) geotest.Rehearsal {
		m := mortal{sites: map[geored.SiteName]site{}, effects: map[string]int{}}
		m.Namespace, m.Deployment = "minio", "mirror"
		for _, name := range []geored.SiteName{"dc1", "dc2"} {
			s := settled(nothing)
			s.name = name
			m.sites[name], m.Clusters = s, append(m.Clusters, s)
		}
		return geotest.Rehearsal{
			Runbook: func() geored.Runbook {
				return geored.Runbook{Name: "reset", Stages: []geored.Stage{geored.StageOf("mirrors", objectstore.ResetWatchMirrors(m, "run-2", "dc1", "dc2")...)}}
			},
			Config:  geored.RunConfig{Clock: geored.SystemClock(), Poll: time.Millisecond},
			Effects: func() map[string]int { return maps.Clone(m.effects) },
			State: func() string {
				one, err := m.Read(t.Context(), "dc1")
				two, err2 := m.Read(t.Context(), "dc2")
				return fmt.Sprint(one, err, two, err2)
			},
		}
	})
	if points < 25 {
		t.Errorf("only %d points", points)
	}
	t.Logf("killed at %d points", points)
}
