package ice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/broker"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/kafkatest"
	"github.com/georedkit/georedkit/kafka/stream"
	"github.com/georedkit/georedkit/objectstore"
	objectkube "github.com/georedkit/georedkit/objectstore/kube"
	"github.com/georedkit/georedkit/objectstore/objecttest"
)

// quick is the machine's clock with short pauses; budgets are longer, and stay so.
type quick struct{}

func (quick) Now() time.Time { return time.Now() }
func (quick) Sleep(ctx context.Context, d time.Duration) error {
	if d <= cassandra.GossipPause {
		d = min(d, 20*time.Millisecond)
	}
	return geored.SystemClock().Sleep(ctx, d)
}

// memoryNotes keeps the note where a program that was killed would find it.
type memoryNotes struct {
	mu    sync.Mutex
	note  RecoveryNote
	there bool
	err   error
}

func (m *memoryNotes) Load(context.Context) (RecoveryNote, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.note, m.there, m.err
}

func (m *memoryNotes) Save(_ context.Context, note RecoveryNote) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.note, m.there = note, true
	}
	return m.err
}

// sitesRig is sites with all stores, in this process.
type sitesRig struct {
	t       *testing.T
	names   []geored.SiteName
	ring    *cassandratest.Ring
	tool    *ringTool
	kafka   *kafkatest.World
	objects map[geored.SiteName]*objecttest.Server
	mirrors *fakeMirrors
	index   *fakeIndex
	notes   *memoryNotes
	journal *geored.MemoryJournal
	apart   func() []geored.Silence
	gates   []Gate
	away    geored.SiteName
	removes bool // mirrors do (--remove)
	orders  orders
}

// orders are the restarts of connectors that recoveries asked for.
type orders struct {
	mu    sync.Mutex
	given []string
}

func (o *orders) all() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.given)
}

// ordering notes what is to be restarted at a site.
type ordering struct {
	kafka.Restarter
	site   geored.SiteName
	orders *orders
}

func (o ordering) Restart(ctx context.Context, connector string, options connect.RestartOptions) error {
	o.orders.mu.Lock()
	o.orders.given = append(o.orders.given, fmt.Sprintf("%s %s %v", o.site, connector, options))
	o.orders.mu.Unlock()
	return o.Restarter.Restart(ctx, connector, options)
}

// ringTool is a nodetool that knows reloadseeds, and what is to be counted.
type ringTool struct {
	*cassandratest.Nodetool
	mu     sync.Mutex
	reload func()
	calls  []string
	before func(args []string) error
	after  func(args []string)
}

func (n *ringTool) Run(ctx context.Context, node cassandra.Node, args ...string) (string, error) {
	n.mu.Lock()
	n.calls = append(n.calls, fmt.Sprintf("%s %s", node.Site, strings.Join(args, " ")))
	reload, before, after := n.reload, n.before, n.after
	n.mu.Unlock()
	if before != nil {
		if err := before(args); err != nil {
			return "", err
		}
	}
	if args[0] == "reloadseeds" {
		if reload != nil {
			reload()
		}
		return "", nil
	}
	output, err := n.Nodetool.Run(ctx, node, args...)
	if after != nil {
		after(args)
	}
	return output, err
}

// restarts restarts nodes for runs that live.
type restarts struct{ *cassandratest.Ring }

func (r restarts) Restart(ctx context.Context, n cassandra.Node) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return r.Ring.Restart(ctx, n)
}

func (n *ringTool) count(part string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, call := range n.calls {
		if strings.Contains(call, part) {
			count++
		}
	}
	return count
}

// fakeMirrors copy by events until they are deaf, and list everything when they are restarted.
type fakeMirrors struct {
	rig     *sitesRig
	mu      sync.Mutex
	started map[geored.SiteName]time.Time
	marks   map[geored.SiteName]string
	stopped map[geored.SiteName]bool
	times   int
	calls   []string // stops and starts, and how many objects the site had
}

func (m *fakeMirrors) Stop(_ context.Context, site geored.SiteName) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped[site], m.calls = true, append(m.calls, fmt.Sprintf("stop %s %d", site, m.has(site)))
	return nil
}

func (m *fakeMirrors) has(site geored.SiteName) int {
	n := 0
	for _, id := range []string{"a", "b", "c", "d"} {
		if m.rig.objects[site].Has(filesBucket, "object-"+id) {
			n++
		}
	}
	return n
}

func (m *fakeMirrors) Stopped(_ context.Context, site geored.SiteName) (geored.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return geored.State{Done: m.stopped[site]}, nil
}

func (m *fakeMirrors) Start(_ context.Context, site geored.SiteName) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped[site], m.calls = false, append(m.calls, fmt.Sprintf("start %s %d", site, m.has(site)))
	return nil
}

func (m *fakeMirrors) Restart(_ context.Context, site geored.SiteName, mark string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.marks[site] == mark {
		return nil
	}
	m.marks[site], m.started[site] = mark, time.Now()
	m.times++
	for _, other := range m.rig.names {
		if other != site {
			m.rig.objects[site].MirrorTo(m.rig.t, m.rig.objects[other])
		}
	}
	return nil
}

func (m *fakeMirrors) Running(_ context.Context, site geored.SiteName, mark string) (geored.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return geored.State{Done: m.marks[site] == mark, Detail: m.marks[site]}, nil
}

func (m *fakeMirrors) Read(_ context.Context, site geored.SiteName) (objectkube.Mirror, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return objectkube.Mirror{Mark: m.marks[site], Stopped: m.stopped[site], Pods: []objectkube.Pod{{Mirrors: true, Started: m.started[site]}}}, nil
}

// fakeIndex is an index for each site, which a job fills from the rows of the site.
type fakeIndex struct {
	mu        sync.Mutex
	rows      map[geored.SiteName][]Reference
	documents map[geored.SiteName]map[string]bool
	objects   func(geored.SiteName, string) bool
	jobs      []string
	silent    geored.SiteName
	fails     bool // every job does, for good
}

func (f *fakeIndex) answer(site geored.SiteName) error {
	if f.silent == site {
		return errors.New("it gives no answer")
	}
	return nil
}

func (f *fakeIndex) References(_ context.Context, site geored.SiteName) ([]Reference, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rows[site], f.answer(site)
}

func (f *fakeIndex) Documents(_ context.Context, site geored.SiteName) (map[string]bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.documents[site]), f.answer(site)
}

func (f *fakeIndex) Objects(_ context.Context, site geored.SiteName) (map[string]bool, error) {
	keys := map[string]bool{}
	for _, row := range f.rows[site] {
		if f.objects(site, row.Object) {
			keys[row.Object] = true
		}
	}
	return keys, f.answer(site)
}

func (f *fakeIndex) Filled(context.Context, geored.SiteName) (string, time.Time, error) {
	return "elastic-sync", time.Now().Add(-day), nil
}

func (f *fakeIndex) Refill(_ context.Context, site geored.SiteName, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.jobs, string(site)+" "+name) {
		return nil
	}
	f.jobs = append(f.jobs, string(site)+" "+name)
	f.documents[site] = map[string]bool{}
	for _, row := range f.rows[site] {
		f.documents[site][row.Document] = true
	}
	return nil
}

func (f *fakeIndex) Refilled(_ context.Context, site geored.SiteName, name string) (geored.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ran := slices.Contains(f.jobs, string(site)+" "+name)
	if ran && f.fails {
		return geored.State{}, fmt.Errorf("%w: the backoff limit is reached", ErrRefill)
	}
	return geored.State{Done: ran}, f.answer(site)
}

