package ice

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/kafkatest"
)

// Deletions that begin to be forgotten between two nodes end the repair; behind its last node nobody knows what came back.
func TestDeletionsThatAreForgottenWhileNodesAreRepaired(t *testing.T) {
	for name, c := range map[string]struct {
		crossed int // nodes that are repaired by then
		repairs int
		told    string // in the error; "": it comes to its end
	}{
		"behind the first node": {1, 1, "would bring deleted rows back"},
		"behind the last one":   {2, 2, ""},
		"not at all":            {3, 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSites(t, "dc1", "dc2")
			r.during("dc1", "d")
			clock := &ahead{}
			repaired := 0
			r.tool.after = func(args []string) {
				if strings.Join(args, " ") == "repair -full -pr dev" {
					if repaired++; repaired == c.crossed {
						clock.by.Store(int64(8 * time.Hour))
					}
				}
			}
			x := r.recovery(OutageSaid{Length: 10*day - 4*time.Hour})
			x.Clock = clock
			_, err := r.run(t.Context(), x, nil)
			if (err != nil) != (c.told != "") || err != nil && !strings.Contains(err.Error(), c.told) {
				t.Fatal(err)
			}
			if n := r.tool.count("repair -full -pr dev"); n != c.repairs {
				t.Errorf("%d repairs, want %d", n, c.repairs)
			}
			if c.told != "" {
				return
			}
			report := r.proof(x)
			forgotten := find(report, CheckDecisions, "rows that were deleted may be back at every site: when the repair ended, the outage began ")
			if want := map[bool]geored.Verdict{true: geored.Unknown, false: geored.Pass}[c.crossed == 2]; forgotten != (c.crossed == 2) || verdictOf(report, CheckDecisions) != want {
				t.Errorf("%s, want %s; %+v", verdictOf(report, CheckDecisions), want, report.Findings)
			}
		})
	}
}

// A handshake shows that the link was up, and not that the sites held the same: who repairs for an outage that was only found
// confirms that no older one lies behind it, unless the sites were proven lately.
func TestAFoundOutageIsRepairedByConfirmation(t *testing.T) {
	const asks = "no-older-outage-"
	for name, c := range map[string]struct {
		found  bool
		proven time.Duration // ago; zero: never
		length time.Duration
		cure   Cure
		asks   bool
	}{
		"said":                       {false, 0, 5 * time.Hour, RepairCure, false},
		"found":                      {true, 0, 5 * time.Hour, RepairCure, true},
		"found, and proven lately":   {true, 9 * day, 5 * time.Hour, RepairCure, false},
		"found, and proven long ago": {true, 11 * day, 5 * time.Hour, RepairCure, true},
		"found, and hints are kept":  {true, 0, time.Hour, AwaitCure, false}, // rows that differ all the same end it
	} {
		o := away(c.length)
		o.Found = c.found
		if c.proven > 0 {
			o.Proven = noon.Add(-c.proven)
		}
		for _, d := range DecideCassandra(o, limits(3*time.Hour, 10*day)) {
			if d.Cure != c.cure || strings.HasPrefix(d.Confirm, asks) != c.asks || c.asks != strings.Contains(d.Reason(), "older outage") {
				t.Errorf("%s: %+v", name, d)
			}
		}
	}
	r := newSites(t, "dc1", "dc2")
	r.during("dc1", "d")
	began := time.Now().Add(-5 * time.Hour)
	look := func(context.Context) []Evidence { return []Evidence{{Source: "handshakes", Joined: began}} }
	x := r.recovery(OutageSaid{})
	x.Look = look
	if _, err := r.run(t.Context(), x, nil); err == nil || !strings.Contains(err.Error(), asks) || r.tool.count("repair -full") != 0 {
		t.Fatalf("nobody confirmed it: %v, %q", err, r.tool.calls)
	}
	confirmed := map[geored.StepID]string{}
	for _, d := range x.decided(storeCassandra) {
		confirmed[geored.StepID("cassandra/"+strings.ReplaceAll(d.Part, " ", "/")+"/repair")] = d.Confirm
	}
	x = r.recovery(OutageSaid{})
	x.Look = look
	if _, err := r.run(t.Context(), x, confirmed); err != nil {
		t.Fatal(err)
	}
	r.wants(r.proof(x), geored.Pass)
	if x = r.recovery(OutageSaid{}); x.Assess(t.Context()) == nil && x.Note().Outage.Proven.IsZero() {
		t.Error("the recovery that came to its end is no proof for the next one")
	}
}

