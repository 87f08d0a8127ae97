package kafkatest

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/broker"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/stream"
)

// worker is a fake Connect worker: it mirrors into its site.
type worker struct {
	world *World
	site  *site

	brokers map[geored.SiteName]*broker.Cluster
	records map[geored.SiteName]*stream.Reader
	client  map[geored.SiteName]*kgo.Client

	round sync.Mutex // held while the connectors do their work

	mu    sync.Mutex
	moved *sync.Cond
	state workerState
}

type workerState struct {
	paused, killed, rebalancing bool
	life                        int // counts starts: what was copied in an earlier life is not committed
	connectors                  map[string]*connector
}

// connector is what Connect keeps of one.
type connector struct {
	name      string
	settings  connect.Settings
	state     connect.State
	trace     string
	tasks     []connect.Task
	committed map[kafka.Partition]int64 // last copied offset
	flushed   map[kafka.Partition]int64 // what a kill falls back to
	flushedAt time.Time
	copied    time.Time // when the last batch was
	syncs     map[kafka.Partition][]kafka.OffsetSync
	ids       map[string]kafka.TopicID // of the topics that the running tasks know
	changed   int                      // counts changes from outside: a step that began before one is dropped
}

func (c *connector) class() string {
	return c.settings["connector.class"][strings.LastIndexByte(c.settings["connector.class"], '.')+1:]
}

func newWorker(t tester, world *World, s *site) *worker {
	w := &worker{world: world, site: s, brokers: map[geored.SiteName]*broker.Cluster{}, records: map[geored.SiteName]*stream.Reader{},
		client: map[geored.SiteName]*kgo.Client{}, state: workerState{connectors: map[string]*connector{}}}
	w.moved = sync.NewCond(&w.mu)
	for _, name := range world.names {
		access := world.Access(name)
		brokers, err := broker.Open(access)
		if err != nil {
			t.Fatalf("%v", err)
		}
		t.Cleanup(brokers.Close)
		if w.records[name], err = stream.Open(access); err != nil {
			t.Fatalf("%v", err)
		}
		client, err := kgo.NewClient(kgo.SeedBrokers(access.Bootstrap...), kgo.DisableClientMetrics(), kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(20*time.Second),
			kgo.DisableIdempotentWrite()) // brokers may keep a producer's sequence beyond the topic
		if err != nil {
			t.Fatalf("%v", err)
		}
		t.Cleanup(client.Close)
		w.brokers[name], w.client[name] = brokers, client
	}
	return w
}

// mirror makes the three connectors of a mirror.
func (w *worker) mirror(m kafka.Mirror) {
	for _, class := range []string{kafka.SourceConnector, kafka.CheckpointConnector, kafka.HeartbeatConnector} {
		w.set(func(s *workerState) { w.putLocked(s, m.Connector(class), w.world.settings(m, class)) })
	}
}

// putLocked makes a connector or changes its settings.
func (w *worker) putLocked(state *workerState, name string, s connect.Settings) {
	c := state.connectors[name]
	if c == nil {
		c = &connector{name: name, committed: map[kafka.Partition]int64{}, syncs: map[kafka.Partition][]kafka.OffsetSync{}}
		state.connectors[name] = c
	}
	c.settings = maps.Clone(s)
	w.startUnlessHeld(c)
}

// startUnlessHeld: what was paused or stopped stays so until it is resumed.
func (w *worker) startUnlessHeld(c *connector) {
	if c.state != connect.Paused && c.state != connect.Stopped {
		w.start(c)
	}
}

// start is what Connect does with a connector that is to run. One that cannot reach its source fails, and stays so.
func (w *worker) start(c *connector) {
	c.changed++
	c.state, c.trace, c.tasks, c.ids = connect.Running, "", nil, map[string]kafka.TopicID{}
	from := geored.SiteName(c.settings["source.cluster.alias"])
	if c.class() != kafka.HeartbeatConnector && w.world.isCut(from, w.site.name) {
		c.state = connect.Failed
		c.trace = "org.apache.kafka.common.config.ConfigException: No resolvable bootstrap urls given in bootstrap.servers\n\tat org.apache.kafka.clients"
		c.tasks = []connect.Task{{State: connect.Failed, Trace: c.trace}}
	}
}

func (w *worker) set(f func(*workerState)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.state)
	w.moved.Broadcast()
}

// flushInterval is how often what was copied is committed: a kill has what came since copied again.
const flushInterval = 2 * time.Second

// kill ends the worker, and starts it again when it is mended.
func (w *worker) kill(on bool) {
	w.set(func(s *workerState) {
		s.killed = on
		s.life++
		for _, c := range s.connectors {
			if on && c.flushed != nil && time.Since(c.copied) < flushInterval {
				c.committed = c.flushed
			}
		}
		if !on {
			for _, c := range s.connectors {
				if c.state == connect.Running || c.state == connect.Failed {
					w.start(c)
				}
			}
		}
	})
}

// run is the worker's life: every connector in turn, until the test ends.
func (w *worker) run(ctx context.Context) {
	admins := map[geored.SiteName]*kadm.Client{}
	for name, client := range w.client {
		admins[name] = kadm.NewClient(client)
	}
	for ctx.Err() == nil {
		w.turn(ctx, admins)
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// turn lets every connector work once.
func (w *worker) turn(ctx context.Context, admins map[geored.SiteName]*kadm.Client) {
	w.round.Lock()
	defer w.round.Unlock()
	for _, c := range w.runnable() {
		switch c.class() {
		case kafka.SourceConnector:
			w.copyRecords(ctx, admins, c)
		case kafka.CheckpointConnector:
			w.checkpoint(ctx, admins, c)
		case kafka.HeartbeatConnector:
			w.heartbeat(ctx, admins, c)
		}
	}
}

// settle returns when what was under way has ended: a fault that is there lets nothing through any more.
func (w *worker) settle() {
	w.round.Lock()
	defer w.round.Unlock()
}

// runnable are copies of the connectors that run, as they are now.
func (w *worker) runnable() []connector {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []connector
	if w.state.killed || w.state.paused {
		return nil
	}
	for _, c := range w.state.connectors {
		if c.state != connect.Running || len(c.tasks) > 0 && c.tasks[0].State != connect.Running {
			continue
		}
		from := geored.SiteName(c.settings["source.cluster.alias"])
		if c.class() != kafka.HeartbeatConnector && w.world.isCut(from, w.site.name) {
			continue // RUNNING all the same
		}
		copied := *c
		copied.committed, copied.ids, copied.syncs = maps.Clone(c.committed), maps.Clone(c.ids), maps.Clone(c.syncs)
		found = append(found, copied)
	}
	return found
}

// commit keeps what a step has done, unless the connector was changed or the worker killed meanwhile.
func (w *worker) commit(c connector, life int, f func(*connector)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.state.connectors[c.name]
	if now != nil && now.changed == c.changed && w.state.life == life && !w.state.killed {
		f(now)
	}
}

// goesOn says that a connector was not changed since the step began: a stopped one writes nothing any more.
func (w *worker) goesOn(c connector) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.state.connectors[c.name]
	return now != nil && now.changed == c.changed
}

func (w *worker) life() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.life
}
