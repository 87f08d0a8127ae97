//go:build lab

package kube_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// BenchmarkStepEnds measures how long after its effect is true on a real API server a step ends: from before the call that
// brings the effect about, at some time between two looks of the runner, to the end of the run.
func BenchmarkStepEnds(b *testing.B) {
	l := lab.Up(b)
	cluster, err := kube.Open("dc1", geored.KubeRef{Kubeconfig: l.Kubeconfig("dc1")})
	if err != nil {
		b.Fatal(err)
	}
	const key = "georedkit/bench"
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		value := fmt.Sprint(time.Now().UnixNano())
		gate := meshkube.AnnotateTask(cluster, step("gate", "dc1"), "dc1-1", map[string]string{key: value})
		gate.Apply = nil
		ended := make(chan error)
		go func() {
			_, err := geored.Runbook{Name: "bench", Stages: []geored.Stage{geored.StageOf("gate", gate)}}.Run(b.Context(), geored.RunConfig{})
			ended <- err
		}()
		time.Sleep(300*time.Millisecond + time.Duration(i*37%200)*time.Millisecond)
		began := time.Now()
		patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, key, value)
		if _, err := cluster.Client().CoreV1().Nodes().Patch(b.Context(), "dc1-1", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			b.Fatal(err)
		}
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms-p50")
	b.ReportMetric(float64(took[len(took)*95/100].Milliseconds()), "ms-p95")
}
