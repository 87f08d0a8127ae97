//go:build lab

package ice_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory/ice"
	"github.com/georedkit/georedkit/internal/laboratory/joined"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

var lab = joined.Shared{Shared: labtest.Shared{Sites: 2, Stores: ice.Stores}}

func TestMain(m *testing.M) { lab.Main(m) }

// As the guide has it, whole: the first site hangs for want of the others' credentials, and of nothing else; both come up;
// what is written at one is at the other, in every store; the index comes back; versions behave as they are for.
func TestICE(t *testing.T) {
	i := ice.On(t, lab.Up(t))
	i.Apply("dc1", ice.Version, ice.Values("dc1", i.Names))
	i.Await("the first site hangs for the credentials of dc2", func() (string, bool) {
		why := hangs(t, i)
		return why, strings.Contains(why, `secret "dc2" not found`)
	})
	if n := replicas(t, i, "dc1"); n != 0 {
		t.Errorf("%d nodes of the ring before there are credentials", n)
	}
	i.Install()
	for _, site := range i.Names {
		if text := i.CQL(site, "select count(*) from dev.changeset;"); !strings.Contains(text, " 107\n") {
			t.Errorf("%s: changes: %s", site, text)
		}
	}
	i.Write("dc1", 20)
	i.Write("dc2", 10)
	for _, site := range i.Names {
		i.AwaitCounts(site, 30)
	}
	t.Run("ksqldb reads topics that were there when it started", func(t *testing.T) { restartedKsqldb(t, i) })
	t.Run("the index is filled again", func(t *testing.T) { refilled(t, i) })
	t.Run("versions", func(t *testing.T) { versions(t, i) })
}

// hangs tells what the pod of MultiCassKop complains of.
func hangs(t *testing.T, i *ice.ICE) string {
	t.Helper()
	events, err := i.Clusters["dc1"].Client().CoreV1().Events("ice-cassandra").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, e := range events.Items {
		if strings.HasPrefix(e.InvolvedObject.Name, "multi-casskop") {
			said = append(said, e.Message)
		}
	}
	return strings.Join(said, "\n")
}

func replicas(t *testing.T, i *ice.ICE, site geored.SiteName) int32 {
	t.Helper()
	set, err := i.Clusters[site].Client().AppsV1().StatefulSets("ice-cassandra").Get(t.Context(), fmt.Sprintf("ice-%s-rack1", site), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return *set.Spec.Replicas
}

func restartedKsqldb(t *testing.T, i *ice.ICE) {
	type streams struct {
		Topics  []string
		Records int
	}
	ask := func() (s streams, err error) {
		err = i.Ask("dc1", "ksqldb.ice-kafka.svc:8080", "/streams", &s)
		return s, err
	}
	if s, err := ask(); err != nil || len(s.Topics) != 0 {
		t.Errorf("one that was started before the topics: %+v %v", s, err)
	}
	i.Restart("dc1", "ice-kafka", "run=ksqldb")
	i.Await("ksqldb reads the other site's records", func() (string, bool) {
		s, err := ask()
		return fmt.Sprintf("%+v %v", s, err), err == nil && len(s.Topics) == 1 && s.Topics[0] == "dc2.messages" && s.Records == 10
	})
}

func refilled(t *testing.T, i *ice.ICE) {
	// The index of a site is its own: without it, nothing but that is missing.
	i.DropIndex("dc2")
	if counts, err := i.Counts("dc2"); err == nil {
		t.Fatalf("the index is still there: %+v", counts)
	}
	i.Resync("dc2", "resync-1")
	i.AwaitCounts("dc2", 30)
}

func versions(t *testing.T, i *ice.ICE) {
	secret := func(site geored.SiteName) string {
		s, err := i.Clusters[site].Client().CoreV1().Secrets("ice-arcus").Get(t.Context(), "init-superuser-pass", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return string(s.Data["pass"])
	}
	before := secret("dc1")
	if before == "" || before == secret("dc2") {
		t.Error("the sites did not draw a password each")
	}
	began := time.Now()
	i.Apply("dc1", "3.5.41630", ice.Values("dc1", i.Names))
	i.AwaitModel("dc1", "3.5.41630")
	i.AwaitReady("dc1")
	t.Logf("upgrade: %s", time.Since(began).Round(100*time.Millisecond))
	if secret("dc1") != before {
		t.Error("an upgrade drew another password")
	}
	if n := replicas(t, i, "dc1"); n != 1 {
		t.Errorf("after an upgrade the ring has %d nodes", n)
	}
	if text := i.CQL("dc2", "select count(*) from dev.changeset;"); !strings.Contains(text, " 108\n") {
		t.Errorf("changes: %s", text)
	}
	i.Write("dc1", 1)
	i.Write("dc2", 1) // the older version goes on beside it
	i.Apply("dc2", "3.5.41631", ice.Values("dc2", i.Names))
	i.Await("the modelmanager that never ends runs", func() (string, bool) {
		job, err := i.Clusters["dc2"].Client().BatchV1().Jobs("ice-arcus").Get(t.Context(), "modelmanager-3.5.41631", metav1.GetOptions{})
		if err != nil {
			return err.Error(), false
		}
		return fmt.Sprint(job.Status), job.Status.Ready != nil && *job.Status.Ready == 1 && job.Status.Succeeded == 0
	})
}
