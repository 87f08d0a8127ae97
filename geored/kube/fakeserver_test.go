package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// server is a site's API server in memory. It counts versions and refuses updates of an old one, as the real one does
// and client-go's fake alone does not; the same suites run on real ones in the laboratory.
type server struct {
	*Cluster
	mu      sync.Mutex
	version int
	away    error
}

func newServer(site geored.SiteName) *server {
	client := fake.NewClientset()
	s := &server{Cluster: &Cluster{site: site, client: client}}
	client.PrependReactor("*", "*", func(action k8stesting.Action) (bool, runtime.Object, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.away != nil {
			return true, nil, s.away
		}
		if create, ok := action.(k8stesting.CreateAction); ok && action.GetVerb() == "create" {
			return s.stamp(create.GetObject())
		}
		if update, ok := action.(k8stesting.UpdateAction); ok && action.GetVerb() == "update" {
			object, err := meta.Accessor(update.GetObject())
			if err != nil {
				return true, nil, err
			}
			live, err := client.Tracker().Get(action.GetResource(), action.GetNamespace(), object.GetName())
			if err != nil {
				return true, nil, err
			}
			if there, _ := meta.Accessor(live); there.GetResourceVersion() != object.GetResourceVersion() {
				return true, nil, apierrors.NewConflict(action.GetResource().GroupResource(), object.GetName(), errors.New("it was changed"))
			}
			return s.stamp(update.GetObject())
		}
		return false, nil, nil
	})
	return s
}

// stamp gives an object its version and leaves the rest to the tracker.
func (s *server) stamp(object runtime.Object) (bool, runtime.Object, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return true, nil, err
	}
	s.version++
	accessor.SetResourceVersion(strconv.Itoa(s.version))
	return false, nil, nil
}

// leaves makes a site not answer any more; nil: it is back.
func (s *server) leaves(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = err
}

var errAway = errors.New("connection refused")

func twoServers() (a, b *server, clusters []*Cluster) {
	a, b = newServer("dc1"), newServer("dc2")
	return a, b, []*Cluster{b.Cluster, a.Cluster}
}

func TestLeaseLockOnServersInMemory(t *testing.T) {
	geotest.LockConformance(t, func(t *testing.T) geotest.LockPlace {
		_, _, clusters := twoServers()
		return geotest.LockPlace{
			Claim: func(_ *testing.T, h geored.Holder) geored.Lock {
				return NewLeaseLock(LeaseConfig{Clusters: clusters, Name: "it", Holder: h, TTL: time.Second})
			},
			Steal: func(t *testing.T) {
				for _, c := range clusters {
					if err := c.client.CoordinationV1().Leases("kube-system").Delete(t.Context(), "it", metav1.DeleteOptions{}); err != nil {
						t.Fatal(err)
					}
				}
			},
		}
	})
}

func TestJournalOnServersInMemory(t *testing.T) {
	geotest.JournalConformance(t, func(t *testing.T) geotest.JournalPlace {
		_, _, clusters := twoServers()
		return geotest.JournalPlace{Many: 300, Open: func(t *testing.T) geored.Journal { return openJournal(t, nil, clusters...) }}
	})
}

