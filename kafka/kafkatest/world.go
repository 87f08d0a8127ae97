package kafkatest

import (
	"context"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
)

// tester is the part of testing.TB that the kit needs.
type tester interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// World is fake sites. It is a [Deployment].
type World struct {
	names []geored.SiteName
	sites map[geored.SiteName]*site

	mu   sync.Mutex
	cuts map[geored.Target]bool
}

type site struct {
	name    geored.SiteName
	cluster *kfake.Cluster
	gate    *gate
	worker  *worker
	rest    *httptest.Server
}

// New starts a fake cluster and a fake worker per site, and MirrorMaker both ways between all of them. Without names
// there are two sites, dc1 and dc2. Everything ends with the test.
func New(t tester, names ...geored.SiteName) *World {
	t.Helper()
	if len(names) == 0 {
		names = []geored.SiteName{"dc1", "dc2"}
	}
	w := &World{names: names, sites: map[geored.SiteName]*site{}, cuts: map[geored.Target]bool{}}
	for _, name := range names {
		s := &site{name: name, gate: newGate()}
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID(string(name)), kfake.ListenFn(s.gate.listen))
		if err != nil {
			t.Fatalf("site %s: %v", name, err)
		}
		t.Cleanup(cluster.Close)
		s.cluster, w.sites[name] = cluster, s
	}
	for _, s := range w.sites {
		s.worker = newWorker(t, w, s)
		s.rest = httptest.NewServer(s.worker.handler())
		t.Cleanup(func() { s.worker.set(func(state *workerState) { state.paused = false }); s.rest.Close() })
	}
	for _, m := range kafka.MirrorsBothWays(names...) {
		w.sites[m.To].worker.mirror(m)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context())) // it ends in the cleanup
	var running sync.WaitGroup
	for _, s := range w.sites {
		running.Add(1)
		go func() {
			defer running.Done()
			s.worker.run(ctx)
		}()
	}
	t.Cleanup(func() {
		for _, s := range w.sites {
			s.gate.set(false, false) // nobody waits for a broker that a test left paused or dead
		}
		stop()
		running.Wait()
	})
	return w
}

// Sites are the names of the sites.
func (w *World) Sites() []geored.SiteName { return w.names }

// Access is how a site's fake brokers are reached.
func (w *World) Access(name geored.SiteName) kafka.Access {
	return kafka.Access{Site: name, Bootstrap: w.sites[name].cluster.ListenAddrs(), Timeout: 5 * time.Second}
}

// ConnectURL is the fake REST API of the worker that mirrors into a site.
func (w *World) ConnectURL(name geored.SiteName) string { return w.sites[name].rest.URL }

// Cluster is a site's fake cluster, for faults of single requests.
func (w *World) Cluster(name geored.SiteName) *kfake.Cluster { return w.sites[name].cluster }

func (w *World) cut(from, to geored.SiteName, on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts[geored.Target{Site: from, To: to}] = on
}

func (w *World) isCut(from, to geored.SiteName) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cuts[geored.Target{Site: from, To: to}]
}

// settings are those that MirrorMaker's connectors are made with. With more than two sites copies are not copied on, for
// their number grows with every way through all sites.
func (w *World) settings(m kafka.Mirror, class string) connect.Settings {
	s := connect.Settings{
		"connector.class":      "org.apache.kafka.connect.mirror." + class,
		"tasks.max":            "2",
		"source.cluster.alias": string(m.From), "target.cluster.alias": string(m.To),
		"topics": ".*", "groups": ".*",
		"refresh.topics.interval.seconds": "1", "sync.group.offsets.enabled": "true",
	}
	if len(w.names) > 2 {
		s["topics.exclude"], s["heartbeats.replication.enabled"] = `.*[\-\.]internal,.*\.replica,__.*`, "false"
		for _, name := range w.names {
			s["topics.exclude"] += "," + string(name) + `\..*`
		}
	}
	return s
}