func newSites(t *testing.T, names ...geored.SiteName) *sitesRig {
	r := &sitesRig{t: t, names: names, ring: cassandratest.New(t, names), kafka: kafkatest.New(t, names...), objects: map[geored.SiteName]*objecttest.Server{},
		notes: &memoryNotes{}, journal: &geored.MemoryJournal{}, apart: func() []geored.Silence { return nil }}
	r.tool = &ringTool{Nodetool: r.ring.Nodetool()}
	r.ring.CreateTable(cassandratest.Table{Keyspace: "dev", Name: "message", Columns: []cassandratest.Column{
		{Name: "id", Type: "text", Kind: cassandratest.PartitionKey}, {Name: "object_key", Type: "text"}}})
	r.mirrors = &fakeMirrors{rig: r, started: map[geored.SiteName]time.Time{}, marks: map[geored.SiteName]string{}, stopped: map[geored.SiteName]bool{}}
	r.index = &fakeIndex{rows: map[geored.SiteName][]Reference{}, documents: map[geored.SiteName]map[string]bool{}}
	r.index.objects = func(site geored.SiteName, key string) bool { return r.objects[site].Has(filesBucket, key) }
	for _, name := range names {
		kafkatest.Seed(t.Context(), t, r.kafka.Access(name)).Create("events", 1)
		r.objects[name] = objecttest.New(t, []string{filesBucket})
		r.mirrors.started[name] = time.Now().Add(-30 * day)
		r.index.documents[name] = map[string]bool{}
	}
	r.everywhere("a", "b", "c")
	return r
}

// everywhere writes messages that have reached every site.
func (r *sitesRig) everywhere(ids ...string) {
	for _, id := range ids {
		r.ring.Insert("dev.message", id, "object-"+id)
		for _, name := range r.names {
			r.objects[name].Put(filesBucket, "object-"+id, id)
			r.index.rows[name] = append(r.index.rows[name], Reference{id, "object-" + id, "doc-" + id})
		}
	}
}

// during writes a message that reached one site alone.
func (r *sitesRig) during(site geored.SiteName, id string) {
	r.ring.InsertAt(site, "dev.message", id, "object-"+id)
	r.objects[site].Put(filesBucket, "object-"+id, id)
	kafkatest.Seed(r.t.Context(), r.t, r.kafka.Access(site)).Write("events", []byte(id), []byte(id))
	for _, name := range r.names { // once Cassandra is together, all have it
		r.index.rows[name] = append(r.index.rows[name], Reference{id, "object-" + id, "doc-" + id})
	}
}

// unreadable is a site whose records nobody can look at.
type unreadable struct{ kafka.RecordReader }

func (unreadable) Tail(context.Context, kafka.Partition, int64, int64) (kafka.Tail, error) {
	return kafka.Tail{}, errors.New("the broker did not answer")
}