// What was written while a recovery waited for the sites is in what it measured, though it had looked before.
func TestWhatIsWrittenWhileSitesAreWaitedFor(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	clock := &ahead{}
	var apart atomic.Bool
	apart.Store(true)
	r.apart = func() []geored.Silence {
		if apart.Load() {
			return []geored.Silence{{Target: geored.Target{Site: "dc2"}, Reason: "no route to host"}}
		}
		return nil
	}
	r.index.silent = "dc2" // nothing but the measurement
	x := r.recovery(OutageSaid{Length: time.Minute})
	x.Clock = clock
	x.Stores = x.Stores[1:2]
	ended := make(chan error, 1)
	go func() {
		_, err := r.run(t.Context(), x, nil)
		ended <- err
	}()
	eventually(t, func() bool { return len(x.Note().Missing) > 0 })
	if text := missingText(x.Note().Missing); text != "no site lacked anything" {
		t.Fatal(text)
	}
	r.during("dc1", "d")
	clock.by.Store(int64(2 * time.Hour))
	apart.Store(false)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for _, m := range x.Note().Missing {
		if want := map[geored.SiteName]int64{"dc1": 1}[m.From]; m.Count != want || m.None.IsZero() {
			t.Errorf("%s to %s: %+v", m.From, m.To, m)
		}
	}
	bounded := false
	for _, f := range measuredRPO(x.Note()) {
		bounded = bounded || f.Site == "dc2" && strings.Contains(f.Message, "RPO at most 2h0m") && f.Verdict == geored.Pass
	}
	if !bounded {
		t.Errorf("%+v", measuredRPO(x.Note()))
	}
}

