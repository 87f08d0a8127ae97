//go:build lab

package kube_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

// both are the clusters of the laboratory.
func both(t *testing.T) (*labtest.Lab, []*kube.Cluster) {
	t.Helper()
	l := lab.Up(t)
	var clusters []*kube.Cluster
	for _, name := range []string{"dc1", "dc2"} {
		c, err := kube.Open(geored.SiteName(name), geored.KubeRef{Kubeconfig: l.Kubeconfig(name)})
		if err != nil {
			t.Fatal(err)
		}
		clusters = append(clusters, c)
	}
	return l, clusters
}

var names atomic.Int32

// name is one that no other test has.
func name(prefix string) string { return fmt.Sprintf("%s-%d", prefix, names.Add(1)) }

// journal opens a journal over the given clusters, whose ConfigMaps go with the test.
func journal(t *testing.T, name string, local geored.Journal, clusters ...*kube.Cluster) *kube.Journal {
	t.Helper()
	j, err := kube.OpenJournal(t.Context(), kube.JournalConfig{Clusters: clusters, Name: name, Local: local})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func note(t *testing.T, j geored.Journal, steps ...geored.StepID) {
	t.Helper()
	for _, s := range steps {
		if err := j.Append(t.Context(), geored.Record{Run: "r", Kind: geored.Intent, Step: s}); err != nil {
			t.Fatal(err)
		}
	}
}

func noted(t *testing.T, j geored.Journal) string {
	t.Helper()
	var ids []string
	for r, err := range j.Records(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, string(r.Step))
	}
	return strings.Join(ids, " ")
}

func TestJournalInTwoClusters(t *testing.T) {
	_, clusters := both(t)
	geotest.JournalConformance(t, func(t *testing.T) geotest.JournalPlace {
		name := name("conformance")
		return geotest.JournalPlace{Many: 1200, Open: func(t *testing.T) geored.Journal { return journal(t, name, nil, clusters...) }}
	})
	maps, err := clusters[1].Client().CoreV1().ConfigMaps("kube-system").List(t.Context(), metav1.ListOptions{LabelSelector: "georedkit/journal"})
	if err != nil {
		t.Fatal(err)
	}
	chunks := slices.DeleteFunc(maps.Items, func(m corev1.ConfigMap) bool { return len(m.Data) < 300 })
	if len(chunks) < 2 {
		t.Errorf("many records are in %d chunks", len(chunks))
	}
}

func TestJournalWithoutOneOfItsSites(t *testing.T) {
	l, clusters := both(t)
	name := name("lost")
	var local geored.MemoryJournal
	j := journal(t, name, &local, clusters...)
	note(t, j, "a", "b")
	l.Fault("freeze", "dc2")
	if _, err := kube.OpenJournal(t.Context(), kube.JournalConfig{Clusters: clusters, Name: name, Least: 2}); err == nil || !strings.Contains(err.Error(), "1 of 2 sites answer, and 2 must: dc2 did not answer") {
		t.Errorf("a site that must answer: %v", err)
	}
	note(t, j, "c", "d")
	if silent := j.Silent(); len(silent) != 1 || silent[0].Target.Site != "dc2" {
		t.Errorf("%v", silent)
	}
	if got := noted(t, journal(t, name, nil, clusters...)); got != "a b c d" {
		t.Errorf("with dc2 away: %s", got)
	}
	l.Fault("thaw", "dc2")
	await(t, func() string { note(t, j, "x"); return fmt.Sprint(j.Silent()) }, "[]")
	all := noted(t, j)
	if got := noted(t, journal(t, name, nil, clusters[1])); got != all || !strings.HasPrefix(got, "a b c d x") {
		t.Errorf("what dc2 has alone: %s, want %s", got, all)
	}
	if got := noted(t, &local); got != all {
		t.Errorf("the local mirror: %s, want %s", got, all)
	}

	// A site that lost all of it gets it back.
	configMaps := clusters[0].Client().CoreV1().ConfigMaps("kube-system")
	if err := configMaps.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "georedkit/journal=" + name}); err != nil {
		t.Fatal(err)
	}
	if got := noted(t, journal(t, name, nil, clusters[0])); got != "" {
		t.Fatalf("it is still there: %s", got)
	}
	j = journal(t, name, nil, clusters...)
	note(t, j, "y")
	if got := noted(t, journal(t, name, nil, clusters[0])); got != all+" y" {
		t.Errorf("what dc1 has alone: %s, want %s y", got, all)
	}
}

func TestJournalThatSomebodyChanged(t *testing.T) {
	_, clusters := both(t)
	name := name("changed")
	note(t, journal(t, name, nil, clusters...), "a", "b", "c")
	chunk := func(c *kube.Cluster) (key string) {
		m := configMap(t, c, "kube-system", name+"-000001")
		for k := range m.Data {
			if strings.HasPrefix(k, "000000000002.") {
				key = k
			}
		}
		return key
	}
	key := chunk(clusters[0])
	change := func(c *kube.Cluster, value string) {
		patch := fmt.Sprintf(`{"data":{%q:%s}}`, key, value)
		if _, err := c.Client().CoreV1().ConfigMaps("kube-system").Patch(t.Context(), name+"-000001", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(want string) {
		t.Helper()
		var last error
		seen := 0
		for _, err := range journal(t, name, nil, clusters...).Records(t.Context()) {
			if seen++; err != nil {
				last = err
			}
		}
		if !errors.Is(last, geored.ErrJournalCorrupt) || !strings.Contains(last.Error(), want) || seen != 2 {
			t.Errorf("%d records, %v, want %s", seen, last, want)
		}
	}
	for _, value := range []string{`"changed"`, `null`} {
		change(clusters[0], value)
		if got := noted(t, journal(t, name, nil, clusters...)); got != "a b c" {
			t.Errorf("one of two sites has %s: %s", value, got)
		}
	}
	change(clusters[0], `"changed"`)
	change(clusters[1], `"changed"`)
	fails(fmt.Sprintf("configmap kube-system/%s-000001, key %s", name, key))
	change(clusters[0], `null`)
	change(clusters[1], `null`)
	fails("record 3 follows record 1")
}

func TestJournalWithNoSite(t *testing.T) {
	l, clusters := both(t)
	j := journal(t, name("none"), nil, clusters...)
	note(t, j, "a")
	l.Fault("freeze", "dc1")
	l.Fault("freeze", "dc2")
	began := time.Now()
	for range 2 {
		err := j.Append(t.Context(), geored.Record{Step: "b"})
		if err == nil || !strings.Contains(err.Error(), "0 of 2 sites took the record, and 1 must") {
			t.Errorf("%v", err)
		}
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s to say so", took)
	}
}