// What nobody could look at may hold the oldest write: how much would have been lost is not known then.
func TestUnreadRecordsAreNotMeasured(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	mend, err := r.kafka.Inject(t.Context(), kafkatest.LinkCut, geored.Target{Site: "dc1", To: "dc2"})
	if err != nil {
		t.Fatal(err)
	}
	r.during("dc1", "d")
	config := r.kafkaConfig()
	for i := range config.Sites {
		config.Sites[i].Records = unreadable{config.Sites[i].Records}
	}
	x := &Recovery{Sites: r.names, Notes: r.notes, Clock: quick{}}
	store, err := x.Kafka(KafkaStore{Config: config, Canary: kafka.CanaryPlan{Wait: time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	missing := store.Measure(t.Context())
	i := slices.IndexFunc(missing, func(m Missing) bool { return m.From == "dc1" })
	if i < 0 || missing[i].Count == 0 || !strings.Contains(missing[i].Err, "the broker did not answer") {
		t.Errorf("%+v", missing)
	}
	if err := mend(t.Context()); err != nil {
		t.Error(err)
	}
}

// All stores are measured side by side, told in their order, and one that could not be is asked again alone.
func TestWhatWasNotMeasuredIsAskedAgain(t *testing.T) {
	var under, looks, again atomic.Int32
	measure := func(store string, fails int32) func(context.Context) []Missing {
		var asked atomic.Int32
		return func(context.Context) []Missing {
			defer under.Add(-1)
			if under.Add(1) > 1 {
				looks.Add(1)
			}
			time.Sleep(50 * time.Millisecond)
			if asked.Add(1) <= fails {
				return []Missing{{Store: store, Err: "too busy"}}
			}
			if fails > 0 && under.Load() == 1 {
				again.Add(1)
			}
			return []Missing{{Store: store, Count: 1}}
		}
	}
	x := &Recovery{Apart: func(context.Context) []geored.Silence { return nil },
		Stores: []Store{{Name: "a", Measure: measure("a", 0)}, {Name: "b"}, {Name: "c", Measure: measure("c", 1)}, {Name: "d", Measure: measure("d", 9)}}}
	known := map[string][]Missing{}
	found := x.missing(t.Context(), known)
	if len(found) != 3 || found[0].Store != "a" || found[1].Store != "c" || found[1].unmeasured() || !found[2].unmeasured() {
		t.Errorf("%+v", found)
	}
	if looks.Load() == 0 || again.Load() != 1 {
		t.Errorf("side by side %d times, again alone %d", looks.Load(), again.Load())
	}
	if len(known) != 2 || known["a"] == nil || known["c"] == nil {
		t.Errorf("known: %v", known)
	}
	// What was measured is left as it was found, and what was not can be until a while after the sites came together.
	x.Clock, x.AskAgain = geored.SystemClock(), time.Minute
	known["a"] = []Missing{{Store: "a", Count: 7}}
	if found = x.missing(t.Context(), known); found[0].Count != 7 {
		t.Errorf("%+v", found)
	}
	for joined, want := range map[time.Time]bool{{}: true, time.Now(): true, time.Now().Add(-time.Hour): false} {
		x.note.Joined = joined
		if err := x.measuredLater(found); (err != nil) != want {
			t.Errorf("joined at %s: %v", joined, err)
		}
	}
}

func (r *sitesRig) kafkaConfig() kafka.Config {
	c := kafka.Config{Mirrors: kafka.MirrorsBothWays(r.names...)}
	for _, name := range r.names {
		access := r.kafka.Access(name)
		brokers, err := broker.Open(access)
		records, err2 := stream.Open(access)
		worker, err3 := connect.New(connect.Config{URL: r.kafka.ConnectURL(name), Timeout: 5 * time.Second})
		if err := errors.Join(err, err2, err3); err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(brokers.Close)
		c.Sites = append(c.Sites, kafka.Site{Name: name, Brokers: brokers, Records: records, Worker: worker, Messenger: brokers, Control: worker, Restarter: ordering{worker, name, &r.orders}})
	}
	return c
}

// recovery is what one call of the program makes.
func (r *sitesRig) recovery(said OutageSaid) *Recovery {
	r.t.Helper()
	x := &Recovery{Sites: r.names, Notes: r.notes, Said: said, Clock: quick{}, Gates: r.gates, Apart: func(context.Context) []geored.Silence { return r.apart() }}
	if x.Gates == nil {
		x.Gates = []Gate{gateOf("mesh", func() geored.Verdict { return geored.Pass })}
	}
	mirrors, err := x.Kafka(KafkaStore{Config: r.kafkaConfig(), Canary: kafka.CanaryPlan{Wait: 10 * time.Second}})
	if err != nil {
		r.t.Fatal(err)
	}
	config := r.ring.Config()
	config.Clock = quick{}
	x.Stores = []Store{mirrors,
		x.Cassandra(CassandraStore{Open: func(context.Context) (*cassandra.Cluster, error) { return cassandra.Open(config) }, Tool: r.tool, Restarter: restarts{r.ring}, Away: r.away, Settle: time.Second}),
		x.Search(SearchStore{r.index, r.index})}
	objects := ObjectStore{Access: map[geored.SiteName]ObjectAccess{}, Mirrors: r.mirrors, Removes: r.removes, Patience: 5 * time.Second, MakeBucket: func(_ context.Context, site geored.SiteName) error {
		r.objects[site].SetVersioning(filesBucket, objectstore.Unversioned)
		return nil
	}}
	for _, name := range r.names {
		objects.Access[name] = r.objects[name].Client(r.t, name, nil)
	}
	x.Stores = append(x.Stores, x.Objects(objects))
	return x
}

func gateOf(name string, verdict func() geored.Verdict) Gate {
	return Gate{Name: name, Checks: func() []geored.Check {
		return []geored.Check{{ID: "fake/gate", Run: func(context.Context) []geored.Finding {
			return []geored.Finding{{Verdict: verdict(), Message: "as it was told", Asked: []geored.Target{{Site: "dc1"}}}}
		}}}
	}}
}

// run is one call of the program: assess, run, prove.
func (r *sitesRig) run(ctx context.Context, x *Recovery, confirmed map[geored.StepID]string) (geored.Result, error) {
	r.t.Helper()
	if err := x.Assess(ctx); err != nil {
		return geored.Result{}, err
	}
	book, err := x.Runbook()
	if err != nil {
		return geored.Result{}, err
	}
	watched, stop := x.Attend(ctx, r.journal)
	defer stop()
	return book.Run(watched, geored.RunConfig{Journal: r.journal, Confirmed: confirmed, Poll: 20 * time.Millisecond, StepTimeout: 20 * time.Second})
}

// recovered runs to the end, and wants the proof to pass.
func (r *sitesRig) recovered(said OutageSaid, confirmed map[geored.StepID]string) (*Recovery, geored.Report) {
	r.t.Helper()
	x := r.recovery(said)
	result, err := r.run(r.t.Context(), x, confirmed)
	if err != nil {
		for _, o := range result.Outcomes {
			r.t.Logf("%s: %s: %s", o.ID, o.Status, o.Detail)
		}
		r.t.Fatal(err)
	}
	return x, r.proof(x)
}

func (r *sitesRig) proof(x *Recovery) geored.Report {
	r.t.Helper()
	report, err := geored.Prove(r.t.Context(), geored.CheckConfig{}, x.Checks()...)
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

func (r *sitesRig) wants(report geored.Report, verdict geored.Verdict) {
	r.t.Helper()
	if report.Verdict() != verdict {
		for _, f := range report.Findings {
			r.t.Logf("%s %s %s: %s: %s %q", f.Check, f.Site, f.To, f.Verdict, f.Message, f.Evidence)
		}
		r.t.Fatalf("the proof: %s, want %s", report.Verdict(), verdict)
	}
}

func find(report geored.Report, id geored.CheckID, text string) bool {
	return slices.ContainsFunc(report.Findings, func(f geored.Finding) bool {
		return f.Check == id && strings.Contains(f.Message+strings.Join(f.Evidence, "\n"), text)
	})
}

// verdictOf joins what a check found.
func verdictOf(report geored.Report, id geored.CheckID) geored.Verdict {
	var all []geored.Verdict
	for _, f := range report.Findings {
		if f.Check == id {
			all = append(all, f.Verdict)
		}
	}
	return geored.Join(all...)
}

// Outages of three lengths, over two sites and three: each store gets the cure that its limits ask for, and all is proven.
func TestRecoverOutages(t *testing.T) {
	for _, names := range [][]geored.SiteName{{"dc1", "dc2"}, {"dc1", "dc2", "dc3"}} {
		for name, c := range map[string]struct {
			outage  time.Duration
			repairs int // of one keyspace at one node
			cure    Cure
		}{
			"hints were kept":    {time.Hour, 1, AwaitCure}, // they were dropped all the same
			"hints were dropped": {5 * time.Hour, 1, RepairCure},
		} {
			t.Run(fmt.Sprintf("%d sites, %s", len(names), name), func(t *testing.T) {
				t.Parallel()
				r := newSites(t, names...)
				r.during("dc1", "d")
				r.during("dc2", "e")
				x, report := r.recovered(OutageSaid{Length: c.outage}, nil)
				r.wants(report, geored.Pass)
				for _, name := range names {
					if n := r.tool.count(string(name) + " repair -full -pr dev"); n != c.repairs {
						t.Errorf("%s: %d repairs of dev, want %d", name, n, c.repairs)
					}
					for _, id := range []string{"a", "d", "e"} {
						if !r.objects[name].Has(filesBucket, "object-"+id) {
							t.Errorf("%s lacks object-%s", name, id)
						}
					}
				}
				if d := x.decided(storeCassandra); d[0].Part != "keyspace dev" || d[0].Cure != c.cure {
					t.Errorf("%+v", d)
				}
				if len(r.index.jobs) != len(names) || r.mirrors.times != len(names) {
					t.Errorf("jobs %q, %d restarts of mirrors", r.index.jobs, r.mirrors.times)
				}
				for _, want := range []string{"cassandra: RPO", "objects: RPO"} {
					if !find(report, CheckRPO, want) {
						t.Errorf("no finding says %q", want)
					}
				}
				if !find(report, CheckRTO, "cassandra/ring: ") || !find(report, CheckRTO, "RTO ") {
					t.Error("the RTO is not told by step")
				}
			})
		}
	}
}

// A recovery that was killed behind its last step is called again: nothing is done twice. A later outage is another one.
func TestARecoveryThatIsOverIsNotBegunAgain(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.during("dc1", "d")
	said := OutageSaid{Length: time.Hour}
	first, _ := r.recovered(said, nil)
	again, report := r.recovered(said, nil)
	r.wants(report, geored.Pass)
	if again.Note().ID != first.Note().ID || len(r.index.jobs) != 2 || r.mirrors.times != 2 {
		t.Errorf("recovery %s after %s; jobs %q, %d restarts of mirrors", again.Note().ID, first.Note().ID, r.index.jobs, r.mirrors.times)
	}
	for name, later := range map[string]func(*Recovery){
		"another length": func(x *Recovery) { x.Said.Length = 2 * time.Hour },
		"evidence": func(x *Recovery) {
			x.Look = func(context.Context) []Evidence {
				return []Evidence{{Source: "hints", Apart: time.Now().Add(-time.Millisecond)}}
			}
		},
		"apart now": func(x *Recovery) {
			x.Apart = func(context.Context) []geored.Silence { return []geored.Silence{{Reason: "cut"}} }
		},
	} {
		x := r.recovery(said)
		later(x)
		if err := x.Assess(t.Context()); err != nil || x.Note().ID == first.Note().ID {
			t.Errorf("%s: recovery %s, %v", name, x.Note().ID, err)
		}
	}
}

// Beyond gc_grace nothing is repaired: a rebuild is planned, and done only with its confirmation.
func TestRebuildNeedsItsConfirmation(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.ring.DeleteAt("dc1", "dev.message", "a") // a deletion that dc2 never heard of
	r.index.rows["dc1"], r.index.rows["dc2"] = r.index.rows["dc1"][1:], r.index.rows["dc2"][1:]
	long := OutageSaid{Length: 11 * day}
	if _, err := r.run(t.Context(), r.recovery(long), nil); err == nil || !strings.Contains(err.Error(), "-away") {
		t.Fatalf("nobody said who was away: %v", err)
	}
	r.away = "dc2"
	x := r.recovery(long)
	if _, err := r.run(t.Context(), x, nil); err == nil || !strings.Contains(err.Error(), "must be confirmed") {
		t.Fatalf("without a confirmation: %v", err)
	}
	if r.notes.there || len(r.tool.calls) > 0 {
		t.Fatalf("something was changed without a confirmation: %q", r.tool.calls)
	}
	confirm := x.decided(storeCassandra)[0].Confirm
	if !strings.HasPrefix(confirm, "give-up-dev-in-dc2-") {
		t.Fatalf("confirm %q", confirm)
	}
	const step = "cassandra/keyspace/dev/rebuild"
	if _, err := r.run(t.Context(), r.recovery(long), map[geored.StepID]string{step: "yes"}); err == nil {
		t.Fatal("any value confirms")
	}
	_, report := r.recovered(long, map[geored.StepID]string{step: confirm})
	r.wants(report, geored.Fail) // who confirms a loss does not undo it
	for _, f := range report.Findings {
		if f.Verdict == geored.Fail && f.Check != CheckDecisions {
			t.Errorf("%s: %s", f.Check, f.Message)
		}
	}
	if !find(report, CheckDecisions, "dev.message: id = 'a'") {
		t.Error("the row that was given up is not named")
	}
	if n := r.tool.count("repair -full -pr dev"); n != 0 {
		t.Errorf("%d repairs bring deleted rows back", n)
	}
	if r.tool.count("rebuild -ks dev") != 1 {
		t.Errorf("%q", r.tool.calls)
	}
	if !find(report, CheckSameRows, "dev.message") {
		t.Error("no finding speaks of the table")
	}
}

// A utility of the product repairs continuously: what it brought back before the rebuild, no rebuild takes away.
func TestARepairBeforeTheRebuildIsTold(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.ring.DeleteAt("dc1", "dev.message", "a")
	long := OutageSaid{Length: 11 * day}
	r.away = "dc2"
	x := r.recovery(long)
	if _, err := r.run(t.Context(), x, nil); err == nil {
		t.Fatal("it went on without a confirmation")
	}
	address := netip.MustParseAddrPort(r.ring.Node("dc1", 0).Address())
	if _, err := r.tool.Nodetool.Run(t.Context(), cassandra.Node{Address: address}, "repair", "-full", "-pr", "dev"); err != nil {
		t.Fatal(err)
	}
	_, report := r.recovered(long, map[geored.StepID]string{"cassandra/keyspace/dev/rebuild": x.decided(storeCassandra)[0].Confirm})
	if !find(report, CheckDecisions, "may be back at every site, for somebody repaired before the rebuild:") || !find(report, CheckDecisions, "repair ") || !find(report, CheckDecisions, "kept aside: snapshot georedkit-") {
		t.Errorf("%+v", report.Findings)
	}
}

// A disk is lost with its bucket: what the other site has comes back, and what was there alone is named.
func TestLostBucket(t *testing.T) {
	for name, c := range map[string]struct {
		alone   []string // messages whose object dc2 alone had
		want    geored.Verdict
		removes bool
		calls   string // to the mirrors
	}{"the other site has all": {nil, geored.Pass, false, "[]"}, "one was there alone": {[]string{"z"}, geored.Fail, false, "[]"},
		// From an empty bucket a mirror with --remove learns to empty the other one.
		"mirrors remove": {nil, geored.Pass, true, "[stop dc2 0 start dc2 4]"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newSites(t, "dc1", "dc2")
			r.removes = c.removes
			r.during("dc1", "d")
			for _, id := range c.alone {
				r.during("dc2", id)
			}
			r.objects["dc2"] = objecttest.New(t, nil)
			if _, err := r.objects["dc2"].Client(t, "dc2", nil).Bucket(t.Context(), filesBucket); !errors.Is(err, objectstore.ErrNoBucket) {
				t.Fatalf("the bucket is there: %v", err)
			}
			var confirmed map[geored.StepID]string
			if c.removes {
				confirmed = map[geored.StepID]string{"objects/conflicts": confirmation("mirrors-may-remove-objects")}
			}
			_, report := r.recovered(OutageSaid{Length: time.Minute}, confirmed)
			r.wants(report, c.want)
			if got := fmt.Sprint(r.mirrors.calls); got != c.calls {
				t.Errorf("%s, want %s", got, c.calls)
			}
			for _, id := range []string{"a", "d"} {
				if !r.objects["dc2"].Has(filesBucket, "object-"+id) {
					t.Errorf("object-%s is not back", id)
				}
			}
			for _, id := range c.alone {
				if !find(report, CheckReferences, "row "+id+" names object object-"+id) {
					t.Errorf("%s is not named", id)
				}
			}
			if !find(report, CheckDecisions, "dc2 has no bucket files any more") {
				t.Error("nobody tells that the bucket was lost")
			}
		})
	}
}

// An outage that was said to be longer than it was: mirrors that seem to have begun in it survived it, and are deaf. The canary
// finds them, and each is restarted once.
func TestMirrorsThatSeemToHaveBegunInTheOutage(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.during("dc1", "d")
	for _, name := range r.names {
		r.mirrors.started[name] = time.Now().Add(-30 * time.Minute)
	}
	x, report := r.recovered(OutageSaid{Length: time.Hour}, nil)
	r.wants(report, geored.Pass)
	if d := x.decided(storeObjects); d[0].Cure != AwaitCure || r.mirrors.times != 2 {
		t.Errorf("%+v, %d restarts", d, r.mirrors.times)
	}
}

// No site has the bucket: that is not the same as to hold the same objects.
func TestNoBucketAnywhere(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	for _, name := range r.names {
		r.objects[name] = objecttest.New(t, nil)
	}
	x := r.recovery(OutageSaid{Length: time.Minute})
	report, err := geored.Prove(t.Context(), geored.CheckConfig{}, x.Stores[len(x.Stores)-1].Checks()...)
	if err != nil || report.Verdict() != geored.Unknown {
		t.Errorf("%s, %v", report.Verdict(), err)
	}
}

// A ring whose nodes know each other's old addresses only is healed by looking seeds up again.
func TestSplitRing(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	a, b := r.ring.Node("dc1", 0), r.ring.Node("dc2", 0)
	split := func(on bool) {
		a.Remember(b, on)
		b.Remember(a, on)
		a.Deafen(b, on)
		b.Deafen(a, on)
	}
	split(true)
	r.tool.reload = func() { split(false) }
	_, report := r.recovered(OutageSaid{Length: time.Minute}, nil)
	r.wants(report, geored.Pass)
	if r.tool.count("reloadseeds") != 1 {
		t.Errorf("%q", r.tool.calls)
	}
}

// What failed is restarted by the recovery, a task under a connector that runs too; the mirror of the other way is left alone.
func TestFailedMirror(t *testing.T) {
	connector := (kafka.Mirror{From: "dc2", To: "dc1"}).Connector(kafka.SourceConnector)
	for name, c := range map[string]struct {
		fails func(*sitesRig, *connect.Client) error
		state connect.State // of the connector
	}{
		"the connector": {func(r *sitesRig, worker *connect.Client) error { // it cannot reach its source when it starts
			mend, err := r.kafka.Inject(t.Context(), kafkatest.LinkCut, geored.Target{Site: "dc2", To: "dc1"})
			if err != nil {
				return err
			}
			return errors.Join(worker.Restart(t.Context(), connector, connect.RestartOptions{IncludeTasks: true}), mend(t.Context()))
		}, connect.Failed},
		"a task": {func(r *sitesRig, worker *connect.Client) error { // on a record that is too large, of a topic that goes again
			settings, err := worker.Settings(t.Context(), connector)
			if err != nil {
				return err
			}
			settings["producer.override.max.request.size"] = "20000"
			if err := errors.Join(worker.Stop(t.Context(), connector), worker.PutSettings(t.Context(), connector, settings), worker.Resume(t.Context(), connector)); err != nil {
				return err
			}
			seeder := kafkatest.Seed(t.Context(), t, r.kafka.Access("dc2"))
			seeder.Create("large", 1)
			seeder.Write("large", []byte("k"), bytes.Repeat([]byte("x"), 40_000))
			eventually(t, func() bool { return taskOf(t, worker, connector) == connect.Failed })
			seeder.Delete("large")
			return nil
		}, connect.Running},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSites(t, "dc1", "dc2")
			worker, err := connect.New(connect.Config{URL: r.kafka.ConnectURL("dc1")})
			if err != nil {
				t.Fatal(err)
			}
			other, err := connect.New(connect.Config{URL: r.kafka.ConnectURL("dc2")})
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, func() bool { // what has not begun yet looks like one that finds no topic
				return taskOf(t, worker, connector) == connect.Running && taskOf(t, other, (kafka.Mirror{From: "dc1", To: "dc2"}).Connector(kafka.SourceConnector)) == connect.Running
			})
			if err := c.fails(r, worker); err != nil {
				t.Fatal(err)
			}
			r.during("dc2", "d")
			if found, err := worker.Connector(t.Context(), connector); err != nil || found.State != c.state || taskOf(t, worker, connector) != connect.Failed {
				t.Fatalf("it did not fail: %+v, %v", found, err)
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Minute) // what is not restarted is waited for much longer
			defer stop()
			x := r.recovery(OutageSaid{Length: time.Hour})
			if _, err := r.run(ctx, x, nil); err != nil {
				t.Error(err)
			}
			for _, f := range r.proof(x).Findings { // a restart copies again what was not committed yet
				if f.Verdict != geored.Pass && !(f.Check == CheckRecords && f.Verdict == geored.Warn) {
					t.Errorf("%s %s %s: %s: %s %q", f.Check, f.Site, f.To, f.Verdict, f.Message, f.Evidence)
				}
			}
			cures := map[string]Cure{}
			for _, d := range x.decided(storeKafka) {
				cures[d.Part] = d.Cure
			}
			if want := map[string]Cure{"mirror dc2 -> dc1": RestartCure, "mirror dc1 -> dc2": AwaitCure}; !maps.Equal(cures, want) {
				t.Errorf("%v, want %v: %+v", cures, want, x.decided(storeKafka))
			}
			want := []string{"dc1 dc2->dc1.MirrorCheckpointConnector {true true}", "dc1 dc2->dc1.MirrorSourceConnector {true true}"} // tasks too, and what failed alone
			if orders := unique(r.orders.all()); !slices.Equal(orders, want) {
				t.Errorf("restarted were %q, want %q", orders, want)
			}
		})
	}
}

