package ice

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/objectstore"
)

const (
	day    = 24 * time.Hour
	second = time.Second
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func away(d time.Duration) Outage {
	return Outage{Least: d, Most: d, Began: noon.Add(-d), Known: d.String(), Asked: noon}
}

func limits(window, grace time.Duration) cassandra.Limits {
	return cassandra.Limits{
		Sites: []cassandra.SiteLimits{{Site: "dc1", HintWindow: window, Handoff: true}, {Site: "dc2", HintWindow: window + time.Hour, Handoff: true}, {Site: "dc3", HintWindow: day, Handoff: true}},
		Tables: []cassandra.TableLimits{{Table: cassandra.Table{Keyspace: "dev", Name: "changeset"}, GCGrace: grace},
			{Table: cassandra.Table{Keyspace: authKeyspace, Name: "roles"}, GCGrace: grace}},
	}
}

// Every limit of Cassandra at one second less, at itself, and at one second more.
func TestDecideCassandra(t *testing.T) {
	window, grace := 3*time.Hour, 10*day
	unread := limits(window, grace)
	unread.Unknown = []geored.Silence{{Target: geored.Target{Site: "dc2", Name: "node"}, Reason: "no settings"}}
	off := limits(window, grace)
	off.Sites[1].Handoff = false
	for name, c := range map[string]struct {
		outage    time.Duration
		limits    cassandra.Limits
		dev, auth Cure
		because   string
	}{
		"a second":                     {second, limits(window, grace), AwaitCure, AwaitCure, "<= every hint window, the shortest 3h0m0s"},
		"before the window ends":       {window - second, limits(window, grace), AwaitCure, AwaitCure, ""},
		"when the window ends":         {window, limits(window, grace), AwaitCure, AwaitCure, ""},
		"after the window":             {window + second, limits(window, grace), RepairCure, RepairCure, "outage 3h0m1s > site dc1 keeps hints for 3h0m0s"},
		"hints are off":                {second, off, RepairCure, RepairCure, "site dc2 keeps no hints"},
		"before deletions are gone":    {grace - second, limits(window, grace), RepairCure, RepairCure, ""},
		"when deletions may go":        {grace, limits(window, grace), RepairCure, RepairCure, ""},
		"after deletions are gone":     {grace + second, limits(window, grace), RebuildCure, RepairCure, "table dev.changeset forgets deletions after 240h0m0s"},
		"gc_grace below the window":    {time.Hour, limits(window, time.Minute), RebuildCure, RepairCure, "forgets deletions after 1m0s"},
		"a node does not tell":         {second, unread, ProveCure, ProveCure, "no cure is safe"},
		"it tells enough to be worse":  {grace + second, unread, RebuildCure, RepairCure, ""},
		"no site told its hint window": {second, cassandra.Limits{Tables: limits(window, grace).Tables}, ProveCure, ProveCure, ""},
	} {
		found := DecideCassandra(away(c.outage), c.limits)
		if len(found) != 2 || found[0].Part != "keyspace dev" || found[0].Cure != c.dev || found[1].Cure != c.auth || !strings.Contains(found[0].Reason(), c.because) {
			t.Errorf("%s: %+v", name, found)
		}
		if reason := found[0].Reason(); strings.Contains(reason, "> site") && !strings.Contains(reason, "keeps hints for") {
			t.Errorf("%s: compares with what is no length: %s", name, reason)
		}
		if (found[1].Confirm != "") != (c.dev == RebuildCure) {
			t.Errorf("%s: roles that were dropped may come back by a repair, and a person must confirm that: %+v", name, found[1])
		}
		for _, d := range found {
			if d.Without == "" || len(d.Because) == 0 {
				t.Errorf("%s: says neither why nor what else: %+v", name, d)
			}
		}
	}
	if found := DecideCassandra(away(second), cassandra.Limits{}); len(found) != 1 || found[0].Cure != ProveCure {
		t.Errorf("nobody told anything: %+v", found)
	}
}

func mirrored(next, start, end int64) kafka.Position {
	return kafka.Position{Partition: kafka.Partition{Topic: "orders"}, Next: next, Source: kafka.Log{Start: start, End: end}, Target: kafka.Log{End: max(next, 0)}}
}

// Retention against the outage, and the log's beginning against the position.
func TestDecideMirror(t *testing.T) {
	deleted := kafka.Retention{Delete: true, Time: 7 * day, Bytes: -1}
	broken := mirrored(0, 0, 1)
	broken.Problem = "no leader"
	for name, c := range map[string]struct {
		outage   time.Duration
		position kafka.Position
		kept     kafka.Retention
		status   geored.Verdict
		err      error
		want     Cure
		because  string
	}{
		"short":                       {time.Hour, mirrored(10, 0, 20), deleted, geored.Pass, nil, AwaitCure, "<= the retention"},
		"before retention":            {7*day - second, mirrored(10, 0, 20), deleted, geored.Pass, nil, AwaitCure, ""},
		"at retention":                {7 * day, mirrored(10, 0, 20), deleted, geored.Pass, nil, AwaitCure, ""},
		"after retention":             {7*day + second, mirrored(10, 0, 20), deleted, geored.Pass, nil, ProveCure, "168h0m1s > retention.ms 168h0m0s of orders"},
		"kept for ever":               {70 * day, mirrored(10, 0, 20), kafka.Retention{Delete: true, Time: -1, Bytes: -1}, geored.Pass, nil, AwaitCure, ""},
		"compacted, tombstones gone":  {2 * day, mirrored(10, 0, 20), kafka.Retention{Compact: true, Tombstones: day}, geored.Pass, nil, ProveCure, "delete.retention.ms"},
		"compacted, tombstones there": {day, mirrored(10, 0, 20), kafka.Retention{Compact: true, Tombstones: day}, geored.Pass, nil, AwaitCure, ""},
		"by size":                     {second, mirrored(10, 0, 20), kafka.Retention{Delete: true, Time: -1, Bytes: 1 << 20}, geored.Pass, nil, ProveCure, "not all known"},
		"next is the log's first":     {second, mirrored(10, 10, 20), deleted, geored.Pass, nil, AwaitCure, ""},
		"one record is gone":          {second, mirrored(10, 11, 20), deleted, geored.Pass, nil, LostCure, "its log begins at 11 > 10"},
		"gone, and failed":            {second, mirrored(10, 11, 20), deleted, geored.Fail, nil, LostCure, ""},
		"nothing was ever copied":     {second, mirrored(kafka.NothingCommitted, 5, 20), deleted, geored.Pass, nil, AwaitCure, ""},
		"failed":                      {second, mirrored(10, 0, 20), deleted, geored.Fail, nil, RestartCure, "FAILED"},
		"a partition does not tell":   {second, broken, deleted, geored.Pass, nil, ProveCure, ""},
		"brokers do not tell":         {second, mirrored(10, 0, 20), deleted, geored.Pass, errors.New("silent"), ProveCure, ""},
	} {
		f := MirrorFacts{Mirror: kafka.Mirror{From: "dc1", To: "dc2"}, Positions: []kafka.Position{c.position},
			Retention: map[string]kafka.Retention{"orders": c.kept}, Status: geored.Finding{Verdict: c.status, Message: "x"}, Err: c.err}
		d := DecideMirror(away(c.outage), f)
		if d.Cure != c.want || !strings.Contains(d.Reason(), c.because) || d.Without == "" || len(d.Because) == 0 {
			t.Errorf("%s: %+v", name, d)
		}
		if d.MayLose != (d.Cure == ProveCure) {
			t.Errorf("%s: records may be gone where a limit was passed or is not known, and there alone: %+v", name, d)
		}
		f.Retention = nil
		if d := DecideMirror(away(c.outage), f); c.want == AwaitCure && (d.Cure != ProveCure || len(d.Silent) == 0 || !d.MayLose) {
			t.Errorf("%s, retention not known: %+v", name, d)
		}
	}
	// A loss is told once, also while the position still stands before it, and after it was passed.
	for next, want := range map[int64]Cure{10: AwaitCure, 20: AwaitCure} {
		var r Recovery
		before := kafka.Sample{From: "dc1", To: "dc2", Time: noon, Positions: []kafka.Position{mirrored(10, 15, 15)}}
		text, err := json.Marshal(kafka.History{}.With(before))
		if err == nil {
			err = r.carryHistory(RecoveryNote{Kept: map[string]json.RawMessage{keptSeen: text}})
		}
		if err != nil {
			t.Fatal(err)
		}
		past := historyOf(r.note, keptPast)
		now := kafka.Sample{From: "dc1", To: "dc2", Time: noon.Add(time.Hour), Positions: []kafka.Position{mirrored(next, 15, 20)}}
		now.Positions[0].Target.End = 10 + max(next-15, 0)
		f := MirrorFacts{Mirror: kafka.Mirror{From: "dc1", To: "dc2"}, Positions: now.Positions, Past: past.Of(kafka.Mirror{From: "dc1", To: "dc2"}),
			Seen: seenSince(past, now).Of(kafka.Mirror{From: "dc1", To: "dc2"}), Retention: map[string]kafka.Retention{"orders": deleted}, Status: geored.Finding{Verdict: geored.Pass}}
		if d := DecideMirror(away(second), f); d.Cure != want {
			t.Errorf("next %d: %+v", next, d)
		}
		if found := judgeLosses(now, past, false); found.Verdict != geored.Pass {
			t.Errorf("next %d: %s %q", next, found.Verdict, found.Evidence)
		}
	}
	if d := DecideMirror(away(second), MirrorFacts{}); d.Cure != ProveCure {
		t.Errorf("no partition is known: %+v", d)
	}
}

// What is gone for good fails whoever accepted it; what nobody lost does not.
func TestLossFails(t *testing.T) {
	sites := []geored.SiteName{"dc1", "dc2"}
	lost := Decision{Store: storeKafka, Part: "mirror dc1 -> dc2", Cure: LostCure, Because: []string{"orders/0: its log begins at 11 > 10"}}
	rebuilt := Decision{Store: storeCassandra, Part: "keyspace dev", Cure: RebuildCure, GivesUp: "dc2"}
	missing := func(from geored.SiteName, n int64, err string) []Missing {
		return []Missing{{Store: storeCassandra, From: from, Count: n, Keys: []string{"dev.message: id = 7"}, Err: err}}
	}
	for name, c := range map[string]struct {
		note RecoveryNote
		want geored.Verdict
		says string
	}{
		"records":                     {RecoveryNote{Decisions: []Decision{lost}}, geored.Fail, "begins at 11"},
		"rows":                        {RecoveryNote{Decisions: []Decision{rebuilt}, Missing: missing("dc2", 1, "")}, geored.Fail, "dev.message: id = 7"},
		"nobody could tell which":     {RecoveryNote{Decisions: []Decision{rebuilt}, Missing: missing("dc2", 0, "timeout")}, geored.Fail, "timeout"},
		"the site had nothing alone":  {RecoveryNote{Decisions: []Decision{rebuilt}, Missing: missing("dc2", 0, "")}, geored.Pass, ""},
		"the other one had something": {RecoveryNote{Decisions: []Decision{rebuilt}, Missing: missing("dc1", 1, "")}, geored.Pass, ""},
		"it is kept aside":            {RecoveryNote{Decisions: []Decision{rebuilt}, Kept: map[string]json.RawMessage{"aside/dev": []byte(`["kept aside: snapshot s of message"]`)}}, geored.Pass, "kept aside: snapshot s"},
		"somebody repaired before":    {RecoveryNote{Decisions: []Decision{rebuilt}, Kept: map[string]json.RawMessage{"repaired/dev": []byte(`["repair 7 of dev"]`)}}, geored.Unknown, "may be back at every site, for somebody repaired before the rebuild:\nrepair 7"},
	} {
		f := judgeDecisions(c.note, sites)[0]
		if text := strings.Join(f.Evidence, "\n"); f.Verdict != c.want || !strings.Contains(text, c.says) || (f.Verdict == geored.Pass) != (f.Remedy == "") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// An index is filled anew, or at least held against Cassandra.
func TestDecideSearch(t *testing.T) {
	for name, c := range map[string]struct {
		facts SearchFacts
		want  Cure
	}{
		"filled a moment ago":       {SearchFacts{Job: "elastic-sync-dc1", Filled: noon}, RefillCure},
		"never filled":              {SearchFacts{Job: "elastic-sync-dc1"}, RefillCure},
		"nobody tells":              {SearchFacts{Job: "elastic-sync-dc1", Err: errors.New("silent")}, RefillCure},
		"there is nothing to do it": {SearchFacts{Filled: noon}, ProveCure},
	} {
		if d := DecideSearch(away(time.Hour), c.facts); d.Cure != c.want || d.Without == "" || len(d.Because) == 0 {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// A mirror that began before the outage, or at a time that is not known, is deaf.
func TestDecideObjects(t *testing.T) {
	outage := away(time.Hour)
	sites := []geored.SiteName{"dc1", "dc2"}
	for name, c := range map[string]struct {
		started map[geored.SiteName]time.Time
		want    Cure // where nothing was changed at both sites
	}{
		"both began before it":        {map[geored.SiteName]time.Time{"dc1": outage.Began.Add(-second), "dc2": outage.Began.Add(-second)}, ResetCure},
		"one began as it did":         {map[geored.SiteName]time.Time{"dc1": outage.Began, "dc2": noon}, ResetCure},
		"one is not known":            {map[geored.SiteName]time.Time{"dc2": noon}, ResetCure},
		"both began a second into it": {map[geored.SiteName]time.Time{"dc1": outage.Began.Add(second), "dc2": outage.Began.Add(second)}, AwaitCure},
	} {
		f := ObjectFacts{Mechanism: objectstore.WatchMirror, Sites: sites, Started: c.started}
		if d, err := DecideObjects(outage, f); err != nil || d.Cure != c.want {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
		f.Conflicts = []string{"files/a"} // what both have no catch-up carries over
		d, err := DecideObjects(outage, f)
		if err != nil || d.Cure != ResetCure || !strings.Contains(d.Reason(), "1 objects were changed at both sites, such as files/a") {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	if _, err := DecideObjects(outage, ObjectFacts{Sites: sites}); err == nil {
		t.Error("a mechanism that is not known is decided about")
	}
}

// A topic that is copied again does not bring back what its source had removed before.
func TestAGapInATopicThatWasMadeAnewIsALoss(t *testing.T) {
	at := kafka.Partition{Topic: "orders"}
	anew := kafka.Incident{Partition: at, Kind: kafka.Recreated, Offsets: 3, Certain: true}
	gap := kafka.Incident{Partition: at, Kind: kafka.Gap, Offsets: 5, Certain: true}
	for name, c := range map[string]struct {
		incidents []kafka.Incident
		want      Cure
		lost      bool
	}{
		"made anew":          {[]kafka.Incident{anew}, AgainCure, false},
		"made anew, and gap": {[]kafka.Incident{gap, anew}, LostCure, true},
		"its copy is lost":   {[]kafka.Incident{{Partition: at, Kind: kafka.CopyLost, Offsets: 3, Certain: true}}, AgainCure, false},
	} {
		d := DecideMirror(away(time.Hour), MirrorFacts{Seen: kafka.MirrorHistory{Incidents: c.incidents}})
		if d.Cure != c.want || !slices.Equal(d.Again, []string{"orders"}) || strings.Contains(d.Reason(), "of 5 offsets") != c.lost {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// A copy that is not there is filled again, although the mirror has nothing left to copy.
func TestACopyThatIsNotThereIsFilledAgain(t *testing.T) {
	position := mirrored(10, 0, 10)
	position.Target = kafka.Log{}
	d := DecideMirror(away(time.Hour), MirrorFacts{Positions: []kafka.Position{position}})
	if d.Cure != AgainCure || !slices.Equal(d.Again, []string{"orders"}) || !strings.Contains(d.Reason(), "its copy is empty") {
		t.Errorf("%+v", d)
	}
}

func TestFindOutage(t *testing.T) {
	at := func(before time.Duration) time.Time { return noon.Add(-before) }
	nothing := Evidence{Source: "handshake", Says: "it is fresh: the link is up"}
	apart := Evidence{Source: "hints that dc1 keeps", Apart: at(time.Hour), Says: "the oldest"}
	joined := Evidence{Source: "lease", Joined: at(2 * time.Hour), Says: "all proven"}
	for name, c := range map[string]struct {
		said     OutageSaid
		evidence []Evidence
		want     time.Duration // at most
		least    time.Duration
		refused  string
	}{
		"said":                            {OutageSaid{Length: time.Hour}, []Evidence{nothing}, time.Hour, time.Hour, ""},
		"said, and shown":                 {OutageSaid{Length: time.Hour}, []Evidence{apart}, time.Hour, time.Hour, ""},
		"said too short by a second":      {OutageSaid{Length: time.Hour - second}, []Evidence{apart}, 0, 0, "shorter than the evidence"},
		"since":                           {OutageSaid{Since: at(3 * time.Hour)}, []Evidence{apart}, 3 * time.Hour, 0, ""},
		"since too late":                  {OutageSaid{Since: at(time.Minute)}, []Evidence{apart}, 0, 0, "shorter than the evidence"},
		"since the future":                {OutageSaid{Since: noon.Add(second)}, nil, 0, 0, "has not come"},
		"both":                            {OutageSaid{Length: time.Hour, Since: noon}, nil, 0, 0, "does not go with"},
		"a length below nothing":          {OutageSaid{Length: -second}, nil, 0, 0, "is no length"},
		"found between two bounds":        {OutageSaid{}, []Evidence{nothing, apart, joined}, 2 * time.Hour, time.Hour, ""},
		"found, no sign of it":            {OutageSaid{}, []Evidence{joined}, 2 * time.Hour, 0, ""},
		"nothing":                         {OutageSaid{}, nil, 0, 0, "nothing could be looked at"},
		"nothing tells":                   {OutageSaid{}, []Evidence{nothing}, 0, 0, "looked at: handshake: it is fresh"},
		"nothing tells how long":          {OutageSaid{}, []Evidence{apart, nothing}, 0, 0, "nothing tells how long before"},
		"evidence that cannot both be so": {OutageSaid{}, []Evidence{apart, {Source: "lease", Joined: at(time.Minute)}}, 0, 0, "contradicts itself"},
	} {
		o, err := FindOutage(c.said, c.evidence, noon)
		if c.refused != "" {
			if _, faults := geored.AsFaults(err); !faults || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %+v, %v", name, o, err)
			}
			continue
		}
		if err != nil || o.Most != c.want || o.Least != c.least || o.Known == "" || o.Began.Before(noon.Add(-o.Most)) {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
}

// A store of a site that has just been started comes up still: it is asked again before it is decided without its limits.
func TestAStoreThatComesUpIsAskedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		up, looks int
		patience  time.Duration
	}{
		"it comes up":       {up: 3, looks: 3, patience: time.Minute},
		"it does not":       {up: 1000, looks: 61, patience: time.Minute},
		"nobody waits":      {up: 1000, looks: 1},
		"it answers before": {up: 1, looks: 1, patience: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			looks := 0
			read := func(context.Context) ([]Evidence, func(Outage) ([]Decision, error)) {
				looks++
				return nil, func(Outage) ([]Decision, error) {
					d := Decision{Store: storeKafka, Cure: AwaitCure}
					if looks < c.up {
						d.Cure, d.Silent = ProveCure, []string{"dc2: connection refused"}
					}
					return []Decision{d}, nil
				}
			}
			x := &Recovery{Notes: &memoryNotes{}, Clock: geotest.NewClock(t, noon), AskAgain: c.patience,
				Said: OutageSaid{Length: time.Hour}, Stores: []Store{{Name: storeKafka, Read: read}}}
			if err := x.Assess(t.Context()); err != nil || looks != c.looks || x.unheard() != (c.up > looks) {
				t.Errorf("%v, %d looks, want %d; silent %t", err, looks, c.looks, x.unheard())
			}
		})
	}
}

// With three sites a mirror that may have lost records is not excused by another from the same site that did not.
func TestLossIsToldByMirror(t *testing.T) {
	mirrors := []kafka.Mirror{{From: "dc1", To: "dc2", Source: "one"}, {From: "dc1", To: "dc3"}, {From: "dc2", To: "dc1"}}
	decided := []Decision{{Part: "mirror dc1 -> dc3"}, {Part: "mirror dc1 -> dc2", MayLose: true}} // in whatever order
	for m, want := range map[kafka.Mirror]bool{{From: "dc1", To: "dc2"}: true, {From: "dc1", To: "dc3"}: false, {From: "dc2", To: "dc1"}: true} {
		if got := mayLose(mirrors, decided, false)[m]; got != want {
			t.Errorf("%s -> %s: may lose %t, want %t", m.From, m.To, got, want)
		}
		if !mayLose(mirrors, decided, true)[m] {
			t.Errorf("%s -> %s: nothing was decided, and a loss is excluded", m.From, m.To)
		}
	}
}

// Who is heard over no link between the sites tells nothing of it.
func TestHandshakesOfOtherSitesTell(t *testing.T) {
	elsewhere := []netip.Prefix{netip.MustParsePrefix("10.110.0.0/16")}
	peer := func(allowed string, age time.Duration) mesh.PeerState {
		return mesh.PeerState{AllowedIPs: []netip.Prefix{netip.MustParsePrefix(allowed)}, LastHandshake: noon.Add(-age)}
	}
	neighbour := peer("10.80.1.0/24", 30*time.Minute)
	for name, c := range map[string]struct {
		peers  []mesh.PeerState
		joined time.Time
		says   string
	}{
		"cut, its neighbour gone later": {[]mesh.PeerState{peer("10.110.1.0/24", 5*time.Hour), neighbour}, noon.Add(-5 * time.Hour), "the link is down still"},
		"the link is up":                {[]mesh.PeerState{peer("10.110.1.0/24", time.Minute), neighbour}, time.Time{}, "the link is up"},
		"no peer elsewhere":             {[]mesh.PeerState{neighbour}, time.Time{}, "none was ever made"},
	} {
		if e := handshakeEvidence(geored.Target{Site: "dc1", Name: "dc1-1"}, mesh.DeviceState{Peers: c.peers}, elsewhere, noon); !e.Joined.Equal(c.joined) || !strings.Contains(e.Says, c.says) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}