// Two looks tell together what neither does alone.
func TestBothLooks(t *testing.T) {
	way := Missing{Store: storeCassandra, From: "dc1", To: "dc2", Seen: noon, Took: time.Minute}
	with := func(change func(*Missing)) Missing { m := way; change(&m); return m }
	later := noon.Add(time.Hour)
	for name, c := range map[string]struct{ early, later, want Missing }{
		"carried over meanwhile": {with(func(m *Missing) { m.Count, m.Oldest, m.Keys = 3, noon.Add(-time.Hour), []string{"a"} }), with(func(m *Missing) { m.Seen = later }),
			with(func(m *Missing) { m.Count, m.Oldest, m.Keys, m.Seen = 3, noon.Add(-time.Hour), []string{"a"}, later })},
		"written meanwhile": {way, with(func(m *Missing) { m.Count, m.Oldest, m.Seen = 2, noon.Add(time.Minute), later }),
			with(func(m *Missing) {
				m.Count, m.Oldest, m.Seen, m.None, m.Keys = 2, noon.Add(time.Minute), later, noon.Add(-time.Minute), []string{}
			})},
		"not known at first": {with(func(m *Missing) { m.Err = "silent" }), with(func(m *Missing) { m.Count, m.Seen = 1, later }), with(func(m *Missing) { m.Count, m.Seen = 1, later })},
		"not known any more": {with(func(m *Missing) { m.Count = 2 }), with(func(m *Missing) { m.Err, m.Seen = "silent", later }),
			with(func(m *Missing) { m.Count, m.Err, m.Seen = 2, "since 2026-11-21T12:00:00Z: silent", later })},
	} {
		got, _ := json.Marshal(c.early.with(c.later))
		want, _ := json.Marshal(c.want)
		if string(got) != string(want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	note := RecoveryNote{Joined: later, Missing: []Missing{way}}
	if !note.stale() {
		t.Error("an hour is not too old")
	}
	note.Joined = noon.Add(time.Minute)
	if note.stale() {
		t.Error("a minute is too old")
	}
	if note.Decisions = []Decision{{Cure: RebuildCure}}; !note.stale() {
		t.Error("rows are given up that were written in that minute")
	}
	long := RecoveryNote{Joined: noon, Missing: []Missing{with(func(m *Missing) { m.Seen, m.Took = noon.Add(time.Minute), time.Hour })}}
	if !long.stale() || !strings.Contains(measuredRPO(long)[0].Message, "RPO at most 59m0s") {
		t.Errorf("a look that began an hour before its end: %+v", measuredRPO(long))
	}
	// Rows that were given up and that nobody counted are not none.
	d := Decision{Store: storeCassandra, Part: "keyspace dev", Cure: RebuildCure, GivesUp: "dc2"}
	for kept, want := range map[string]geored.Verdict{keptRebuild + "dev": geored.Unknown, keptPast: geored.Pass} {
		f := geored.Finding{Verdict: geored.Pass}
		judgeLoss(&f, d, RecoveryNote{Kept: map[string]json.RawMessage{kept: json.RawMessage("{}")}})
		if f.Verdict != want {
			t.Errorf("%s: %+v", kept, f)
		}
	}
}

// A second cut while rows are being taken back: the halt says what the site does not serve, the rebuild goes on all the same, and is
// no end where the cut was longer than hints are kept.
func TestASecondCutWhileASiteIsRebuilt(t *testing.T) {
	plan, _ := json.Marshal(cassandra.RebuildPlan{Rebuilding: cassandra.Rebuilding{Keyspace: "dev", Site: "dc2", From: "dc1"}, Replication: map[string]string{"dc1": "1", "dc2": "1"}, GivenUp: true})
	note := RecoveryNote{Halted: noon, Kept: map[string]json.RawMessage{keptRebuild + "dev": plan}, Decisions: []Decision{{Store: storeCassandra, Part: "keyspace dev", Cure: RebuildCure}, {Store: storeKafka, Part: "mirror"}}}
	err := (&ApartError{[]geored.Silence{{Target: geored.Target{Site: "dc2"}, Reason: "silent"}}, unfinishedRebuilds(note)}).Error()
	for _, want := range []string{"keyspace dev is being rebuilt in dc2", `ALTER KEYSPACE "dev" WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': '1', 'dc2': '1'}`} {
		if !strings.Contains(err, want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	note.Kept["done/cassandra/keyspace/dev/rebuild"] = json.RawMessage(`"x"`)
	if lines := unfinishedRebuilds(note); lines != nil {
		t.Errorf("one that is done: %q", lines)
	}
	delete(note.Kept, "done/cassandra/keyspace/dev/rebuild")
	for cure, torn := range map[Cure]bool{AwaitCure: false, LeaveCure: false, RepairCure: true} {
		x := &Recovery{decides: []decider{func(Outage) ([]Decision, error) { return []Decision{{Store: storeCassandra, Cure: cure}}, nil }}}
		kept, err := x.afterCut(note, noon.Add(time.Hour))
		if err != nil || kept[keptRebuild+"dev"] == nil || (kept[keptTorn+"dev"] != nil) != torn {
			t.Errorf("%s: %v, %v", cure, kept, err)
		}
	}

	first, _ := json.Marshal(noon.Add(-day)) // of a cut before that: who begins anew begins there
	note.Kept[keptTorn+"dev"] = first
	again := &Recovery{decides: []decider{func(Outage) ([]Decision, error) { return []Decision{{Store: storeCassandra, Cure: RepairCure}}, nil }}}
	for range 20 {
		if kept, err := again.afterCut(note, noon.Add(time.Hour)); err != nil || string(kept[keptTorn+"dev"]) != string(first) {
			t.Fatalf("%s, %v", kept[keptTorn+"dev"], err)
		}
	}

	r := newSites(t, "dc1", "dc2")
	r.away = "dc2"
	long := OutageSaid{Length: 11 * day}
	x := r.recovery(long)
	if err := x.Assess(t.Context()); err != nil {
		t.Fatal(err)
	}
	confirmed := map[geored.StepID]string{"cassandra/keyspace/dev/rebuild": x.decided(storeCassandra)[0].Confirm}
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	r.tool.before = func(args []string) error {
		if args[0] == "rebuild" {
			kill()
		}
		return ctx.Err()
	}
	if _, err := r.run(ctx, r.recovery(long), confirmed); err == nil {
		t.Fatal("it was not killed")
	}
	r.tool.before = nil
	r.notes.note.Kept[keptTorn+"dev"], _ = json.Marshal(noon)
	for range 2 { // it stays so
		_, got := r.run(t.Context(), r.recovery(OutageSaid{}), confirmed)
		if got == nil || !strings.Contains(got.Error(), "begin anew with -since 2026-11-21T12:00:00Z") {
			t.Fatalf("%v", got)
		}
	}
	if n := r.tool.count("rebuild -ks dev"); n != 2 { // the one that was killed, and the one that went on
		t.Errorf("%d rebuilds", n)
	}
}

// A mirror that an earlier recovery stopped runs in the end, also when nothing asks for its stop any more.
func TestAMirrorThatWasLeftStopped(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	r.removes, r.mirrors.stopped["dc2"] = true, true
	_, report := r.recovered(OutageSaid{Length: time.Minute}, map[geored.StepID]string{"objects/conflicts": confirmation("mirrors-may-remove-objects")})
	r.wants(report, geored.Pass)
	if r.mirrors.stopped["dc2"] || strings.Join(r.mirrors.calls, ", ") != "start dc2 3" {
		t.Errorf("%q", r.mirrors.calls)
	}
}

// Keyspaces that the sites do not share, or that nobody can compare, hold up no other, and are no pass.
func TestKeyspacesThatAreLeft(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	columns := []cassandratest.Column{{Name: "id", Type: "text", Kind: cassandratest.PartitionKey}, {Name: "v", Type: "text"}}
	network := "org.apache.cassandra.locator.NetworkTopologyStrategy"
	for _, k := range []cassandra.Keyspace{{Name: "alone", Class: network, Replication: map[string]string{"dc1": "1"}}, {Name: "counted", Class: network, Replication: map[string]string{"dc1": "1", "dc2": "1"}},
		{Name: "simple", Class: "org.apache.cassandra.locator.SimpleStrategy", Replication: map[string]string{"replication_factor": "1"}}} {
		r.ring.SetReplication(k)
		r.ring.CreateTable(cassandratest.Table{Keyspace: k.Name, Name: "things", Columns: columns, Counter: k.Name == "counted"})
	}
	r.during("dc1", "d")
	x, report := r.recovered(OutageSaid{Length: 5 * time.Hour}, nil)
	cures := map[string]Cure{}
	for _, d := range x.decided(storeCassandra) {
		cures[keyspaceOf(d)] = d.Cure
	}
	for keyspace, want := range map[string]Cure{"alone": LeaveCure, "counted": LeaveCure, "simple": LeaveCure, "dev": RepairCure} {
		if cures[keyspace] != want {
			t.Errorf("keyspace %s: %s, want %s", keyspace, cures[keyspace], want)
		}
	}
	for _, want := range []string{"dc2 holds none of it", "has only counters"} {
		if !find(report, CheckDecisions, want) {
			t.Errorf("nobody says %q", want)
		}
	}
	proof := r.recovery(OutageSaid{})
	proof.ProveOnly = true
	if err := proof.Assess(t.Context()); err != nil {
		t.Fatal(err)
	}
	if alone := r.proof(proof); verdictOf(alone, CheckDecisions) != geored.Unknown || verdictOf(alone, CheckSameRows) != geored.Pass {
		t.Errorf("where nothing is changed: %+v", alone.Findings)
	}
	last := x.Note()
	for _, d := range DecideCassandra(Outage{Most: 5 * time.Hour, Asked: last.Done, Found: true, Proven: last.Done, Unproven: last.left(), Known: "it"}, cassandra.Limits{
		Sites:  []cassandra.SiteLimits{{Site: "dc1", HintWindow: time.Hour, Handoff: true}},
		Tables: []cassandra.TableLimits{{Table: cassandra.Table{Keyspace: "alone", Name: "t"}, GCGrace: day}, {Table: cassandra.Table{Keyspace: "dev", Name: "t"}, GCGrace: day}}}) {
		if d.Cure != RepairCure || (d.Confirm != "") != (keyspaceOf(d) == "alone") {
			t.Errorf("what was left was proven: %+v", d)
		}
	}
	if verdictOf(report, CheckDecisions) != geored.Unknown || verdictOf(report, CheckSameRows) != geored.Pass || r.tool.count("repair -full -pr dev") != 2 {
		t.Errorf("%+v", report.Findings)
	}
}

// One odd look leaves no keyspace out: a data centre of no site, a split schema, a site that is silent.
func TestWhatASharedKeyspaceIs(t *testing.T) {
	const both, one = "dc1 dc2", "dc1"
	view := func(site geored.SiteName, dataCenter, replicated string, peers ...cassandra.Node) cassandra.View {
		k := cassandra.Keyspace{Name: "dev", Class: "NetworkTopologyStrategy", Replication: map[string]string{}}
		for _, name := range strings.Fields(replicated) {
			k.Replication[name] = "3"
		}
		return cassandra.View{Node: cassandra.Node{Site: site, DataCenter: dataCenter}, Keyspaces: []cassandra.Keyspace{k}, Peers: peers}
	}
	unread := view("dc2", "dc2", one)
	unread.Keyspaces = nil
	for name, c := range map[string]struct {
		views []cassandra.View
		left  bool
	}{
		"shared":                        {[]cassandra.View{view("dc1", "dc1", both), view("dc2", "dc2", both)}, false},
		"of one site":                   {[]cassandra.View{view("dc1", "dc1", one), view("dc2", "dc2", one)}, true},
		"a data centre of no site":      {[]cassandra.View{view("dc1", "dc1", both), view("dc2", "dc2", both), view("", "backup", both)}, false},
		"the schema is split":           {[]cassandra.View{view("dc1", "dc1", one), view("dc2", "dc2", both)}, false},
		"split the other way":           {[]cassandra.View{view("dc1", "dc1", both), view("dc2", "dc2", one)}, false},
		"of one site, the other silent": {[]cassandra.View{view("dc1", "dc1", one, cassandra.Node{Site: "dc2", DataCenter: "dc2"})}, true},
		"not told by one":               {[]cassandra.View{view("dc1", "dc1", one), unread}, false},
		"nobody answers":                {nil, false},
	} {
		if why := unshared(cassandra.Ring{Views: c.views}, "dev"); (why != "") != c.left {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// Who looked before another recovery went on decides anew.
func TestARecoveryThatAnotherOvertook(t *testing.T) {
	for name, c := range map[string]struct {
		before, meanwhile func(*sitesRig)
		refused           bool
	}{
		"nobody":              {func(*sitesRig) {}, func(*sitesRig) {}, false},
		"another began":       {func(*sitesRig) {}, func(r *sitesRig) { r.notes.note, r.notes.there = RecoveryNote{ID: "other", Number: 1}, true }, true},
		"the same went on":    {func(r *sitesRig) { r.notes.note, r.notes.there = underWay("it"), true }, func(r *sitesRig) { r.notes.note.Number++ }, true},
		"it goes on":          {func(r *sitesRig) { r.notes.note, r.notes.there = underWay("it"), true }, func(*sitesRig) {}, false},
		"the note is deleted": {func(r *sitesRig) { r.notes.note, r.notes.there = underWay("it"), true }, func(r *sitesRig) { r.notes.there = false }, true},
	} {
		r := newSites(t, "dc1", "dc2")
		c.before(r)
		x := r.recovery(OutageSaid{Length: time.Minute})
		x.Stores = nil
		if err := x.Assess(t.Context()); err != nil {
			t.Fatal(name, err)
		}
		book, err := x.Runbook()
		if err != nil {
			t.Fatal(err)
		}
		c.meanwhile(r)
		_, err = book.Run(t.Context(), geored.RunConfig{Poll: 20 * time.Millisecond, StepTimeout: 20 * time.Second})
		if (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), "another recovery went on") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func underWay(id string) RecoveryNote {
	return RecoveryNote{ID: id, Number: 3, Outage: Outage{Most: time.Minute, Known: "1m0s (-outage)"}, Joined: time.Now(), Decisions: []Decision{{Store: storeKafka}}}
}

// forgetting counts how often positions are forgotten.
type forgetting struct {
	kafka.Control
	times *atomic.Int32
}

func (f forgetting) ForgetOffsets(ctx context.Context, connector string, offsets []connect.Offset) error {
	err := f.Control.ForgetOffsets(ctx, connector, offsets)
	if err == nil {
		f.times.Add(1)
	}
	return err
}

// A recovery that is killed while a topic is copied again does not have it copied once more.
func TestAKillWhileTopicsAreCopiedAgain(t *testing.T) {
	r := newSites(t, "dc1", "dc2")
	seeder := kafkatest.Seed(t.Context(), t, r.kafka.Access("dc1"))
	seeder.Create("orders", 1)
	seeder.Produce("orders", 1, 0, 10)
	target := kafkatest.Seed(t.Context(), t, r.kafka.Access("dc2"))
	eventually(t, func() bool { return target.End("dc1.orders", 0) == 10 })
	config := r.kafkaConfig()
	var forgotten atomic.Int32
	for i := range config.Sites {
		config.Sites[i].Control = forgetting{config.Sites[i].Control, &forgotten}
	}
	recovery := func() (*Recovery, []geored.Task) {
		x := &Recovery{Sites: r.names, Notes: r.notes, Clock: quick{}, note: r.notes.note}
		store, err := x.Kafka(KafkaStore{Config: config, Canary: kafka.CanaryPlan{Wait: 10 * time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		tasks, err := store.Tasks([]Decision{{Store: storeKafka, Part: "mirror dc1 -> dc2", Cure: AgainCure, Again: []string{"orders"}}})
		if err != nil {
			t.Fatal(err)
		}
		var own []geored.Task
		for _, task := range tasks {
			if strings.HasPrefix(string(task.ID), "kafka/again/") {
				task.Confirm, task.Needs = "", nil
				own = append(own, task)
			}
		}
		return x, own
	}
	_, tasks := recovery()
	if len(tasks) != 2 {
		t.Fatalf("%d tasks", len(tasks))
	}
	if err := tasks[0].Apply(t.Context()); err != nil { // killed behind it
		t.Fatal(err)
	}
	_, tasks = recovery()
	if state, err := tasks[0].Observe(t.Context()); err != nil || !state.Done {
		t.Errorf("it is begun anew once more: %+v, %v", state, err)
	}
	if err := tasks[1].Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if end := target.End("dc1.orders", 0); end != 20 || forgotten.Load() != 1 {
		t.Errorf("the copy ends at %d; positions were forgotten %d times", end, forgotten.Load())
	}
}