func taskOf(t *testing.T, worker *connect.Client, connector string) connect.State {
	t.Helper()
	found, err := worker.Connector(t.Context(), connector)
	if err != nil || len(found.Tasks) == 0 {
		return ""
	}
	return found.Tasks[0].State
}

// Records that retention removed are told, and nothing goes on before somebody accepts it.
func TestLossMustBeAccepted(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	seeder := kafkatest.Seed(t.Context(), t, r.kafka.Access("dc1"))
	seeder.Create("orders", 1)
	seeder.Produce("orders", 1, 0, 10)
	first := r.recovery(OutageSaid{Length: time.Minute})
	copied := first.Stores[0].Measure
	eventually(t, func() bool { return copied(t.Context())[0].Count == 0 })
	mend, err := r.kafka.Inject(t.Context(), kafkatest.LinkCut, geored.Target{Site: "dc1", To: "dc2"})
	if err != nil {
		t.Fatal(err)
	}
	seeder.Produce("orders", 1, 10, 10)
	seeder.Truncate("orders", 0, 15)
	x := r.recovery(OutageSaid{Length: time.Hour})
	if _, err = r.run(t.Context(), x, nil); err == nil || !strings.Contains(err.Error(), "accept-loss-from-dc1-to-dc2") {
		t.Fatalf("a loss that nobody accepted: %v", err)
	}
	_ = mend(t.Context())
	var confirmed = map[geored.StepID]string{}
	for _, d := range x.decided(storeKafka) {
		if d.Cure == LostCure {
			confirmed["kafka/lost/dc1/dc2"] = d.Confirm
		}
	}
	x = r.recovery(OutageSaid{Length: time.Hour})
	if _, err := r.run(t.Context(), x, confirmed); err != nil {
		// The mirror went on meanwhile, and its log shows nothing any more: then there is nothing to confirm either.
		t.Fatal(err)
	}
}

