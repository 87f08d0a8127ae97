//go:build lab

package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

var lab = labtest.Shared{Sites: 1, Nodes: 1}

func TestMain(m *testing.M) { lab.Main(m) }

// workload is a chart whose Deployment runs, or hangs for want of a Secret.
var workload = map[string]string{
	"values.yaml": "image: localhost/lab/base:1\nsecret: \"\"\nextra: false\n",
	"templates/deployment.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: main, image: {{ .Values.image | quote }}{{ if .Values.secret }}, envFrom: [{secretRef: {name: {{ .Values.secret }}}}]{{ end }}}]
`,
	"templates/extra.yaml": "{{ if .Values.extra }}apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-extra}\ndata: {password: planted-value}\n{{ end }}",
}

type held struct{ err error }

func (h held) Acquire(context.Context) error { return h.err }
func (h held) Check(context.Context) error   { return h.err }
func (h held) Release(context.Context) error { return nil }

// site is the releases of the laboratory's site, a namespace of the test's own, and the chart.
func site(t *testing.T) (Releases, Release) {
	t.Helper()
	l := lab.Up(t)
	c, err := kube.Open("dc1", geored.KubeRef{Kubeconfig: l.Kubeconfig("dc1")})
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	namespace, err := kube.ReadObjects([]byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}"))
	if err == nil {
		err = c.Apply(t.Context(), namespace...)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.WithoutCancel(t.Context()), namespace...) }) // the laboratory goes down anyway
	_, repository := serve(t, "workload", "1.2.3", workload)
	chart, err := repository.Pull(t.Context(), "workload", "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return Releases{Cluster: c, Lock: held{}}, Release{Name: "it", Namespace: name, Chart: chart, Values: Values{}}
}

// run carries a release out as a runbook does.
func run(t *testing.T, r Releases, w Release, timeout time.Duration) (geored.Outcome, error) {
	t.Helper()
	task := r.Task(geored.Step{ID: "it", Target: "release it", Action: geored.Install}, w)
	result, err := geored.Runbook{Name: t.Name(), Stages: []geored.Stage{geored.StageOf("only", task)}}.
		Run(t.Context(), geored.RunConfig{StepTimeout: timeout, Poll: 100 * time.Millisecond})
	return result.Outcomes[0], err
}

func revision(t *testing.T, r Releases, w Release) (int, release.Status) {
	t.Helper()
	last, err := r.last(t.Context(), w.Name, w.Namespace)
	if err != nil || last == nil {
		t.Fatal(last, err)
	}
	return last.Version, last.Info.Status
}

func has(t *testing.T, r Releases, w Release, configMap string) bool {
	t.Helper()
	_, err := r.Cluster.Client().CoreV1().ConfigMaps(w.Namespace).Get(t.Context(), configMap, metav1.GetOptions{})
	return err == nil
}

func TestReleaseIsInstalledUpgradedAndTakenAway(t *testing.T) {
	r, w := site(t)
	var log bytes.Buffer
	r.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if o, err := run(t, r, w, time.Minute); err != nil || o.Status != geored.Changed {
		t.Fatal(o.Detail, err)
	}
	if o, err := run(t, r, w, time.Minute); err != nil || o.Status != geored.Unchanged || !strings.Contains(o.Detail, w.Chart.Digest) {
		t.Fatal(o.Status, o.Detail, err)
	}
	w.Values = Values{"extra": true}
	o, err := run(t, r, w, time.Minute)
	if err != nil || o.Status != geored.Changed || !has(t, r, w, "it-extra") {
		t.Fatal(o.Status, o.Detail, err)
	}
	if n, status := revision(t, r, w); n != 2 || status != release.StatusDeployed {
		t.Errorf("revision %d is %s", n, status)
	}
	if log.Len() == 0 || strings.Contains(log.String(), "planted-value") {
		t.Errorf("log: %s", log.String())
	}
	if err := r.Uninstall(t.Context(), w.Name, w.Namespace); err != nil {
		t.Fatal(err)
	}
	if state, err := r.Absent(t.Context(), w.Name, w.Namespace); err != nil || !state.Done || has(t, r, w, "it-extra") {
		t.Error(state, err)
	}
}

// A deployed release is not a working one, and what somebody deleted is brought back.
func TestDeployedIsNotDone(t *testing.T) {
	r, w := site(t)
	w.Values = Values{"secret": "nobody-made-it"}
	if err := r.Apply(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	labtest.Until(t, "a pod that waits for its Secret", func() error {
		state, err := r.State(t.Context(), w)
		if err == nil && (state.Done || !strings.Contains(state.Detail, `secret "nobody-made-it" not found`)) {
			err = fmt.Errorf("%+v", state)
		}
		return err
	})
	_, err := run(t, r, w, 5*time.Second)
	if _, status := revision(t, r, w); err == nil || status != release.StatusDeployed || !strings.Contains(err.Error(), `secret "nobody-made-it" not found`) {
		t.Errorf("%s: %v", status, err)
	}
	w.NoWait = true
	if o, err := run(t, r, w, time.Minute); err != nil || o.Status != geored.Unchanged {
		t.Error(o.Status, err)
	}
	w.NoWait, w.Values = false, Values{}
	if _, err := run(t, r, w, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := r.Cluster.Client().AppsV1().Deployments(w.Namespace).Delete(t.Context(), "it", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if o, err := run(t, r, w, time.Minute); err != nil || o.Status != geored.Changed {
		t.Error(o.Status, err)
	}
}

// kill leaves a release as a run that is killed while Helm works does.
func kill(t *testing.T, r Releases, w Release, status release.Status) {
	t.Helper()
	last, err := r.last(t.Context(), w.Name, w.Namespace)
	if err == nil {
		last.Info.Status = status
		err = r.store(w.Namespace).Update(last)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestPendingReleaseIsRepairedUnderTheLockOnly(t *testing.T) {
	r, w := site(t)
	if _, err := run(t, r, w, time.Minute); err != nil {
		t.Fatal(err)
	}
	kill(t, r, w, release.StatusPendingInstall)

	for name, lock := range map[string]geored.Lock{"none": nil, "lost": held{errors.New("somebody else holds it")}} {
		r.Lock = lock
		if err := r.Apply(t.Context(), w); !errors.Is(err, ErrPending) {
			t.Errorf("lock %s: %v", name, err)
		}
		if _, status := revision(t, r, w); status != release.StatusPendingInstall {
			t.Errorf("lock %s: it was changed to %s", name, status)
		}
	}
	r.Lock = held{}
	if o, err := run(t, r, w, time.Minute); err != nil || o.Status != geored.Changed {
		t.Fatal(o.Status, err)
	}
	if n, status := revision(t, r, w); n != 2 || status != release.StatusDeployed {
		t.Errorf("revision %d is %s", n, status)
	}
}

// What a killed upgrade added does not stay behind, and nobody else's pending release is touched.
func TestPendingUpgradeIsRolledBackFirst(t *testing.T) {
	r, w := site(t)
	if _, err := run(t, r, w, time.Minute); err != nil {
		t.Fatal(err)
	}
	before := w
	w.Values = Values{"extra": true}
	if _, err := run(t, r, w, time.Minute); err != nil {
		t.Fatal(err)
	}
	first, err := r.store(w.Namespace).Get(w.Name, 1)
	if err == nil {
		first.Info.Status = release.StatusDeployed
		err = r.store(w.Namespace).Update(first)
	}
	if err != nil {
		t.Fatal(err)
	}
	kill(t, r, w, release.StatusPendingUpgrade)

	last, err := r.last(t.Context(), w.Name, w.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	mark := last.Labels[digestLabel]
	last.Labels[digestLabel] = ""
	if err := r.abandoned(t.Context(), last); err == nil || !strings.Contains(err.Error(), "somebody else changes it") {
		t.Error(err)
	}
	last.Labels[digestLabel] = mark
	if o, err := run(t, r, before, time.Minute); err != nil || o.Status != geored.Changed || has(t, r, w, "it-extra") {
		t.Error(o.Status, err, "what the killed upgrade added is there:", has(t, r, w, "it-extra"))
	}
}

func TestObjectsOfOthersAreNotTaken(t *testing.T) {
	r, w := site(t)
	w.Values = Values{"extra": true}
	foreign, err := kube.ReadObjects([]byte(fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: it-extra, namespace: %s}\ndata: {a: b}", w.Namespace)))
	if err == nil {
		err = r.Cluster.Apply(t.Context(), foreign...)
	}
	if err != nil {
		t.Fatal(err)
	}
	err = r.Apply(t.Context(), w)
	var conflict *ConflictError
	if !errors.As(err, &conflict) || len(conflict.Conflicts) != 1 || !strings.Contains(err.Error(), "configmap/it-extra is there already and no release owns it") {
		t.Fatal(err)
	}
	w.Adopt = true
	if o, err := run(t, r, w, time.Minute); err != nil || o.Status != geored.Changed {
		t.Fatal(o.Status, err)
	}
	other := w
	other.Name = "it-2"
	other.Edited, other.Edit = "renamed", func(objects []*kube.Object) ([]*kube.Object, error) { return objects, nil }
	if state, err := r.State(t.Context(), other); err != nil || state.Done || state.Detail != "release it-2 is not installed" {
		t.Error(state, err)
	}
	live, _, err := r.Cluster.Live(t.Context(), foreign[0])
	if err != nil || live.GetAnnotations()[releaseName] != "it" {
		t.Error(live, err)
	}
}

// The newest revision of the chart that was deployed before comes back, also behind an upgrade that was killed; done again it
// stays.
func TestRollBackFindsTheChartOfBefore(t *testing.T) {
	r, w := site(t)
	back := func(chart string) (int, error) { return r.RollBack(t.Context(), w.Name, w.Namespace, chart) }
	if n, err := back("workload-1.2.3"); !errors.Is(err, ErrNoRevision) {
		t.Errorf("of a release that is not there: %d, %v", n, err)
	}
	if _, err := run(t, r, w, time.Minute); err != nil {
		t.Fatal(err)
	}
	_, repository := serve(t, "workload", "1.2.4", workload)
	next, err := repository.Pull(t.Context(), "workload", "1.2.4")
	if err != nil {
		t.Fatal(err)
	}
	upgraded := w
	upgraded.Chart, upgraded.Values = next, Values{"extra": true}
	if _, err := run(t, r, upgraded, time.Minute); err != nil || !has(t, r, w, "it-extra") {
		t.Fatal(err)
	}
	if n, err := back("workload-1.2.5"); !errors.Is(err, ErrNoRevision) {
		t.Errorf("to a chart that never was: %d, %v", n, err)
	}
	kill(t, r, w, release.StatusPendingUpgrade)
	r.Lock = nil
	if n, err := back("workload-1.2.3"); !errors.Is(err, ErrPending) {
		t.Errorf("without the lock: %d, %v", n, err)
	}
	r.Lock = held{}
	for _, want := range []int{1, 3} { // what it was rolled back to, and then what stands
		if n, err := back("workload-1.2.3"); n != want || err != nil {
			t.Errorf("%d, %v, want %d", n, err, want)
		}
		if n, status := revision(t, r, w); n != 3 || status != release.StatusDeployed || has(t, r, w, "it-extra") {
			t.Errorf("revision %d is %s, and what the upgrade added is there: %t", n, status, has(t, r, w, "it-extra"))
		}
	}
}

// failing is a release whose next chart drops an object, adds one, and fails: what a Deployment selects cannot change.
func failing(t *testing.T) (r Releases, before Release) {
	t.Helper()
	r, before = site(t)
	before.Values = Values{"extra": true}
	if _, err := run(t, r, before, time.Minute); err != nil {
		t.Fatal(err)
	}
	files := maps.Clone(workload)
	files["templates/deployment.yaml"] = strings.ReplaceAll(files["templates/deployment.yaml"], "{app: {{ .Release.Name }}}", "{app: other}")
	files["templates/new.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-new}\n"
	_, repository := serve(t, "workload", "1.2.4", files)
	chart, err := repository.Pull(t.Context(), "workload", "1.2.4")
	if err != nil {
		t.Fatal(err)
	}
	next := before
	next.Chart, next.Values = chart, Values{}
	if err := r.Apply(t.Context(), next); err == nil || !strings.Contains(err.Error(), "immutable") {
		t.Fatal(err)
	}
	if _, status := revision(t, r, before); status != release.StatusFailed || !has(t, r, before, "it-extra") || !has(t, r, before, "it-new") {
		t.Fatal(status)
	}
	return r, before
}

// An upgrade that failed had not come to delete what the chart of before has, and had added what it has not.
func TestRollBackBehindAnUpgradeThatFailed(t *testing.T) {
	r, w := failing(t)
	if n, err := r.RollBack(t.Context(), w.Name, w.Namespace, "workload-1.2.3"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, status := revision(t, r, w); n != 3 || status != release.StatusDeployed || !has(t, r, w, "it-extra") || has(t, r, w, "it-new") {
		t.Errorf("revision %d is %s; extra %t, new %t", n, status, has(t, r, w, "it-extra"), has(t, r, w, "it-new"))
	}
}

// A rollback that was killed is not the state of before, though its revision says so.
func TestARollBackThatWasKilledGoesOn(t *testing.T) {
	for name, back := range map[string]func(Releases, Release) error{
		"rolled back": func(r Releases, w Release) error {
			_, err := r.RollBack(t.Context(), w.Name, w.Namespace, "workload-1.2.3")
			return err
		},
		"applied": func(r Releases, w Release) error {
			_, err := run(t, r, w, time.Minute)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, w := failing(t)
			killed, err := r.store(w.Namespace).Get(w.Name, 1)
			if err != nil {
				t.Fatal(err)
			}
			killed.Version, killed.Info.Status = 3, release.StatusPendingRollback
			if err := r.store(w.Namespace).Create(killed); err != nil {
				t.Fatal(err)
			}
			if err := back(r, w); err != nil {
				t.Fatal(err)
			}
			if n, status := revision(t, r, w); n < 4 || status != release.StatusDeployed || !has(t, r, w, "it-extra") || has(t, r, w, "it-new") {
				t.Errorf("revision %d is %s; extra %t, new %t", n, status, has(t, r, w, "it-extra"), has(t, r, w, "it-new"))
			}
		})
	}
}

// What the failed upgrade had added, and somebody else has now, is not this release's to delete.
func TestRollBackLeavesWhatIsNotItsOwn(t *testing.T) {
	r, w := failing(t)
	if err := r.Cluster.Client().CoreV1().ConfigMaps(w.Namespace).Delete(t.Context(), "it-new", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	theirs, err := kube.ReadObjects([]byte(fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: it-new, namespace: %s}\ndata: {a: b}", w.Namespace)))
	if err == nil {
		err = r.Cluster.Apply(t.Context(), theirs...)
	}
	if err != nil {
		t.Fatal(err)
	}
	killed, err := r.store(w.Namespace).Get(w.Name, 1)
	if err == nil {
		killed.Version, killed.Info.Status = 3, release.StatusPendingRollback
		err = r.store(w.Namespace).Create(killed)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.RollBack(t.Context(), w.Name, w.Namespace, "workload-1.2.3"); err != nil || !has(t, r, w, "it-new") || !has(t, r, w, "it-extra") {
		t.Errorf("theirs %t, extra %t, %v", has(t, r, w, "it-new"), has(t, r, w, "it-extra"), err)
	}
}
