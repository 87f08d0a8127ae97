//go:build lab

package kube_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/cassandra"
	cassandrakube "github.com/georedkit/georedkit/cassandra/kube"
	"github.com/georedkit/georedkit/geored"
)

const lossyPod = "ice-dc1-rack1-0"

// A pod loses its volume with all that was on it: nothing starts in its place until it is replaced, and then it has its rows
// again.
func TestAVolumeIsLost(t *testing.T) {
	r := up(t)
	c := r.healthy()
	r.cql("dc1", gocql.All, "TRUNCATE dev.changeset")
	r.cql("dc1", gocql.All, inserts(0, 100)...)
	lost := r.nodes(c)["dc1"]
	what := cassandra.Replacing{Site: "dc1", Node: lost.HostID}
	x := cassandrakube.Replacer{Pods: r.pods, Pod: lossyPod,
		Environment: map[string]string{"SEEDS": "ice-dc2-rack1-0.ice-dc2-rack1." + namespace + ".svc.cluster.local"}}
	refused := func(when, want string) {
		t.Helper()
		if _, err := c.PlanReplace(t.Context(), what, x); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", when, err, want)
		}
	}
	refused("it answers", "it is not dead")
	before := r.settings()
	folder := r.loseVolume()
	refused("its server still runs", "it is not dead")
	_, err := os.Stat(folder)
	must(t, err)
	must(t, os.RemoveAll(folder))
	must(t, r.pods.Restart(t.Context(), lost))
	r.Await("the next pod waits for its volume", func() (string, bool) {
		p, err := r.Clusters["dc1"].Client().CoreV1().Pods(namespace).Get(t.Context(), lossyPod, metav1.GetOptions{})
		if err != nil {
			return err.Error(), false
		}
		return p.Status.String(), p.DeletionTimestamp == nil && p.Status.Phase == corev1.PodPending
	})
	if report := r.report(c, cassandra.CheckNodes); report.Verdict() != geored.Fail {
		t.Fatalf("the fault does not bite: %+v", report.Findings)
	}
	other := x
	other.Pod = "ice-dc1-rack1-1"
	if _, err := c.PlanReplace(t.Context(), what, other); err == nil || !strings.Contains(err.Error(), "has no such pod") {
		t.Errorf("another pod: %v", err)
	}
	plan, err := c.PlanReplace(t.Context(), what, x)
	must(t, err)
	if _, err := c.ReplaceStage(plan, x, "yes", time.Minute); err == nil {
		t.Error("carried out for a yes")
	}
	stage, err := c.ReplaceStage(plan, x, plan.Confirmation(), 6*time.Minute)
	must(t, err)
	began := time.Now()
	result, err := geored.Runbook{Name: "replace", Stages: []geored.Stage{stage}}.Run(t.Context(), geored.RunConfig{Poll: 500 * time.Millisecond})
	for _, o := range result.Outcomes {
		t.Logf("%s: %s %s in %s", o.ID, o.Status, o.Detail, o.Took.Round(time.Second))
	}
	must(t, err)
	t.Logf("%s; replaced and proven in %s", plan.Evidence, time.Since(began).Round(time.Second))
	if after := r.settings(); after != before {
		t.Errorf("the StatefulSet was %s, and is %s", before, after)
	}
	c = r.healthy()
	if now := r.nodes(c)["dc1"]; now.HostID == lost.HostID || fmt.Sprint(now.Tokens) != fmt.Sprint(lost.Tokens) {
		t.Errorf("it was %+v, and is %+v", lost, now)
	}
	if found := r.compare(c); found.Equality != cassandra.Equal || found.Rows("dc1") != 100 {
		t.Errorf("%s, %d rows at dc1", found, found.Rows("dc1"))
	}
}

// settings are those of the StatefulSet and of its pod that a replacement changes.
func (r *rig) settings() string {
	r.t.Helper()
	client := r.Clusters["dc1"].Client()
	set, err := client.AppsV1().StatefulSets(namespace).Get(r.t.Context(), strings.TrimSuffix(lossyPod, "-0"), metav1.GetOptions{})
	must(r.t, err)
	pod, err := client.CoreV1().Pods(namespace).Get(r.t.Context(), lossyPod, metav1.GetOptions{})
	must(r.t, err)
	text, err := json.Marshal([]any{set.Spec.UpdateStrategy, set.Spec.Template, pod.Spec.Containers[0].Env})
	must(r.t, err)
	return string(text)
}

// loseVolume takes the pod's volume away under its claim, as when a disk is gone for good, and tells where its data lie.
func (r *rig) loseVolume() (folder string) {
	r.t.Helper()
	core := r.Clusters["dc1"].Client().CoreV1()
	claim, err := core.PersistentVolumeClaims(namespace).Get(r.t.Context(), "data-"+lossyPod, metav1.GetOptions{})
	must(r.t, err)
	volume, err := core.PersistentVolumes().Get(r.t.Context(), claim.Spec.VolumeName, metav1.GetOptions{})
	must(r.t, err)
	must(r.t, core.PersistentVolumes().Delete(r.t.Context(), volume.Name, metav1.DeleteOptions{}))
	_, err = core.PersistentVolumes().Patch(r.t.Context(), volume.Name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	must(r.t, err)
	r.Await("the claim is lost", func() (string, bool) {
		claim, err := core.PersistentVolumeClaims(namespace).Get(r.t.Context(), "data-"+lossyPod, metav1.GetOptions{})
		must(r.t, err)
		return string(claim.Status.Phase), claim.Status.Phase == corev1.ClaimLost
	})
	return volume.Spec.HostPath.Path
}