// A topic that was deleted and made again while its mirror stood still, with more in it than before: the mirror goes on behind
// what it never copied. With a person's confirmation the topic is copied from its beginning.
func TestATopicMadeAnewIsCopiedAgain(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	seeder := kafkatest.Seed(t.Context(), t, r.kafka.Access("dc1"))
	seeder.Create("orders", 1)
	seeder.Produce("orders", 1, 0, 10)
	_, report := r.recovered(OutageSaid{Length: time.Minute}, nil) // looks for the first time
	r.wants(report, geored.Pass)
	worker, err := connect.New(connect.Config{URL: r.kafka.ConnectURL("dc2")})
	if err != nil {
		t.Fatal(err)
	}
	connector := (kafka.Mirror{From: "dc1", To: "dc2"}).Connector(kafka.SourceConnector)
	if err := worker.Stop(t.Context(), connector); err != nil {
		t.Fatal(err)
	}
	seeder.Delete("orders")
	seeder.Create("orders", 1)
	seeder.Produce("orders", 1, 100, 30)
	if err := worker.Resume(t.Context(), connector); err != nil {
		t.Fatal(err)
	}
	target := kafkatest.Seed(t.Context(), t, r.kafka.Access("dc2"))
	eventually(t, func() bool { return target.End("dc1.orders", 0) == 30 }) // 20 of the new ones behind 10 old ones
	x := r.recovery(OutageSaid{Length: time.Hour})
	if _, err := r.run(t.Context(), x, nil); err == nil || !strings.Contains(err.Error(), "copy-again") {
		t.Fatalf("records that are to be copied twice, and nobody confirmed it: %v", err)
	}
	d := x.decided(storeKafka)[0]
	if d.Cure != AgainCure || len(d.Again) != 1 || d.Again[0] != "orders" {
		t.Errorf("%+v", d)
	}
	judged := map[string]geored.Verdict{}
	for _, f := range r.proof(x).Findings {
		if f.Check == CheckRecords || f.Check == CheckLosses {
			judged[fmt.Sprintf("%s %s", f.Check, f.Site)] = f.Verdict
		}
	}
	if want := map[string]geored.Verdict{"recover/records dc1": geored.Fail, "recover/records dc2": geored.Pass, "recover/losses dc1": geored.Fail, "recover/losses dc2": geored.Pass}; !maps.Equal(judged, want) {
		t.Errorf("before it is copied again: %v, want %v", judged, want)
	}
	_, report = r.recovered(OutageSaid{Length: time.Hour}, map[geored.StepID]string{"kafka/again/dc1/dc2": confirmation("copy-again", "orders")})
	for _, f := range report.Findings {
		if f.Verdict == geored.Fail || f.Verdict == geored.Unknown {
			t.Errorf("%s %s %s: %s: %s %q", f.Check, f.Site, f.To, f.Verdict, f.Message, f.Evidence)
		}
	}
	if end := target.End("dc1.orders", 0); end != 60 {
		t.Errorf("the copy ends at %d: the new topic is to be in it whole, behind what was there", end)
	}
}