func openJournal(t *testing.T, local geored.Journal, clusters ...*Cluster) *Journal {
	t.Helper()
	j, err := OpenJournal(t.Context(), JournalConfig{Clusters: clusters, Name: "it", Local: local})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func journalled(t *testing.T, j geored.Journal) string {
	t.Helper()
	text := ""
	for r, err := range j.Records(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		text += string(r.Step)
	}
	return text
}

func write(t *testing.T, j geored.Journal, steps string) {
	t.Helper()
	for _, s := range steps {
		if err := j.Append(t.Context(), geored.Record{Step: geored.StepID(s)}); err != nil {
			t.Fatal(err)
		}
	}
}

// A run whose lock cannot be renewed at one site stops before its next effect, and goes on when the site is back.
func TestALeaseThatRunsOutStopsTheNextEffect(t *testing.T) {
	_, dc2, clusters := twoServers()
	clock := geotest.NewClock(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	lock := NewLeaseLock(LeaseConfig{Clusters: clusters, Name: "it", Clock: clock})
	var world geotest.World
	task := world.Task(geored.Step{ID: "a", Target: "a", Action: geored.Apply})
	apply, observe := task.Apply, task.Observe
	task.Observe = func(ctx context.Context) (geored.State, error) {
		if world.Applied("a") == 0 && dc2.version < 4 {
			dc2.leaves(errAway)
			_ = clock.Sleep(ctx, 20*time.Second) // longer than it lives
		}
		return observe(ctx)
	}
	task.Apply = func(ctx context.Context) error { return apply(ctx) }
	var waited []string
	book := geored.Runbook{Name: "test", Stages: []geored.Stage{geored.StageOf("only", task)}}
	result, err := book.Run(t.Context(), geored.RunConfig{Lock: lock, Clock: clock, Observer: func(e geored.Event) {
		if e.Kind == geored.StepWaiting {
			waited = append(waited, e.Detail)
			if world.Applied("a") != 0 {
				t.Error("it was applied without the lock")
			}
			dc2.leaves(nil)
			dc2.mu.Lock()
			dc2.version = 10
			dc2.mu.Unlock()
		}
	}})
	if err != nil || result.Outcomes[0].Status != geored.Changed || len(waited) == 0 {
		t.Fatalf("%+v, %v, %q", result.Outcomes, err, waited)
	}
	if retries := result.Outcomes[0].Retries; len(retries) == 0 || !containsAll(retries[0].Reason, "site dc2: lease kube-system/it could not be renewed for", "connection refused", "the lock is lost") {
		t.Errorf("%+v", retries)
	}
}

// Who watches is told whose lock it is and when it ends, once; a holder who lives is no wait for its end.
func TestWhoWatchesIsToldOfALockThatIsAwaited(t *testing.T) {
	_, _, clusters := twoServers()
	clock := geotest.NewClock(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	anna := geored.Holder{Owner: "anna@host1", What: "ice-install", Since: clock.Now()}
	dead, kill := context.WithCancel(t.Context())
	first := NewLeaseLock(LeaseConfig{Clusters: clusters, Name: "it", Clock: clock, Holder: anna})
	if err := first.Acquire(dead); err != nil {
		t.Fatal(err)
	}
	watched := func() (events []geored.Event, err error) {
		var w geotest.World
		book := geored.Runbook{Name: "test", Stages: []geored.Stage{geored.StageOf("only", w.Task(geored.Step{ID: "a", Target: "a", Action: geored.Apply}))}}
		_, err = book.Run(t.Context(), geored.RunConfig{Clock: clock, Lock: NewLeaseLock(LeaseConfig{Clusters: clusters, Name: "it", Clock: clock}),
			Observer: func(e geored.Event) { events = append(events, e) }})
		return events, err
	}
	told := func(events []geored.Event) {
		t.Helper()
		e := events[0]
		if e.Kind != geored.LockAwaited || e.Holder == nil || *e.Holder != anna || e.Until.Sub(e.Time) > 15*time.Second || !e.Until.After(e.Time) ||
			!containsAll(e.Detail, "site dc1: lease kube-system/it is held by anna@host1 for ice-install since 2026-01-02T03:04:05Z") {
			t.Errorf("%+v", e)
		}
		text, err := json.Marshal(e)
		if err != nil || !containsAll(string(text), `"kind":"lock-awaited"`, `"holder":{"owner":"anna@host1","what":"ice-install","since":"2026-01-02T03:04:05Z"}`, `"until":"2026-01-02T03:`) {
			t.Errorf("%s, %v", text, err)
		}
		for _, later := range events[1:] {
			if text, err := json.Marshal(later); err != nil || later.Kind == geored.LockAwaited || strings.Contains(string(text), "until") {
				t.Errorf("%s, %v", text, err)
			}
		}
	}
	events, err := watched()
	if !errors.Is(err, geored.ErrHeld) {
		t.Errorf("of a holder who lives: %v", err)
	}
	told(events)
	kill()
	first.stop() // it renews no more, and gives nothing back: as a process that is dead
	<-first.stopped
	if events, err = watched(); err != nil || events[1].Kind != geored.RunStarted {
		t.Errorf("of one who died: %v, %+v", err, events)
	}
	told(events)
}

func TestASiteThatIsAwayWhenTheLockIsTaken(t *testing.T) {
	_, dc2, clusters := twoServers()
	dc2.leaves(errAway)
	if err := NewLeaseLock(LeaseConfig{Clusters: clusters, Name: "it"}).Acquire(t.Context()); err == nil ||
		!containsAll(err.Error(), "lease kube-system/it: 1 of 2 sites answer, and it must be held on 2: dc2 did not answer: connection refused") {
		t.Errorf("%v", err)
	}
	one := NewLeaseLock(LeaseConfig{Clusters: clusters, Name: "it", Least: 1})
	if err := one.Acquire(t.Context()); err != nil || fmt.Sprint(one.Silent()) != "[dc2 did not answer: connection refused]" {
		t.Errorf("%v, %v", err, one.Silent())
	}
	if err := one.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAJournalCatchesUp(t *testing.T) {
	dc1, dc2, clusters := twoServers()
	clock := geotest.StoppedClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	j, err := OpenJournal(t.Context(), JournalConfig{Clusters: clusters, Name: "it", Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	write(t, j, "ab")
	dc2.leaves(errAway)
	write(t, j, "cd")
	if got := fmt.Sprint(j.Silent()); got != "[dc2 did not answer: connection refused]" {
		t.Error(got)
	}
	if got := journalled(t, openJournal(t, nil, clusters...)); got != "abcd" {
		t.Errorf("with dc2 away: %s", got)
	}
	dc2.leaves(nil)
	write(t, j, "e") // it rests
	if got := journalled(t, openJournal(t, nil, dc2.Cluster)); got != "ab" {
		t.Errorf("dc2 alone, while it rests: %s", got)
	}
	clock.Advance(siteRest)
	write(t, j, "f")
	for _, s := range []*server{dc1, dc2} {
		if got := journalled(t, openJournal(t, nil, s.Cluster)); got != "abcdef" {
			t.Errorf("%s alone: %s", s.site, got)
		}
	}
	dc1.leaves(errAway)
	dc2.leaves(errAway)
	for range 2 {
		if err := j.Append(t.Context(), geored.Record{}); err == nil || !containsAll(err.Error(), "0 of 2 sites took the record, and 1 must", "site dc1: connection refused") {
			t.Errorf("%v", err)
		}
	}
	if _, err := OpenJournal(t.Context(), JournalConfig{Clusters: clusters, Name: "it"}); err == nil || !containsAll(err.Error(), "0 of 2 sites answer", "dc1 did not answer", "dc2 did not answer") {
		t.Errorf("%v", err)
	}
}

func TestARecordThatFitsNowhere(t *testing.T) {
	_, _, clusters := twoServers()
	j := openJournal(t, nil, clusters...)
	if err := j.Append(t.Context(), geored.Record{Detail: string(make([]byte, 1<<20))}); err == nil || !containsAll(err.Error(), "does not fit into a ConfigMap") {
		t.Errorf("%v", err)
	}
	write(t, j, "a")
	if _, err := OpenJournal(t.Context(), JournalConfig{Clusters: clusters, Name: "No label"}); err == nil {
		t.Error("a name that no ConfigMap can have")
	}
}

func containsAll(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