// A mirror that has jumped over what retention removed shows no lag: what the last recovery saw of it tells all the same.
func TestLossThatNobodySaw(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	seeder := kafkatest.Seed(t.Context(), t, r.kafka.Access("dc1"))
	seeder.Create("orders", 1)
	seeder.Produce("orders", 1, 0, 10)
	_, report := r.recovered(OutageSaid{Length: time.Minute}, nil) // looks for the first time
	r.wants(report, geored.Pass)
	mend, err := r.kafka.Inject(t.Context(), kafkatest.LinkCut, geored.Target{Site: "dc1", To: "dc2"})
	if err != nil {
		t.Fatal(err)
	}
	seeder.Produce("orders", 1, 10, 10)
	seeder.Truncate("orders", 0, 17)
	_ = mend(t.Context())
	copied := r.recovery(OutageSaid{Length: time.Minute}).Stores[0].Measure
	eventually(t, func() bool { return copied(t.Context())[0].Count == 0 })
	x := r.recovery(OutageSaid{Length: time.Hour})
	if _, err := r.run(t.Context(), x, nil); err == nil || !strings.Contains(err.Error(), "accept-loss-from-dc1-to-dc2") {
		t.Fatalf("a loss that nobody accepted: %v", err)
	}
	_, report = r.recovered(OutageSaid{Length: time.Hour}, map[geored.StepID]string{"kafka/lost/dc1/dc2": x.decided(storeKafka)[0].Confirm})
	r.wants(report, geored.Fail)
	if verdictOf(report, CheckLosses) != geored.Fail || !find(report, CheckLosses, "7 offsets were removed by retention") || !find(report, CheckDecisions, "orders/0: retention-gap of 7 offsets after 10") {
		t.Error("what was lost is not named")
	}
	_, report = r.recovered(OutageSaid{Length: time.Minute}, nil)
	r.wants(report, geored.Pass) // it was told once
}

func eventually(t *testing.T, so func() bool) {
	t.Helper()
	for began := time.Now(); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("it never is")
		}
	}
}

// A site that disappears again halts the recovery with a clear state; started again it goes on, and does nothing twice.
func TestASiteDisappearsAgain(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.during("dc1", "d")
	var mu sync.Mutex
	gone := false
	r.apart = func() []geored.Silence {
		mu.Lock()
		defer mu.Unlock()
		if gone {
			return []geored.Silence{{Target: geored.Target{Site: "dc2"}, Reason: "no route to host"}}
		}
		return nil
	}
	repaired := func() map[string]int { // by node, as far as nodetool was reached
		counts := map[string]int{}
		for _, call := range r.tool.Nodetool.Calls() {
			if strings.HasSuffix(call, "repair -full -pr dev") {
				counts[call]++
			}
		}
		return counts
	}
	r.tool.before = func(args []string) error { // once the first node is repaired
		mu.Lock()
		defer mu.Unlock()
		if gone = gone || len(repaired()) == 1; gone {
			return errors.New("connection lost")
		}
		return nil
	}
	x := r.recovery(OutageSaid{Length: 5 * time.Hour})
	result, err := r.run(t.Context(), x, nil)
	halted := new(ApartError)
	if !errors.As(err, &halted) || !strings.Contains(err.Error(), "dc2: no route to host") || !strings.Contains(err.Error(), "start the program again") {
		t.Fatalf("%v\n%+v", err, result.Outcomes)
	}
	last, err := geored.LastRun(t.Context(), r.journal)
	if err != nil || !last.Interrupted() || !r.notes.note.Done.IsZero() || len(r.index.jobs) > 0 {
		t.Fatalf("%+v, %v, jobs %q", last, err, r.index.jobs)
	}
	mu.Lock()
	gone = false
	mu.Unlock()
	r.tool.mu.Lock()
	r.tool.before = nil
	r.tool.mu.Unlock()
	if err := r.recovery(OutageSaid{Length: 6 * time.Hour}).Assess(t.Context()); err == nil || !strings.Contains(err.Error(), "is not the one that is being recovered from") {
		t.Errorf("another outage meanwhile: %v", err)
	}
	_, report := r.recovered(OutageSaid{}, nil) // what was decided is known
	r.wants(report, geored.Pass)
	if counts := repaired(); len(counts) != 2 || slices.Max(slices.Collect(maps.Values(counts))) != 1 {
		t.Errorf("each node is to be repaired once: %v", counts)
	}
	if r.mirrors.times != 2 || len(r.index.jobs) != 2 {
		t.Errorf("%d restarts, jobs %q", r.mirrors.times, r.index.jobs)
	}
}

// Stores wait for the gates.
func TestGatesHoldUpTheStores(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.during("dc1", "d")
	var mu sync.Mutex
	looks := 0
	r.gates = []Gate{gateOf("mesh", func() geored.Verdict {
		mu.Lock()
		defer mu.Unlock()
		if looks++; looks < 5 {
			if len(r.tool.calls) > 0 || len(r.index.jobs) > 0 {
				t.Error("a store was touched before the mesh was proven")
			}
			return geored.Unknown
		}
		return geored.Pass
	}), gateOf("dns", func() geored.Verdict { return geored.Pass })}
	x, report := r.recovered(OutageSaid{Length: 5 * time.Hour}, nil)
	r.wants(report, geored.Pass)
	if note := x.Note(); note.Apart.IsZero() || !find(report, CheckRPO, "at most ") {
		t.Errorf("when the sites came together is not bounded: %+v", note)
	}
}

// An outage that goes on while the sites are waited for, beyond what the decision allowed for: nothing is done by it, and
// the next call decides anew.
func TestAnOutageThatGoesOn(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.away = "dc2"
	clock := &ahead{}
	var looks atomic.Int32
	said := OutageSaid{Length: 2 * day}
	first := r.recovery(said)
	first.Clock = clock
	r.apart = func() []geored.Silence { // they are together at the second look, nine days later
		if looks.Add(1) == 1 {
			return []geored.Silence{{Target: geored.Target{Site: "dc2"}, Reason: "no route to host"}}
		}
		clock.by.Store(int64(9 * day))
		return nil
	}
	if _, err := r.run(t.Context(), first, nil); err == nil || !strings.Contains(err.Error(), "went on for 216h") || !strings.Contains(err.Error(), "> retention.ms 168h0m0s of events") || !strings.Contains(err.Error(), "start again") {
		t.Fatalf("beyond the limits of every store: %v", err)
	}
	if len(r.index.jobs) > 0 || r.mirrors.times > 0 || r.tool.count("repair") > 0 {
		t.Error("a store was touched")
	}
	again := r.recovery(said)
	again.Clock = clock
	if err := again.Assess(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := again.decided(storeCassandra)[0]; d.Cure != RebuildCure || d.Confirm == "" || !strings.Contains(strings.Join(d.Seen, "; "), "went on for 216h") {
		t.Errorf("%+v", d)
	}
	if note := again.Note(); note.ID == first.Note().ID || note.Outage.Most < 11*day || !note.Joined.IsZero() {
		t.Errorf("%+v", note)
	}
}

// ahead is a quick clock that can be set forward.
type ahead struct {
	quick
	by atomic.Int64
}

func (a *ahead) Now() time.Time { return time.Now().Add(time.Duration(a.by.Load())) }

// A recovery that was killed between the drain of a node and its restart goes on: the ring is not whole before it restarts.
func TestADrainedNodeIsRestarted(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.ring.DeleteAt("dc1", "dev.message", "a")
	r.index.rows["dc1"], r.index.rows["dc2"] = r.index.rows["dc1"][1:], r.index.rows["dc2"][1:]
	r.away = "dc2"
	long := OutageSaid{Length: 11 * day}
	x := r.recovery(long)
	if err := x.Assess(t.Context()); err != nil {
		t.Fatal(err)
	}
	confirmed := map[geored.StepID]string{"cassandra/keyspace/dev/rebuild": x.decided(storeCassandra)[0].Confirm}
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	r.tool.after = func(args []string) {
		if args[0] == "drain" {
			kill()
		}
	}
	if _, err := r.run(ctx, r.recovery(long), confirmed); err == nil || r.tool.count("drain") != 1 {
		t.Fatalf("it was not killed behind the drain: %v, %q", err, r.tool.calls)
	}
	_, report := r.recovered(OutageSaid{}, confirmed)
	r.wants(report, geored.Fail) // of what was given up alone
	for _, f := range report.Findings {
		if f.Verdict == geored.Fail && f.Check != CheckDecisions {
			t.Errorf("%s: %s", f.Check, f.Message)
		}
	}
}

// A job that failed for good ends the recovery with its name, and not by waiting for it.
func TestARefillThatFails(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.index.fails = true
	_, err := r.run(t.Context(), r.recovery(OutageSaid{Length: time.Minute}), nil)
	if err == nil || !strings.Contains(err.Error(), "job resync-") || !strings.Contains(err.Error(), "delete the job and start again") {
		t.Fatal(err)
	}
}

// Objects that both sites change after the recovery has begun are found before a mirror keeps one version of them.
func TestConflictsThatComeLate(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	x := r.recovery(OutageSaid{Length: time.Minute})
	if err := x.Assess(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.objects["dc1"].Put(filesBucket, "object-a", "one")
	r.objects["dc2"].Put(filesBucket, "object-a", "two")
	book, err := x.Runbook()
	if err != nil {
		t.Fatal(err)
	}
	_, err = book.Run(t.Context(), geored.RunConfig{Poll: 20 * time.Millisecond, StepTimeout: 20 * time.Second})
	if err == nil || !strings.Contains(err.Error(), "such as files/object-a, and were not confirmed") || r.mirrors.times > 0 {
		t.Fatalf("%v; %d restarts of mirrors", err, r.mirrors.times)
	}
}

// What could not be read is not measured: no number stands for it.
func TestWhatIsUnreadIsNotMeasured(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.ring.Node("dc2", 0).CloseTable("dev.message", true)
	x := r.recovery(OutageSaid{Length: time.Minute})
	if err := x.Assess(t.Context()); err != nil {
		t.Fatal(err)
	}
	measured := x.Stores[1].Measure(t.Context())
	if len(measured) != 2 {
		t.Errorf("one of each way is measured: %+v", measured)
	}
	for _, m := range measured {
		if m.Err == "" {
			t.Errorf("%+v", m)
		}
	}
}

// held is a lock of a run, which loses it.
type held struct{ geored.Lock }

func (held) Check(context.Context) error { return geored.ErrLockLost }

// A run that lost its lock changes nothing more inside a step either.
func TestStagesInsideAStepAskTheLock(t *testing.T) {
	x := &Recovery{Lock: func() geored.Lock { return held{} }}
	done := false
	stage := geored.StageOf("inside", geored.Task{Step: geored.Step{ID: "inside/one", Target: "one", Action: geored.Execute, Reason: "for this test"},
		Observe: func(context.Context) (geored.State, error) { return geored.State{Done: done}, nil },
		Apply:   func(context.Context) error { done = true; return nil }})
	if err := x.nest(t.Context(), stage); !errors.Is(err, geored.ErrLockLost) || done {
		t.Errorf("%v, done: %v", err, done)
	}
}

// A look that began within the step's budget is heard to its end; one that somebody ends is not.
func TestALookAtAllDataIsHeardToItsEnd(t *testing.T) {
	x := &Recovery{Clock: quick{}}
	for cause, want := range map[error]bool{geored.ErrBudget: true, context.Canceled: false} {
		ctx, end := context.WithCancelCause(t.Context())
		state, err := x.unhurried(func(look context.Context) (geored.State, error) {
			end(cause)
			select {
			case <-look.Done():
				return geored.State{}, context.Cause(look)
			case <-time.After(100 * time.Millisecond):
				return geored.State{Done: true}, nil
			}
		})(ctx)
		if state.Done != want || want != (err == nil) {
			t.Errorf("%v: %+v, %v", cause, state, err)
		}
	}
}

// A look that goes on behind its step's budget ends when the run does.
func TestALookBehindTheBudgetIsEnded(t *testing.T) {
	x := &Recovery{Clock: quick{}}
	run, halt := context.WithCancelCause(t.Context())
	_, stop := x.Attend(run, &geored.MemoryJournal{})
	defer stop()
	step, over := context.WithCancelCause(t.Context())
	halted := errors.New("halted")
	_, err := x.unhurried(func(look context.Context) (geored.State, error) {
		over(geored.ErrBudget)
		halt(halted)
		<-look.Done()
		return geored.State{}, context.Cause(look)
	})(step)
	if !errors.Is(err, halted) {
		t.Error(err)
	}
}

// An outage that nobody tells of is refused, and what was looked at is named.
func TestUnknownOutageIsRefused(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	err := r.recovery(OutageSaid{}).Assess(t.Context())
	if err == nil || !strings.Contains(err.Error(), "nothing tells how long") || !strings.Contains(err.Error(), "hints that dc1 keeps") || !strings.Contains(err.Error(), "position of the mirror dc1 -> dc2") {
		t.Fatal(err)
	}
	r.recovered(OutageSaid{Length: time.Minute}, nil)
	x := r.recovery(OutageSaid{})
	if err := x.Assess(t.Context()); err != nil || !strings.Contains(x.Note().Outage.Known, "at the earliest (found)") {
		t.Errorf("after a recovery the next outage is known to be later: %+v, %v", x.Note().Outage, err)
	}
}

// The proof names what differs, by key, also across stores.
func TestTheProofFindsWhatDiffers(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	x := r.recovery(OutageSaid{Length: time.Minute})
	if err := x.Assess(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range r.names {
		_ = r.index.Refill(t.Context(), name, "first")
	}
	for name, c := range map[string]struct {
		check       geored.CheckID
		text        string
		spoil, mend func()
	}{
		"a row":      {CheckSameRows, "id = 'b': dc1 has it", func() { r.ring.DeleteAt("dc2", "dev.message", "b") }, func() { r.ring.Insert("dev.message", "b", "object-b") }},
		"an object":  {CheckObjects, "files/object-b", func() { r.objects["dc2"].Put(filesBucket, "object-b", "x") }, func() { r.objects["dc2"].Put(filesBucket, "object-b", "b") }},
		"a document": {CheckIndex, "row b names document doc-b", func() { delete(r.index.documents["dc1"], "doc-b") }, func() { r.index.documents["dc1"]["doc-b"] = true }},
		"a stray":    {CheckIndex, "document doc-z belongs to no row", func() { r.index.documents["dc2"]["doc-z"] = true }, func() { delete(r.index.documents["dc2"], "doc-z") }},
		"a reference": {CheckReferences, "row q names object object-q", func() { r.index.rows["dc1"] = append(r.index.rows["dc1"], Reference{"q", "object-q", "doc-b"}) },
			func() { r.index.rows["dc1"] = r.index.rows["dc1"][:3] }},
	} {
		if v := verdictOf(r.proof(x), c.check); v != geored.Pass {
			t.Errorf("%s: %s before", name, v)
		}
		c.spoil()
		report := r.proof(x)
		if v := verdictOf(report, c.check); v != geored.Fail || !find(report, c.check, c.text) {
			t.Errorf("%s: %s", name, v)
			for _, f := range report.Findings {
				t.Logf("%s %s %s: %s: %s %q", f.Check, f.Site, f.To, f.Verdict, f.Message, f.Evidence)
			}
		}
		c.mend()
	}
	r.index.silent = "dc2"
	if v := verdictOf(r.proof(x), CheckIndex); v != geored.Unknown {
		t.Errorf("an index gives no answer: %s", v)
	}
}

// Records without a copy, and offsets that a mirror jumped over, fail; what nobody read or looked at proves nothing.
func TestRecordsAndLossesAreJudged(t *testing.T) {
	for name, c := range map[string]struct {
		spans []kafka.Comparison
		want  geored.Verdict
		says  string
	}{
		"all have their copy":  {[]kafka.Comparison{{Matched: 2}, {Matched: 1}}, geored.Pass, "3 records have their copy, 0 have none"},
		"one has none":         {[]kafka.Comparison{{Matched: 2}, {Matched: 1, Missing: 1}}, geored.Fail, "3 records have their copy, 1 have none"},
		"one is another":       {[]kafka.Comparison{{Matched: 2, Different: 1}}, geored.Fail, "2 records"},
		"not read to its end":  {[]kafka.Comparison{{Matched: 2}, {Matched: 1, Err: errors.New("silent")}}, geored.Unknown, "3 records"},
		"one was copied twice": {[]kafka.Comparison{{Matched: 2, Duplicates: 1}}, geored.Warn, "2 records"},
		"nothing is copied":    {[]kafka.Comparison{{Waiting: 2}}, geored.Unknown, "2 wait for the mirror"},
		"nothing was compared": {nil, geored.Unknown, "0 records"},
	} {
		f := judgeRecords(geored.Target{}, c.spans)
		if f.Verdict != c.want || !strings.Contains(f.Message, c.says) || (f.Remedy != "") != (c.want == geored.Fail) {
			t.Errorf("%s: want %s with %q: %+v", name, c.want, c.says, f)
		}
	}
	sample := func(next, start, end, copies int64) kafka.Sample {
		p := mirrored(next, start, end)
		p.ID, p.Target.End = kafka.TopicID{1}, copies
		return kafka.Sample{From: "dc1", To: "dc2", Time: noon, Positions: []kafka.Position{p}}
	}
	past := kafka.History{}.With(sample(10, 0, 10, 10))
	for name, c := range map[string]struct {
		now     kafka.Sample
		past    kafka.History
		mayLose bool
		want    geored.Verdict
	}{
		"it went on":                            {sample(20, 0, 20, 20), past, true, geored.Pass},
		"it jumped over what retention removed": {sample(20, 17, 20, 13), past, false, geored.Fail},
		"nobody looked before":                  {sample(20, 17, 20, 13), kafka.History{}, true, geored.Unknown},
		"nor before a short outage":             {sample(20, 0, 20, 20), kafka.History{}, false, geored.Pass},
	} {
		if f := judgeLosses(c.now, c.past, c.mayLose); f.Verdict != c.want {
			t.Errorf("%s: want %s: %+v", name, c.want, f)
		}
	}
}

// listed asks before it lists.
type listed struct {
	ObjectAccess
	ask func() error
}

func (l listed) List(ctx context.Context, q objectstore.Query) (objectstore.Page, error) {
	if err := l.ask(); err != nil {
		return objectstore.Page{}, err
	}
	return l.ObjectAccess.List(ctx, q)
}

// Every check of a recovery is held to the rule of all.
func TestRecoveryHonesty(t *testing.T) {
	honest(t, CheckIndex, content{rows: []Reference{{"a", "o", "d"}}, documents: map[string]bool{"d": true}}, judgeIndex)
	honest(t, CheckReferences, content{rows: []Reference{{"a", "o", "d"}}, documents: map[string]bool{"d": true}, objects: map[string]bool{"o": true}}, judgeReferences)
	whole := kafka.Sample{From: "dc1", To: "dc2", Time: time.Now(), Positions: []kafka.Position{mirrored(1, 0, 1)}}
	honest(t, CheckLosses, whole, func(_ geored.Target, s kafka.Sample) geored.Finding { return judgeLosses(s, kafka.History{}, false) })
	if f := judgeLosses(whole, kafka.History{}, true); f.Verdict != geored.Unknown {
		t.Errorf("nobody looked before an outage that was longer than retention: %s: %s", f.Verdict, f.Message)
	}
	honest(t, CheckRecords, []kafka.Comparison{{Matched: 1}}, judgeRecords)

	r := newSites(t, "dc1", "dc2")
	geotest.Honest(t, CheckSameRows, func(recorded *geotest.Recorded) []geored.Check {
		x := r.recovery(OutageSaid{Length: time.Minute})
		x.note.Decisions = []Decision{{Store: storeCassandra, Part: "keyspace dev"}}
		store := x.Cassandra(CassandraStore{Open: func(context.Context) (*cassandra.Cluster, error) {
			if err := recorded.Answer("ring"); err != nil {
				return nil, err
			}
			return cassandra.Open(r.ring.Config())
		}, Tool: r.tool, Restarter: r.ring})
		return store.Checks()
	})
	geotest.Honest(t, CheckObjects, func(recorded *geotest.Recorded) []geored.Check {
		x, access := r.recovery(OutageSaid{Length: time.Minute}), map[geored.SiteName]ObjectAccess{}
		for _, name := range r.names {
			access[name] = listed{r.objects[name].Client(t, name, nil), sync.OnceValue(func() error { return recorded.Answer("list at " + string(name)) })}
		}
		return x.Objects(ObjectStore{Access: access, Mirrors: r.mirrors}).Checks()
	})

	joined := time.Now()
	records := []geored.Record{{Kind: geored.Evidence, Step: "end/note", Time: joined.Add(time.Second)}}
	note := RecoveryNote{Joined: joined, Done: joined.Add(time.Second)}
	check := func(id geored.CheckID, run func() []geored.Finding) []geored.Check {
		return []geored.Check{{ID: id, Run: func(context.Context) []geored.Finding { return run() }}}
	}
	geotest.Honest(t, CheckRTO, func(recorded *geotest.Recorded) []geored.Check {
		return check(CheckRTO, func() []geored.Finding {
			if recorded.Answer("journal") != nil {
				return []geored.Finding{judgeRTO(note, nil, r.names)}
			}
			return []geored.Finding{judgeRTO(note, records, r.names)}
		})
	})
	geotest.Honest(t, CheckRPO, func(recorded *geotest.Recorded) []geored.Check {
		return check(CheckRPO, func() []geored.Finding {
			measured := note
			for _, store := range []string{storeKafka, storeCassandra, storeObjects} {
				m := Missing{Store: store, From: "dc1", To: "dc2", Count: 1, Oldest: joined.Add(-time.Minute), Seen: joined}
				if err := recorded.Answer(store); err != nil {
					m.Err = err.Error()
				}
				measured.Missing = append(measured.Missing, m)
			}
			return judgeRPO(measured)
		})
	})
	geotest.Honest(t, CheckDecisions, func(recorded *geotest.Recorded) []geored.Check {
		return check(CheckDecisions, func() []geored.Finding {
			read := limits(3*time.Hour, 10*day)
			for _, s := range read.Sites {
				if err := recorded.Answer("limits of " + string(s.Site)); err != nil {
					read.Unknown = append(read.Unknown, geored.Silence{Target: geored.Target{Site: s.Site}, Reason: err.Error()})
				}
			}
			facts := MirrorFacts{Positions: []kafka.Position{mirrored(1, 0, 2)}, Status: geored.Finding{Verdict: geored.Pass},
				Retention: map[string]kafka.Retention{"orders": {Delete: true, Time: day, Bytes: -1}}, Err: recorded.Answer("retention")}
			return judgeDecisions(RecoveryNote{Decisions: append(DecideCassandra(away(time.Hour), read), DecideMirror(away(time.Hour), facts))}, r.names)
		})
	})
}
